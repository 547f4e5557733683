//! Discovery as clients read it.

use super::*;
use crate::document::Site;
use crate::tree::Node;

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn ask<'a>(path: &'a str, accept: &'a str) -> Ask<'a> {
    let site = Site { address: "192.0.2.1:6443", checks: &["ping", "log"], others: None };
    Ask { path, accept, site, ..Ask::default() }
}

fn document(path: &str, accept: &str) -> Document {
    match find(&ask(path, accept), Registry::builtin()) {
        Some(Ok(Answer::Found(document))) => document,
        other => panic!("{path}: {other:?}"),
    }
}

fn tree(path: &str) -> Map {
    match codec::json::decode_untyped(&document(path, "").body) {
        Ok(Node::Map(map)) => map,
        other => panic!("{path}: {other:?}"),
    }
}

fn aggregated(path: &str) -> Map {
    match codec::json::decode_untyped(&document(path, V2).body) {
        Ok(Node::Map(map)) => map,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn api_lists_the_core_versions_without_an_api_version() {
    assert_eq!(
        String::from_utf8_lossy(&document("/api", "").body),
        "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[{\"clientCIDR\":\
         \"0.0.0.0/0\",\"serverAddress\":\"192.0.2.1:6443\"}]}\n"
    );
}

#[test]
fn a_trailing_slash_changes_nothing() {
    for path in ["/api", "/apis", "/apis/apps", "/apis/apps/v1", "/api/v1"] {
        assert_eq!(document(path, "").body, document(&format!("{path}/"), "").body, "{path}");
    }
}

#[test]
fn unknown_groups_and_versions_have_no_document() {
    for path in ["/api/v2", "/apis/foo", "/apis/apps/v2", "/apis/apps/v1/deployments", "/foo"] {
        assert!(find(&ask(path, ""), Registry::builtin()).is_none(), "{path}");
    }
}

#[test]
fn groups_stand_in_the_order_that_decides_short_names() {
    let names: Vec<String> = tree("/apis").maps("groups").map(|group| group.str("name").to_owned()).collect();
    let at = |name: &str| names.iter().position(|candidate| candidate == name).expect("a served group");
    assert_eq!(names[0], "apiregistration.k8s.io");
    assert!(at("apps") < at("autoscaling"));
    assert!(at("rbac.authorization.k8s.io") < at("storage.k8s.io"));
    assert!(!names.iter().any(String::is_empty));
}

#[test]
fn the_preferred_version_is_the_first() {
    let group = tree("/apis/autoscaling");
    assert_eq!(group.str("kind"), "APIGroup");
    assert_eq!(group.str_at(&["preferredVersion", "groupVersion"]), "autoscaling/v2");
    let first = group.maps("versions").next().expect("a version");
    assert_eq!(first.str("groupVersion"), "autoscaling/v2");
}

#[test]
fn a_resource_list_names_verbs_hashes_and_foreign_kinds() {
    let list = tree("/apis/apps/v1");
    let find =
        |name: &str| list.maps("resources").find(|resource| resource.str("name") == name).expect("listed");
    let deployment = find("deployments");
    assert_eq!(deployment.str("storageVersionHash"), "8aSe+NMegvE=");
    assert_eq!(deployment.str("singularName"), "deployment");
    assert_eq!(deployment.list("shortNames"), [Node::from("deploy")]);
    assert_eq!(deployment.list("verbs").len(), 8);
    let scale = find("deployments/scale");
    assert_eq!((scale.str("group"), scale.str("version"), scale.str("kind")), ("autoscaling", "v1", "Scale"));
    assert_eq!(scale.get("singularName"), Some(&Node::from("")));
    assert!(!scale.contains("storageVersionHash"));
    assert!(!find("deployments/status").contains("group"));
}

#[test]
fn the_aggregated_form_comes_only_when_asked_for() {
    for (accept, expected) in [
        (V2, V2),
        (
            "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io;profile=nopeer,application/json",
            V2,
        ),
        (
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
            V2,
        ),
        (
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
            "application/json",
        ),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/vnd.kubernetes.protobuf,application/json", "application/json"),
        ("", "application/json"),
    ] {
        assert_eq!(document("/apis", accept).content_type, expected, "{accept}");
    }
    assert!(matches!(
        find(&ask("/apis", "text/html"), Registry::builtin()),
        Some(Err(Error::NotAcceptable(_)))
    ));
}

#[test]
fn the_aggregated_list_has_an_entry_per_resource() {
    let list = aggregated("/apis");
    let apps = list.maps("items").find(|group| group.name() == "apps").expect("served");
    let version = apps.maps("versions").next().expect("a version");
    assert_eq!(version.str("freshness"), "Current");
    let deployments =
        version.maps("resources").find(|it| it.str("resource") == "deployments").expect("listed");
    assert_eq!(deployments.str("scope"), "Namespaced");
    let kind = deployments.map("responseKind").expect("never null");
    assert_eq!((kind.str("group"), kind.str("version"), kind.str("kind")), ("", "", "Deployment"));
    let scale = deployments.maps("subresources").find(|it| it.str("subresource") == "scale").expect("listed");
    assert_eq!(scale.str_at(&["responseKind", "group"]), "autoscaling");
    let core = aggregated("/api");
    let items: Vec<&Map> = core.maps("items").collect();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].name(), "");
}

#[test]
fn a_client_that_has_the_aggregated_document_gets_none() {
    let document = document("/apis", V2);
    let tag = document.headers[0].1.to_str().expect("text").to_owned();
    assert_eq!(tag.len(), 130);
    let again = Ask { if_none_match: &tag, ..ask("/apis", V2) };
    assert!(matches!(find(&again, Registry::builtin()), Some(Ok(Answer::NotModified(_)))));
}

#[test]
fn the_root_lists_sorted_paths() {
    let root = tree("/");
    let paths: Vec<&str> = root.list("paths").iter().filter_map(Node::as_str).collect();
    assert!(paths.is_sorted());
    for path in ["/api/v1", "/apis/apps", "/apis/apps/v1", "/livez/ping", "/openapi/v3", "/version"] {
        assert!(paths.contains(&path), "{path}");
    }
}
