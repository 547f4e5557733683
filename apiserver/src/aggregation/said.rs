//! What another API server says that it serves, in the form of aggregated discovery.
//!
//! Keeps: a server that knows only the older form is asked for that.

use std::collections::BTreeMap;

use super::Remote;
use crate::codec;
use crate::pipeline::Server;
use crate::storage::View;
use crate::tree::{List, Map, Node};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Asks a server for one of its group versions: `version`, `resources`, `freshness`.
pub(super) async fn fetch(server: &Server, remote: &Remote, view: &View) -> Result<Map, String> {
    let whole = server.fetch(remote, view, "/apis", AGGREGATED).await?;
    if whole.status.as_u16() == 200 && is_aggregated(&whole.content_type) {
        let found = read(&whole.body).and_then(|document| find(&document, &remote.group, &remote.version));
        return found.ok_or_else(|| format!("{} is not in its list", remote.name));
    }
    let path = remote.path();
    let older = server.fetch(remote, view, &path, "application/json").await?;
    if older.status.as_u16() != 200 {
        return Err(format!("{path} answers with {}", older.status));
    }
    read(&older.body)
        .map(|list| of_resources(&list, &remote.group, &remote.version))
        .ok_or_else(|| format!("{path} cannot be read"))
}

fn is_aggregated(content_type: &str) -> bool {
    content_type.contains("as=APIGroupDiscoveryList") && content_type.contains("v=v2;")
        || content_type.contains("as=APIGroupDiscoveryList") && content_type.ends_with("v=v2")
}

fn read(body: &[u8]) -> Option<Map> {
    match codec::json::decode_untyped(body) {
        Ok(Node::Map(map)) => Some(map),
        _ => None,
    }
}

/// A group version in a whole list.
fn find(list: &Map, group: &str, version: &str) -> Option<Map> {
    let mut groups = list.maps("items").filter(|item| item.name() == group);
    let versions = groups.find_map(|item| item.maps("versions").find(|it| it.str("version") == version));
    let mut found = versions?.clone();
    found.set("freshness", "Current");
    Some(found)
}

/// The same of an older list of resources, where subresources stand beside them.
fn of_resources(list: &Map, group: &str, version: &str) -> Map {
    let mut resources: BTreeMap<&str, Map> = BTreeMap::new();
    let mut below: BTreeMap<&str, Vec<Map>> = BTreeMap::new();
    for resource in list.maps("resources") {
        let or =
            |text: &'_ str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        let kind = Map::from([
            ("group", Node::from(or(resource.str("group"), group))),
            ("version", Node::from(or(resource.str("version"), version))),
            ("kind", Node::from(resource.str("kind"))),
        ]);
        let verbs = resource.list("verbs").iter().cloned().collect::<List>();
        match resource.str("name").split_once('/') {
            Some((plural, name)) => below.entry(plural).or_default().push(Map::from([
                ("subresource", Node::from(name)),
                ("responseKind", Node::Map(kind)),
                ("verbs", Node::List(verbs)),
            ])),
            None => {
                let scope = if resource.bool("namespaced") == Some(true) { "Namespaced" } else { "Cluster" };
                let mut shown = Map::from([
                    ("resource", Node::from(resource.str("name"))),
                    ("responseKind", Node::Map(kind)),
                    ("scope", Node::from(scope)),
                    ("singularResource", Node::from(resource.str("singularName"))),
                    ("verbs", Node::List(verbs)),
                ]);
                for field in ["shortNames", "categories"] {
                    if let Some(texts) = resource.get(field) {
                        shown.set(field, texts.clone());
                    }
                }
                resources.insert(resource.str("name"), shown);
            }
        }
    }
    for (plural, subresources) in below {
        if let Some(resource) = resources.get_mut(plural) {
            resource.set("subresources", subresources.into_iter().collect::<Node>());
        }
    }
    Map::from([
        ("version", Node::from(version)),
        ("resources", resources.into_values().collect::<Node>()),
        ("freshness", Node::from("Current")),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::untyped;

    #[test]
    fn an_older_list_of_resources_becomes_one_of_the_newer_form() {
        let list = untyped(&json!({ "resources": [
            { "name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": ["get", "list"] },
            { "name": "gadgets", "singularName": "gadget", "namespaced": false, "kind": "Gadget", "verbs": ["get"], "shortNames": ["g"] },
            { "name": "gadgets/scale", "singularName": "", "namespaced": false, "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get"] },
        ] }));
        let expected = untyped(&json!({ "version": "v1", "freshness": "Current", "resources": [
            { "resource": "gadgets", "singularResource": "gadget", "scope": "Cluster", "verbs": ["get"], "shortNames": ["g"],
              "responseKind": { "group": "g.io", "version": "v1", "kind": "Gadget" },
              "subresources": [{ "subresource": "scale", "verbs": ["get"], "responseKind": { "group": "autoscaling", "version": "v1", "kind": "Scale" } }] },
            { "resource": "pods", "singularResource": "", "scope": "Namespaced", "verbs": ["get", "list"],
              "responseKind": { "group": "g.io", "version": "v1", "kind": "PodMetrics" } },
        ] }));
        assert_eq!(of_resources(&list, "g.io", "v1"), expected);
    }

    #[test]
    fn the_newer_form_is_told_by_its_type() {
        assert!(is_aggregated("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"));
        assert!(!is_aggregated("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"));
        assert!(!is_aggregated("application/json"));
    }
}
