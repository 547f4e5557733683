//! Kinds in several versions that a webhook converts, as operators bring them with their charts: through kubectl, curl and
//! the controllers, while the storage version moves and while the webhook is gone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{clients::Client, cluster::Cluster, server::Server, webhook::Webhook};
use serde_json::{Value, json};

/// `v1` has a host and a port, `v2` both in one text; what each has beyond that is lost in the other. As programs in Go do,
/// it writes nulls for lists that it has nothing for.
fn answer(path: &str, review: &Value) -> Value {
    let wanted = review["request"]["desiredAPIVersion"].as_str().unwrap();
    let objects = review["request"]["objects"].as_array().unwrap();
    let converted: Vec<Value> = objects.iter().map(|object| converted(object.clone(), wanted)).collect();
    match path {
        "fail" => json!({ "result": { "status": "Failure", "message": "out of order" } }),
        _ => json!({ "result": { "status": "Success" }, "convertedObjects": converted }),
    }
}

fn converted(mut object: Value, wanted: &str) -> Value {
    let spec = object["spec"].as_object_mut().unwrap();
    if wanted.ends_with("/v2") {
        let (host, port) = (spec.remove("host"), spec.remove("port").unwrap());
        if let Some(host) = host {
            spec.insert("address".to_owned(), json!(format!("{}:{port}", host.as_str().unwrap())));
        }
        spec.remove("weight");
        spec.insert("tags".to_owned(), Value::Null);
    } else {
        let address = spec.remove("address").unwrap();
        let (host, port) = address.as_str().unwrap().split_once(':').unwrap();
        spec.insert("host".to_owned(), json!(host));
        spec.insert("port".to_owned(), json!(port.parse::<u16>().unwrap()));
        spec.remove("note");
        spec.remove("tags");
    }
    object["apiVersion"] = json!(wanted);
    object["metadata"]["labels"]["seen"] = json!(wanted.rsplit('/').next());
    object
}

fn definition(client: &Value, storage: &str) -> Value {
    let version = |name: &str, properties: Value, field: &str| {
        let spec = json!({ "type": "object", "properties": properties });
        json!({
            "name": name, "served": true, "storage": name == storage,
            "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec } } },
            "selectableFields": [{ "jsonPath": field }],
            "additionalPrinterColumns": [{ "name": "Where", "type": "string", "jsonPath": field }],
        })
    };
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let weight = json!({ "type": "integer", "default": 1 });
    let first = version("v1", json!({ "host": text, "port": number, "weight": weight }), ".spec.host");
    let tags = json!({ "type": "array", "items": text });
    let second = version("v2", json!({ "address": text, "note": text, "tags": tags }), ".spec.address");
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "routes.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "routes", "singular": "route", "kind": "Route" },
            "versions": [first, second],
            "conversion": { "strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"], "clientConfig": client,
            } },
        },
    })
}

fn define(kubectl: &Client, client: &Value, storage: &str) {
    kubectl.ok_with_input(&["apply", "-f", "-"], &definition(client, storage).to_string());
    kubectl.ok(&["wait", "--for=condition=established", "--timeout=20s", "crd/routes.example.com"]);
}

fn first(name: &str, host: &str, port: u16) -> String {
    let spec = json!({ "host": host, "port": port });
    json!({ "apiVersion": "example.com/v1", "kind": "Route", "metadata": { "name": name }, "spec": spec })
        .to_string()
}

fn second(name: &str, address: &str) -> String {
    let spec = json!({ "address": address });
    json!({ "apiVersion": "example.com/v2", "kind": "Route", "metadata": { "name": name }, "spec": spec })
        .to_string()
}

const V1: &str = "routes.v1.example.com";
const V2: &str = "routes.v2.example.com";

fn get(kubectl: &Client, resource: &str, name: &str) -> Value {
    serde_json::from_str(&kubectl.ok(&["get", resource, name, "-o", "json"])).unwrap()
}

fn spec(kubectl: &Client, resource: &str, name: &str) -> Value {
    get(kubectl, resource, name)["spec"].clone()
}

