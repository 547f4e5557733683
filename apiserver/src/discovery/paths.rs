//! `/`: the list of every path that is served.
//!
//! Keeps: sorted, no path twice.

use std::collections::BTreeSet;

use super::Catalog;
use crate::document::{Ask, Document};
use crate::tree::{Map, Node};

const FIXED: &[&str] =
    &["/api", "/apis", "/apis/", "/metrics", "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/version"];

/// The document at `/`.
pub(super) fn document(ask: &Ask<'_>, catalog: &Catalog, others: impl Iterator<Item = String>) -> Document {
    let mut paths: BTreeSet<String> = FIXED.iter().map(|path| (*path).to_owned()).collect();
    for group in catalog.named_groups() {
        paths.insert(format!("/apis/{}", group.name));
    }
    paths.extend(catalog.versions().map(super::GroupVersion::path));
    paths.extend(others);
    for endpoint in ["/healthz", "/livez", "/readyz"] {
        paths.insert(endpoint.to_owned());
        paths.extend(ask.site.checks.iter().map(|check| format!("{endpoint}/{check}")));
    }
    let paths: Node = paths.into_iter().collect();
    Document::json(format!("{}\n", Node::from(Map::from([("paths", paths)]))))
}
