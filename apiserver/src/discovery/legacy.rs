//! Discovery as it was before aggregation: `/api`, `/apis` and `/apis/G`.
//!
//! Keeps: groups and versions stand in the order of preference.

use super::{Catalog, Group, GroupVersion, api_version, json};
use crate::document::{Ask, Document};
use crate::tree::{List, Map, Node};

/// `/api`: the versions of the core group. The one document of discovery without an `apiVersion`.
pub(super) fn versions(ask: &Ask<'_>, catalog: &Catalog) -> Document {
    let core = catalog.group("");
    let versions: Node = core.into_iter().flat_map(|group| &group.versions).map(|at| at.version).collect();
    let address = Map::from(
        [("clientCIDR", "0.0.0.0/0"), ("serverAddress", ask.site.address)]
            .map(|(key, text)| (key, Node::from(text))),
    );
    let map = Map::from([
        ("kind", Node::from("APIVersions")),
        ("versions", versions),
        ("serverAddressByClientCIDRs", Node::from_iter([address])),
    ]);
    Document::json(json(&map, "io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions"))
}

/// `/apis`: every other group.
pub(super) fn groups(catalog: &Catalog) -> Document {
    let groups: List = catalog.named_groups().map(|group| Node::from(body(group))).collect();
    let map = Map::from([
        ("kind", Node::from("APIGroupList")),
        ("apiVersion", "v1".into()),
        ("groups", groups.into()),
    ]);
    Document::json(json(&map, "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList"))
}

/// `/apis/G`
pub(super) fn group(group: &Group) -> Document {
    let mut map = Map::from([("kind", Node::from("APIGroup")), ("apiVersion", "v1".into())]);
    for (key, node) in body(group).iter() {
        map.push_new(key.clone(), node.clone());
    }
    Document::json(json(&map, "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup"))
}

fn body(group: &Group) -> Map {
    let versions: Vec<Map> = group.versions.iter().map(version).collect();
    let mut map = Map::from([("name", group.name)]);
    if let Some(preferred) = versions.first() {
        map.set("preferredVersion", preferred.clone());
    }
    map.set("versions", Node::from_iter(versions));
    map
}

fn version(served: &GroupVersion) -> Map {
    Map::from([
        ("groupVersion", Node::from(api_version(served.group, served.version))),
        ("version", served.version.into()),
    ])
}
