//! Discovery as it was before aggregation: `/api`, `/apis` and `/apis/G`.
//!
//! Keeps: groups and versions stand in the order of preference.

use super::{Catalog, Group, api_version, json};
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
    list(catalog.named_groups().map(|group| (group.name, names(group))))
}

/// `/apis` of groups by name, with their versions.
pub(super) fn list<'a>(groups: impl Iterator<Item = (&'a str, impl Iterator<Item = &'a str>)>) -> Document {
    let groups: List = groups.map(|(name, versions)| Node::from(body(name, versions))).collect();
    let map = Map::from([
        ("kind", Node::from("APIGroupList")),
        ("apiVersion", "v1".into()),
        ("groups", groups.into()),
    ]);
    Document::json(json(&map, "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList"))
}

/// `/apis/G`
pub(super) fn group(group: &Group) -> Document {
    named(group.name, names(group))
}

/// `/apis/G` of a group by name, with its versions.
pub(super) fn named<'a>(group: &str, versions: impl Iterator<Item = &'a str>) -> Document {
    let mut map = Map::from([("kind", Node::from("APIGroup")), ("apiVersion", "v1".into())]);
    for (key, node) in body(group, versions).iter() {
        map.push_new(key.clone(), node.clone());
    }
    Document::json(json(&map, "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup"))
}

fn names(group: &Group) -> impl Iterator<Item = &str> {
    group.versions.iter().map(|served| served.version)
}

fn body<'a>(group: &str, versions: impl Iterator<Item = &'a str>) -> Map {
    let versions: Vec<Map> = versions.map(|name| version(group, name)).collect();
    let mut map = Map::from([("name", group)]);
    if let Some(preferred) = versions.first() {
        map.set("preferredVersion", preferred.clone());
    }
    map.set("versions", Node::from_iter(versions));
    map
}

fn version(group: &str, name: &str) -> Map {
    Map::from([("groupVersion", Node::from(api_version(group, name))), ("version", name.into())])
}
