//! OpenAPI as clients read it.

use super::*;
use crate::codec;

fn ask(path: &str) -> Ask<'_> {
    Ask { path, now: 1_767_225_600, ..Ask::default() }
}

fn answer(ask: &Ask<'_>) -> Answer {
    find(ask, Registry::builtin()).expect("there is a document").expect("it is acceptable")
}

fn fetch(ask: &Ask<'_>) -> Document {
    match answer(ask) {
        Answer::Found(document) => document,
        other => panic!("{other:?}"),
    }
}

fn tree(path: &str) -> Map {
    match codec::json::decode_untyped(&fetch(&ask(path)).body) {
        Ok(Node::Map(map)) => map,
        other => panic!("{other:?}"),
    }
}

fn header(document: &Document, name: http::header::HeaderName) -> &str {
    let found = document.headers.iter().find(|(candidate, _)| *candidate == name);
    found.map_or("", |(_, value)| value.to_str().expect("text"))
}

fn hashed(key: &str) -> String {
    tree("/openapi/v3").str_at(&["paths", key, "serverRelativeURL"]).to_owned()
}

#[test]
fn the_index_names_every_document_by_its_hash() {
    let index = tree("/openapi/v3");
    let paths = index.map("paths").expect("paths");
    for key in ["api", "api/v1", "apis", "apis/apps", "apis/apps/v1", "version"] {
        let url = paths.map(key).expect(key).str("serverRelativeURL");
        assert!(url.starts_with(&format!("/openapi/v3/{key}?hash=")), "{url}");
    }
    let (_, hash) =
        hashed("apis/apps/v1").split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("hash");
    assert_eq!(hash.len(), 128);
    assert_ne!(hashed("api/v1").split_once('=').expect("hash").1, hash);
}

#[test]
fn a_document_fetched_by_its_hash_may_be_kept_for_a_year() {
    let url = hashed("apis/apps/v1");
    let (path, hash) = url.split_once("?hash=").expect("a hash");
    let document = fetch(&Ask { hash: Some(hash), ..ask(path) });
    assert_eq!(header(&document, CACHE_CONTROL), "public, immutable");
    assert_eq!(header(&document, EXPIRES), "Fri, 01 Jan 2027 00:00:00 GMT");
    assert_eq!(header(&document, VARY), "Accept");
    assert_eq!(header(&document, http::header::ETAG), format!("\"{hash}\""));
    let plain = fetch(&ask(path));
    assert_eq!(header(&plain, CACHE_CONTROL), "");
}