#[test]
fn an_object_is_read_and_written_in_each_version() {
    let (server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    define(&kubectl, &hook.client("convert"), "v1");
    kubectl.ok_with_input(&["create", "-f", "-"], &first("a", "one", 80));
    assert_eq!(spec(&kubectl, V1, "a"), json!({ "host": "one", "port": 80, "weight": 1 }));
    assert_eq!(
        hook.take_reviews(),
        Vec::<Value>::new(),
        "what is stored as it is asked for is not converted"
    );

    let route = get(&kubectl, V2, "a");
    assert_eq!(
        (&route["apiVersion"], &route["spec"]),
        (&json!("example.com/v2"), &json!({ "address": "one:80" }))
    );
    assert_eq!(route["metadata"]["labels"], json!({ "seen": "v2" }));
    let review = &hook.take_reviews()[0];
    assert_eq!(
        (&review["kind"], &review["apiVersion"]),
        (&json!("ConversionReview"), &json!("apiextensions.k8s.io/v1"))
    );
    assert_eq!(review["request"]["objects"][0]["metadata"]["name"], "a");

    let unknown = second("b", "two:90").replace("\"spec\":{", "\"spec\":{\"port\":1,");
    let refused = kubectl.fails_with_input(&["create", "-f", "-"], &unknown);
    assert!(refused.contains(r#"unknown field "spec.port""#), "{refused}");
    kubectl.ok_with_input(
        &["create", "-f", "-"],
        &second("b", "two:90").replace("\"spec\":{", "\"spec\":{\"note\":\"x\","),
    );
    assert_eq!(spec(&kubectl, V1, "b"), json!({ "host": "two", "port": 90, "weight": 1 }));
    assert_eq!(spec(&kubectl, V2, "b"), json!({ "address": "two:90" }), "v1 has no place for the note");
    kubectl.ok(&["patch", V2, "a", "--type=merge", "-p", r#"{"spec":{"address":"three:1"}}"#]);
    assert_eq!(spec(&kubectl, V1, "a"), json!({ "host": "three", "port": 1, "weight": 1 }));
    let generation = |resource| get(&kubectl, resource, "a")["metadata"]["generation"].clone();
    assert_eq!((generation(V1), generation(V2)), (json!(2), json!(2)));
    let revision = || get(&kubectl, V2, "a")["metadata"]["resourceVersion"].clone();
    let before = revision();
    kubectl.ok(&["patch", V2, "a", "--type=merge", "-p", r#"{"spec":{"address":"three:1"}}"#]);
    assert_eq!((revision(), generation(V2)), (before, json!(2)), "nothing changes");

    let table = kubectl.ok(&["get", V2]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["NAME", "WHERE"], ["a", "three:1"], ["b", "two:90"]]);
    let selected =
        |resource: &str, field: &str| kubectl.ok(&["get", resource, "--field-selector", field, "-o", "name"]);
    assert_eq!(selected(V2, "spec.address=two:90"), "route.example.com/b\n");
    assert_eq!(selected(V1, "spec.host=three"), "route.example.com/a\n");
    assert_eq!(kubectl.ok(&["get", V2, "-l", "seen=v2", "-o", "name", "--chunk-size=1"]).lines().count(), 2);
    kubectl.ok(&["delete", V2, "--all"]);
    assert_eq!(kubectl.ok(&["get", V1, "-o", "name"]), "");
}

#[test]
fn managers_of_different_versions_conflict_over_what_is_the_same_field() {
    let (server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    define(&kubectl, &hook.client("convert"), "v1");
    let apply = |manager: &str, text: &str| {
        let manager = format!("--field-manager={manager}");
        kubectl.run_with_input(&["apply", "--server-side", &manager, "-f", "-"], text).printed()
    };
    assert!(apply("one", &first("a", "one", 80)).contains("serverside-applied"));
    let conflict = apply("two", &second("a", "two:80"));
    assert!(conflict.contains("conflict with \"one\": .spec.host"), "{conflict}");
    assert!(apply("two", &second("a", "one:80")).contains("serverside-applied"));
    let refused = apply("one", &first("a", "three", 80));
    assert!(refused.contains("conflict with \"two\": .spec.address"), "{refused}");
    let less = first("a", "one", 80).replace("\"host\":\"one\",", "");
    assert!(apply("one", &less).contains("serverside-applied"));
    let host = || spec(&kubectl, V1, "a")["host"].clone();
    assert_eq!(host(), "one", "the other manager still owns it, as a part of the address");
}

#[test]
fn watchers_see_changes_in_their_version_and_ask_about_each_once() {
    let (server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    define(&kubectl, &hook.client("convert"), "v1");
    kubectl.ok_with_input(&["create", "-f", "-"], &first("a", "one", 80));
    let url = |selector: &str| {
        server.url(&format!("/apis/example.com/v2/namespaces/default/routes?watch=1{selector}"))
    };
    let curl = server.curl();
    let start = |selector: &str| curl.start(&["--no-buffer", &url(selector)]);
    let event = |text: String| {
        let event: Value = serde_json::from_str(&text).unwrap();
        (event["type"].clone(), event["object"]["spec"]["address"].clone())
    };
    let watchers: Vec<_> = (0..8).map(|_| start("")).collect();
    let from_now = "&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&allowWatchBookmarks=true";
    let selecting = start(&format!("&fieldSelector=spec.address%3Dtwo:80{from_now}"));
    assert_eq!(event(selecting.next_line()).0, "BOOKMARK");
    for watcher in &watchers {
        assert_eq!(event(watcher.next_line()), (json!("ADDED"), json!("one:80")));
    }
    hook.take_reviews();
    kubectl.ok(&["patch", V1, "a", "--type=merge", "-p", r#"{"spec":{"host":"two"}}"#]);
    for watcher in &watchers {
        assert_eq!(event(watcher.next_line()), (json!("MODIFIED"), json!("two:80")));
    }
    assert_eq!(event(selecting.next_line()), (json!("ADDED"), json!("two:80")));
    assert_eq!(hook.take_reviews().len(), 1, "one question for all watchers");
    kubectl.ok(&["patch", V1, "a", "--type=merge", "-p", r#"{"spec":{"host":"three"}}"#]);
    assert_eq!(event(selecting.next_line()), (json!("DELETED"), json!("two:80")));
    kubectl.ok(&["delete", V1, "a"]);
    for watcher in &watchers {
        assert_eq!(event(watcher.next_line()), (json!("MODIFIED"), json!("three:80")));
        assert_eq!(event(watcher.next_line()), (json!("DELETED"), json!("three:80")));
    }
}

#[test]
fn objects_are_what_they_were_when_the_storage_version_moves() {
    let (mut server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    define(&kubectl, &hook.client("convert"), "v1");
    kubectl.ok_with_input(&["create", "-f", "-"], &first("old", "one", 80));
    define(&kubectl, &hook.client("convert"), "v2");
    kubectl.ok_with_input(&["create", "-f", "-"], &first("new", "two", 90));
    let stored = kubectl.ok(&["get", "crd", "routes.example.com", "-o", "jsonpath={.status.storedVersions}"]);
    assert_eq!(stored, r#"["v1","v2"]"#);
    let both = |kubectl: &Client| {
        for (name, host, port) in [("old", "one", 80), ("new", "two", 90)] {
            let first = spec(kubectl, V1, name);
            assert_eq!((&first["host"], &first["port"]), (&json!(host), &json!(port)));
            assert_eq!(spec(kubectl, V2, name), json!({ "address": format!("{host}:{port}") }));
        }
    };
    both(&kubectl);
    server.kill();
    server.start_again();
    let kubectl = server.kubectl();
    both(&kubectl);
    hook.take_reviews();
    let revision = || get(&kubectl, V2, "old")["metadata"]["resourceVersion"].clone();
    let before = revision();
    assert_eq!(hook.take_reviews().len(), 1);
    // As those do who migrate what is stored.
    let object = kubectl.ok(&["get", V2, "old", "-o", "json"]);
    kubectl.ok_with_input(&["replace", "-f", "-"], &object);
    let after = revision();
    assert_ne!(before, after, "it is stored again, in the other version");
    hook.take_reviews();
    kubectl.ok_with_input(&["replace", "-f", "-"], &kubectl.ok(&["get", V2, "old", "-o", "json"]));
    assert_eq!((revision(), hook.take_reviews().len()), (after, 0));
    both(&kubectl);
}

#[test]
fn without_its_webhook_a_kind_is_still_stored_listed_by_metadata_and_deleted() {
    let (server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    define(&kubectl, &hook.client("convert"), "v1");
    kubectl.ok(&["create", "namespace", "team"]);
    kubectl.ok_with_input(&["create", "-n", "team", "-f", "-"], &first("a", "one", 80));
    define(&kubectl, &hook.client("fail"), "v1");
    let refused = kubectl.fails(&["get", V2, "a", "-n", "team"]);
    assert!(
        refused.contains("conversion webhook for example.com/v1, Kind=Route failed: out of order"),
        "{refused}"
    );
    let refused = kubectl.fails_with_input(&["create", "-f", "-"], &second("b", "two:90"));
    assert!(
        refused.contains("conversion webhook for example.com/v2, Kind=Route failed: out of order"),
        "{refused}"
    );
    assert_eq!(
        spec(&kubectl.with(&["-n", "team"]), V1, "a"),
        json!({ "host": "one", "port": 80, "weight": 1 })
    );
    let metadata = "Accept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let list = server.curl().ok(&["-H", metadata, &server.url("/apis/example.com/v2/routes")]);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["items"][0]["metadata"]["name"], "a");
    let watch = server.url("/apis/example.com/v2/routes?watch=1&resourceVersion=1");
    let watch = server.curl().start(&["--no-buffer", &watch]);
    let error: Value = serde_json::from_str(&watch.next_line()).unwrap();
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!(500)));
    let held = r#"{"metadata":{"finalizers":["example.com/held"]}}"#;
    kubectl.ok(&["patch", V1, "a", "-n", "team", "--type=merge", "-p", held]);
    kubectl.ok(&["delete", V2, "a", "-n", "team", "--wait=false"]);
    let route = get(&kubectl.with(&["-n", "team"]), V1, "a");
    assert!(route["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(route["spec"], json!({ "host": "one", "port": 80, "weight": 1 }));
    let released = r#"{"metadata":{"finalizers":null}}"#;
    kubectl.ok(&["patch", V1, "a", "-n", "team", "--type=merge", "-p", released]);
    kubectl.ok_with_input(&["create", "-n", "team", "-f", "-"], &first("b", "one", 80));
    kubectl.ok(&["delete", "namespace", "team", "--timeout=60s"]);
    let failures = server.curl().ok(&[&server.url("/metrics")]);
    let counted = r#"apiserver_conversion_webhook_request_total{result="failure",failure_type="conversion_webhook_malformed_response_failure"}"#;
    assert!(failures.contains(counted), "{failures}");
}

#[test]
fn policies_and_webhooks_see_the_version_that_they_ask_for() {
    let (server, hook) = (Server::start(), Webhook::start(answer));
    let kubectl = server.kubectl();
    define(&kubectl, &hook.client("convert"), "v1");
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": "high" },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["example.com"], "apiVersions": ["v2"], "operations": ["CREATE"], "resources": ["routes"],
            }] },
            "validations": [{ "expression": "object.spec.address.endsWith(':443')", "message": "only 443" }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": "high" }, "spec": { "policyName": "high", "validationActions": ["Deny"] },
    });
    for object in [policy, binding] {
        kubectl.ok_with_input(&["create", "-f", "-"], &object.to_string());
    }
    let refused = kubectl.fails_with_input(&["create", "-f", "-"], &first("a", "one", 80));
    assert!(refused.contains("only 443"), "{refused}");
    kubectl.ok_with_input(&["create", "-f", "-"], &first("a", "one", 443));
}

#[test]
fn every_server_of_a_cluster_converts() {
    let mut cluster = Cluster::start();
    cluster.join();
    cluster.join();
    let hook = Webhook::start(answer);
    let clients = [0, 1, 2].map(|node| cluster.kubectl(node));
    define(&clients[0], &hook.client("convert"), "v1");
    clients[1].ok_with_input(&["create", "-f", "-"], &second("a", "one:80"));
    assert_eq!(spec(&clients[2], V2, "a"), json!({ "address": "one:80" }));
    assert_eq!(spec(&clients[0], V1, "a"), json!({ "host": "one", "port": 80, "weight": 1 }));
}
