//! `/api/v1` and `/apis/G/V`: the resources of one group version (`APIResourceList`).
//!
//! Keeps: group and version of a resource are stated only where they are not the list's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{GroupVersion, Served, api_version, json};
use crate::document::Document;
use crate::kind::{Kind, Subresource};
use crate::tree::{List, Map, Node};

/// The document of a group version.
pub(super) fn document(served: &GroupVersion) -> Document {
    let mut resources = List::new();
    for served in &served.kinds {
        resources.push(resource(served).into());
        for subresource in sorted(served.kind) {
            resources.push(below(served, subresource).into());
        }
    }
    let mut map = Map::from([("kind", "APIResourceList")]);
    if !served.group.is_empty() {
        // Upstream's list of the core group predates apiVersion, and clients' fixtures compare it.
        map.set("apiVersion", "v1");
    }
    map.set("groupVersion", api_version(served.group, served.version));
    map.set("resources", resources);
    Document::json(json(&map, "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList"))
}

/// The subresources of a kind by name.
pub(super) fn sorted(kind: &Kind) -> Vec<&'static Subresource> {
    let mut sorted: Vec<&'static Subresource> = kind.subresources.iter().collect();
    sorted.sort_by_key(|subresource| subresource.name);
    sorted
}

/// Short texts as a list.
pub(super) fn texts(texts: &[&str]) -> Node {
    texts.iter().copied().collect()
}

/// Verbs in the order in which discovery prints them.
pub(super) fn verbs(verbs: &[&str]) -> Node {
    let mut sorted = verbs.to_vec();
    sorted.sort_unstable();
    texts(&sorted)
}

fn resource(served: &Served) -> Map {
    let kind = served.kind;
    let mut map = Map::from([
        ("name", Node::from(kind.names.plural)),
        ("singularName", kind.names.singular.into()),
        ("namespaced", kind.namespaced().into()),
        ("kind", kind.names.kind.into()),
        ("verbs", verbs(kind.verbs)),
    ]);
    if !kind.names.short.is_empty() {
        map.set("shortNames", texts(kind.names.short));
    }
    if !kind.categories.is_empty() {
        map.set("categories", texts(kind.categories));
    }
    if is_stored(kind) {
        map.set("storageVersionHash", storage_version_hash(kind));
    }
    map
}

fn below(served: &Served, subresource: &Subresource) -> Map {
    let kind = served.kind;
    let mut map = Map::from([
        ("name", Node::from(format!("{}/{}", kind.names.plural, subresource.name))),
        ("singularName", "".into()),
        ("namespaced", kind.namespaced().into()),
        ("kind", subresource.body.map_or(kind.names.kind, |body| body.kind).into()),
        ("verbs", verbs(subresource.verbs)),
    ]);
    if let Some(body) = subresource.body
        && (body.group, body.version) != (served.version.group, served.version.version)
    {
        map.set("group", body.group);
        map.set("version", body.version);
    }
    map
}

/// Whether objects of the kind are stored: reviews and bindings are only posted, component statuses only made up.
fn is_stored(kind: &Kind) -> bool {
    kind.verbs.contains(&"watch")
}

/// The first eight bytes of the SHA-256 of `group/version/Kind` as stored, in base64.
fn storage_version_hash(kind: &Kind) -> String {
    let version = kind.storage_version();
    let digest = Sha256::digest(format!("{}/{}/{}", version.group, version.version, kind.names.kind));
    STANDARD.encode(&digest[..8])
}