#[test]
fn a_stale_hash_is_sent_to_the_right_one() {
    let url = hashed("apis/apps/v1");
    match answer(&Ask { hash: Some("AB"), ..ask("/openapi/v3/apis/apps/v1") }) {
        Answer::Moved(location) => assert_eq!(location, url),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_that_has_the_document_gets_none() {
    let tag = format!("\"{}\"", tag("apis/apps/v1", std::iter::empty()));
    let again = Ask { if_none_match: &tag, ..ask("/openapi/v3/apis/apps/v1") };
    assert!(matches!(answer(&again), Answer::NotModified(_)));
}

#[test]
fn the_form_follows_accept() {
    let path = "/openapi/v3/version";
    for (accept, expected) in [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/com.github.proto-openapi.spec.v3@v1.0+protobuf", DIALECT_3.content_type),
        ("application/com.github.proto-openapi.spec.v3.v1.0+protobuf", DIALECT_3.content_type),
    ] {
        assert_eq!(fetch(&Ask { accept, ..ask(path) }).content_type, expected, "{accept}");
    }
    let refused = find(&Ask { accept: "text/html", ..ask(path) }, Registry::builtin());
    assert!(matches!(refused, Some(Err(Error::NotAcceptable(_)))));
    let accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let document = fetch(&Ask { accept, ..ask("/openapi/v2") });
    assert_eq!(document.content_type, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert!(document.body.starts_with(b"\x0a\x032.0"));
}

#[test]
fn gzip_is_sent_as_it_is_kept() {
    let document = fetch(&Ask { gzip: true, ..ask("/openapi/v3/version") });
    assert!(document.gzipped);
    assert_eq!(document.body[..2], [0x1f, 0x8b]);
    assert!(!fetch(&ask("/openapi/v3/version")).gzipped);
}

#[test]
fn unknown_keys_have_no_document() {
    assert!(find(&ask("/openapi/v3/apis/foo/v1"), Registry::builtin()).is_none());
    assert!(find(&ask("/openapi/v4"), Registry::builtin()).is_none());
}

#[test]
fn every_patch_of_a_kind_takes_field_validation() {
    let document = tree("/openapi/v3/apis/apps/v1");
    let path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    let patch = document.map_at(&["paths", path, "patch"]).expect("a patch operation");
    assert_eq!(patch.str("operationId"), "patchAppsV1NamespacedDeployment");
    assert_eq!(patch.str_at(&["x-kubernetes-group-version-kind", "kind"]), "Deployment");
    let names: Vec<&str> = patch.maps("parameters").map(|parameter| parameter.str("name")).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let content = patch.map_at(&["requestBody", "content"]).expect("content");
    assert!(content.contains("application/strategic-merge-patch+json"));
    assert!(content.contains("application/apply-patch+yaml"));
}

#[test]
fn a_field_says_type_reference_default_and_list_type() {
    let document = tree("/openapi/v3/apis/apps/v1");
    let property = |schema: &str, field: &str| {
        let path = ["components", "schemas", schema, "properties", field];
        document.map_at(&path).unwrap_or_else(|| panic!("{schema} {field}")).clone()
    };
    let spec = property("io.k8s.api.apps.v1.Deployment", "spec");
    assert_eq!(
        spec.maps("allOf").next().expect("one").str("$ref"),
        "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"
    );
    assert_eq!(spec.get("default"), Some(&Node::from(Map::new())));
    assert!(!spec.str("description").is_empty());
    let containers = property("io.k8s.api.core.v1.PodSpec", "containers");
    assert_eq!(containers.str("x-kubernetes-patch-merge-key"), "name");
    assert_eq!(containers.str("x-kubernetes-patch-strategy"), "merge");
    assert_eq!(containers.str("x-kubernetes-list-type"), "map");
    assert_eq!(containers.list("x-kubernetes-list-map-keys"), [Node::from("name")]);
    let replicas = property("io.k8s.api.apps.v1.DeploymentSpec", "replicas");
    assert_eq!((replicas.str("type"), replicas.str("format")), ("integer", "int32"));
    let protocol = property("io.k8s.api.core.v1.ContainerPort", "protocol");
    assert_eq!(protocol.str("default"), "TCP");
    assert_eq!(protocol.list("enum").len(), 3);
}

#[test]
fn leaves_with_a_form_of_their_own_differ_between_the_versions() {
    let v3 = tree("/openapi/v3/apis/apps/v1");
    let v2 = tree("/openapi/v2");
    let name = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
    let three = v3.map_at(&["components", "schemas", name]).expect("used");
    assert_eq!(three.list("oneOf").len(), 2);
    assert_eq!(three.str("format"), "int-or-string");
    let two = v2.map_at(&["definitions", name]).expect("used");
    assert_eq!((two.str("type"), two.str("format")), ("string", "int-or-string"));
    let quantity =
        v2.map_at(&["definitions", "io.k8s.apimachinery.pkg.api.resource.Quantity"]).expect("used");
    assert_eq!(quantity.str("type"), "string");
}

/// Every text at a key called `$ref` in a tree.
fn references<'a>(node: &'a Node, found: &mut Vec<&'a str>) {
    match node {
        Node::Map(map) => {
            for (key, node) in map.iter() {
                match node {
                    Node::Str(text) if key.as_str() == "$ref" => found.push(text),
                    node => references(node, found),
                }
            }
        }
        Node::List(list) => list.iter().for_each(|node| references(node, found)),
        _ => {}
    }
}

#[test]
fn every_reference_points_into_its_document() {
    let registry = Registry::builtin();
    let keys = registry
        .documents()
        .openapi
        .tags(registry)
        .iter()
        .map(|(key, _)| format!("/openapi/v3/{key}"))
        .chain(["/openapi/v2".to_owned()]);
    for path in keys {
        let document = tree(&path);
        let node = Node::from(document.clone());
        let mut found = Vec::new();
        references(&node, &mut found);
        assert!(!found.is_empty(), "{path}");
        for reference in found {
            let segments: Vec<&str> = reference.trim_start_matches("#/").split('/').collect();
            assert!(document.at(&segments).is_some(), "{path}: {reference}");
        }
    }
}

#[test]
fn operation_ids_are_unique() {
    let document = tree("/openapi/v2");
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document.map("paths").expect("paths").iter() {
        for (_, operation) in item.as_map().expect("a map").iter() {
            if let Some(id) = operation.as_map().map(|operation| operation.str("operationId")) {
                assert!(ids.insert(id.to_owned()), "{path}: {id}");
            }
        }
    }
    assert!(ids.contains("listAppsV1DeploymentForAllNamespaces"));
    assert!(ids.contains("replaceAppsV1NamespacedDeploymentScale"));
    assert!(ids.contains("deleteAppsV1CollectionNamespacedDeployment"));
    assert!(ids.contains("getCodeVersion"));
}

#[test]
fn served_types_are_described() {
    let document = tree("/openapi/v2");
    let undescribed: Vec<&str> = document
        .map("definitions")
        .expect("definitions")
        .iter()
        .filter(|(_, definition)| definition.as_map().is_some_and(|map| map.str("description").is_empty()))
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(undescribed.is_empty(), "{undescribed:?}");
}
