//! Discovery: which groups, versions, resources and verbs are served.
//!
//! Keeps: everything here is derived from the list of kinds; the order of groups decides what a short name means
//! to kubectl, and stands once, in `groups.rs`.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::codec;
use crate::document::{Answer, Ask, Document};
use crate::openapi;
use crate::registry::Registry;
use crate::schema::{self, StructId};
use crate::status::Error;
use crate::tree::Map;

use aggregated::Aggregated;

mod aggregated;
mod groups;
mod legacy;
mod merged;
mod paths;
mod resources;

pub(crate) use groups::stability;
pub use groups::{ApiService, Catalog, Group, GroupVersion, Served, api_services, catalog};
pub use merged::Merged;

/// Documents about everything that is served, each made on first use.
#[derive(Default)]
pub struct Documents {
    core: OnceLock<Aggregated>,
    named: OnceLock<Aggregated>,
    /// Those of OpenAPI.
    pub(crate) openapi: openapi::Documents,
}

/// Finds the discovery document at a path; `None` when no group or version is there.
pub fn find(ask: &Ask<'_>, registry: &Registry) -> Option<Result<Answer, Error>> {
    let catalog = registry.catalog();
    let documents = registry.documents();
    let core = || documents.core.get_or_init(|| Aggregated::of(catalog.group("").into_iter()));
    let named = || documents.named.get_or_init(|| Aggregated::of(catalog.named_groups()));
    let mut segments = ask.path.split('/').filter(|segment| !segment.is_empty());
    let path = [segments.next(), segments.next(), segments.next(), segments.next()];
    if let Some(others) = ask.site.others.filter(|others| !others.is_empty()) {
        let merged = || Merged::of(registry, others);
        match path {
            [None, ..] => return found(paths::document(ask, catalog, merged().paths())),
            [Some("apis"), None, ..] => {
                let merged = merged();
                return Some(aggregated::or(ask, || merged.document(), || merged.list()));
            }
            [Some("apis"), Some(group), None, _] if !group.is_empty() => {
                return found(merged().group(group)?);
            }
            _ => {}
        }
    }
    match path {
        [None, ..] => found(paths::document(ask, catalog, std::iter::empty())),
        [Some("api"), None, ..] => Some(aggregated::or(ask, core, || legacy::versions(ask, catalog))),
        [Some("apis"), None, ..] => Some(aggregated::or(ask, named, || legacy::groups(catalog))),
        [Some("api"), Some(version), None, _] => found(resources::document(catalog.find("", version)?)),
        [Some("apis"), Some(group), None, _] if !group.is_empty() => {
            found(legacy::group(catalog.group(group)?))
        }
        [Some("apis"), Some(group), Some(version), None] => {
            found(resources::document(catalog.find(group, version)?))
        }
        _ => None,
    }
}

fn found(document: Document) -> Option<Result<Answer, Error>> {
    Some(Ok(Answer::Found(document)))
}

/// The JSON of a tree of a built-in type, with the newline that ends every document.
fn json(map: &Map, name: &str) -> Bytes {
    let mut out = Vec::new();
    codec::json::encode(map, schema::builtin(), struct_id(name), &mut out);
    out.push(b'\n');
    out.into()
}

fn struct_id(name: &str) -> StructId {
    schema::builtin().find(name).expect("the schema table has the types of discovery")
}

/// `apps/v1`, or `v1` of the core group.
fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

#[cfg(test)]
mod tests;
