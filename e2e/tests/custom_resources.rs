//! Kinds that users define, through each kubectl, each helm, the Python client and curl.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{clients::Client, cluster::Cluster, server::Server};
use serde_json::{Value, json};

macro_rules! with_each_client {
    ($($module:ident $client:literal: $($name:ident)*;)*) => {
        $(mod $module { $(#[test] fn $name() { super::$name($client); })* })*
    };
}

with_each_client! {
    kubectl_1_30 "kubectl-1.30": a_kind_is_defined_used_and_removed apply_merges_by_the_schema;
    kubectl_1_34 "kubectl-1.34": a_kind_is_defined_used_and_removed apply_merges_by_the_schema;
    kubectl_1_37 "kubectl-1.37": a_kind_is_defined_used_and_removed apply_merges_by_the_schema;
    helm_3 "helm-3": a_chart_brings_a_definition_and_an_object_of_it;
    helm_4 "helm-4": a_chart_brings_a_definition_and_an_object_of_it;
}

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart-with-definition");
const DEFINITION: &str = include_str!("chart-with-definition/crds/backup.yaml");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/custom_resources.py");

const NIGHTLY: &str = r#"
apiVersion: example.com/v1
kind: Backup
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  targets: [{name: db, size: 10Gi}, {name: logs, size: 5}]
  options: {any: [1, {b: null}], c: 1.5}
"#;

fn json(client: &Client, arguments: &[&str]) -> Value {
    let text = client.ok(&[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Defines the kind and waits as people do.
fn define(kubectl: &Client) {
    kubectl.ok_with_input(&["apply", "-f", "-"], DEFINITION);
    kubectl.ok(&["wait", "--for=condition=established", "--timeout=20s", "crd/backups.example.com"]);
}

fn a_kind_is_defined_used_and_removed(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    define(&kubectl);
    let resources = kubectl.ok(&["api-resources", "--api-group=example.com", "--no-headers"]);
    assert_eq!(columns(&resources), ["backups", "bk", "example.com/v1", "true", "Backup"]);
    let explained = kubectl.ok(&["explain", "backups.spec"]);
    assert!(explained.contains("When to make one.") && explained.contains("-required-"), "{explained}");
    assert!(kubectl.ok(&["get", "apiservice", "v1.example.com"]).contains("Local"));

    let created = kubectl.ok_with_input(&["create", "-f", "-"], NIGHTLY);
    assert_eq!(created, "backup.example.com/nightly created\n");
    let object = json(&kubectl, &["get", "bk", "nightly"]);
    assert_eq!(object["spec"]["keep"], 3);
    assert_eq!(object["spec"]["paused"], false);
    assert_eq!(object["spec"]["options"], json!({ "any": [1, { "b": null }], "c": 1.5 }));
    assert_eq!(object["metadata"]["generation"], 1);
    let wide = kubectl.ok(&["get", "backups", "-o", "wide"]);
    let rows: Vec<Vec<&str>> = wide.lines().map(columns).collect();
    assert_eq!(rows[0], ["NAME", "SCHEDULE", "KEEP", "TARGET", "AGE"]);
    assert_eq!(rows[1][..8], ["nightly", "0", "3", "*", "*", "*", "3", "10Gi"]);
    assert!(kubectl.ok(&["get", "all"]).contains("backup.example.com/nightly"));
    assert!(kubectl.ok(&["describe", "backup", "nightly"]).contains("Schedule:  0 3 * * *"));

    let wrong = NIGHTLY.replace("size: 5", "size: true").replace("spec:", "spec:\n  keep: 10\n  unknown: 1");
    let refused = kubectl.fails_with_input(&["apply", "-f", "-"], &wrong);
    assert!(refused.contains(r#"unknown field "spec.unknown""#), "{refused}");
    let refused = kubectl.fails_with_input(&["apply", "--validate=false", "-f", "-"], &wrong);
    assert!(refused.contains("spec.keep in body should be less than or equal to 9"), "{refused}");
    assert!(refused.contains("must be of type integer,string"), "{refused}");

    let refused = kubectl.fails(&["scale", "backup", "nightly", "--replicas=9"]);
    assert!(refused.contains("nine are kept only while paused"), "{refused}");

    kubectl.ok(&["scale", "backup", "nightly", "--replicas=5"]);
    let status = r#"{"status":{"made":2,"selector":"a=b"},"spec":{"keep":9}}"#;
    if version != "kubectl-1.30" {
        kubectl.ok(&["patch", "backup", "nightly", "--subresource=status", "--type=merge", "-p", status]);
        let object = json(&kubectl, &["get", "backup", "nightly"]);
        assert_eq!((&object["spec"]["keep"], &object["status"]["made"]), (&json!(5), &json!(2)));
        assert_eq!(object["metadata"]["generation"], 2);
    }
    let strategic = kubectl.fails(&["patch", "backup", "nightly", "-p", r#"{"spec":{"keep":4}}"#]);
    assert!(strategic.contains("strategic-merge-patch+json is not supported"), "{strategic}");
    let selected = |paused: &str| kubectl.ok(&["get", "backups", "--field-selector", paused, "-o", "name"]);
    assert_eq!(selected("spec.paused=false"), "backup.example.com/nightly\n");
    assert_eq!(selected("spec.paused=true"), "");

    let watch = kubectl.start(&["get", "backups", "-w", "-o", "name"]);
    assert_eq!(watch.next_line(), "backup.example.com/nightly");
    kubectl.ok(&["annotate", "backup", "nightly", "a=b"]);
    assert_eq!(watch.next_line(), "backup.example.com/nightly");
    kubectl.ok(&["delete", "crd", "backups.example.com"]);
    assert!(watch.finished().success());
    let gone = kubectl.fails(&["get", "backups.example.com"]);
    assert!(
        gone.contains("the server could not find") || gone.contains("doesn't have a resource type"),
        "{gone}"
    );
    assert!(kubectl.fails(&["get", "apiservice", "v1.example.com"]).contains("NotFound"));
    define(&kubectl);
    assert_eq!(kubectl.ok(&["get", "backups.example.com", "-o", "name"]), "");
}

fn apply_merges_by_the_schema(version: &str) {
    let server = Server::start();
    let kubectl = server.client(version);
    define(&kubectl);
    let apply = |arguments: &[&str], text: &str| {
        kubectl.run_with_input(&[&["apply", "-f", "-"], arguments].concat(), text)
    };
    assert!(apply(&["--server-side"], NIGHTLY).printed().contains("serverside-applied"));
    let other =
        NIGHTLY.replace("size: 10Gi", "size: 20Gi").replace("{name: logs, size: 5}", "{name: web, size: 1}");
    let conflict = apply(&["--server-side", "--field-manager=other"], &other).printed();
    assert!(conflict.contains(r#".spec.targets[name="db"].size"#), "{conflict}");
    let forced = apply(&["--server-side", "--field-manager=other", "--force-conflicts"], &other).printed();
    assert!(forced.contains("serverside-applied"), "{forced}");
    let targets = || json(&kubectl, &["get", "backup", "nightly"])["spec"]["targets"].clone();
    assert_eq!(
        targets(),
        json!([{ "name": "db", "size": "20Gi" }, { "name": "logs", "size": 5 }, { "name": "web", "size": 1 }])
    );
    let fewer = other.replace(", {name: web, size: 1}", "");
    assert!(
        apply(&["--server-side", "--field-manager=other"], &fewer).printed().contains("serverside-applied")
    );
    assert_eq!(targets(), json!([{ "name": "db", "size": "20Gi" }, { "name": "logs", "size": 5 }]));
    let unknown = fewer.replace("spec:", "spec:\n  unknown: 1");
    let refused = apply(&["--server-side", "--field-manager=other"], &unknown).printed();
    assert!(refused.contains(".spec.unknown: field not declared in schema"), "{refused}");
}

fn a_chart_brings_a_definition_and_an_object_of_it(version: &str) {
    let server = Server::start();
    let (helm, kubectl) = (server.client(version), server.kubectl());
    let installed = helm.ok(&["install", "nightly", CHART]);
    assert!(installed.contains("STATUS: deployed"), "{installed}");
    let schedule = || kubectl.ok(&["get", "backup", "nightly", "-o", "jsonpath={.spec.schedule}"]);
    assert_eq!(schedule(), "0 3 * * *");
    helm.ok(&["upgrade", "nightly", CHART, "--set", "schedule=0 4 * * *"]);
    assert_eq!(schedule(), "0 4 * * *");
    let refused = helm.fails(&["upgrade", "nightly", CHART, "--set", "schedule=now"]);
    assert!(refused.contains("spec.schedule in body should match"), "{refused}");
    helm.ok(&["rollback", "nightly", "1"]);
    assert_eq!(schedule(), "0 3 * * *");
    helm.ok(&["uninstall", "nightly"]);
    assert_eq!(kubectl.ok(&["get", "backups", "-o", "name"]), "");
}

#[test]
fn the_python_client_uses_a_kind_that_it_has_just_defined() {
    let server = Server::start();
    let answer = server.python().run(&[PYTHON, &format!("{CHART}/crds/backup.yaml")]);
    assert_eq!(answer.stdout.trim(), "ok", "{}", answer.printed());
}

#[test]
fn kinds_and_objects_are_there_after_a_kill() {
    let mut server = Server::start();
    let kubectl = server.kubectl();
    define(&kubectl);
    kubectl.ok_with_input(&["create", "-f", "-"], NIGHTLY);
    server.kill();
    server.start_again();
    let kubectl = server.kubectl();
    assert_eq!(kubectl.ok(&["get", "backups", "-o", "name"]), "backup.example.com/nightly\n");
    kubectl.ok(&["scale", "backup", "nightly", "--replicas=4"]);
}

#[test]
fn a_definition_on_one_server_is_served_by_the_others_at_once() {
    let mut cluster = Cluster::start();
    cluster.join();
    cluster.join();
    let clients = [0, 1, 2].map(|node| cluster.kubectl(node));
    define(&clients[0]);
    clients[1].ok_with_input(&["create", "-f", "-"], NIGHTLY);
    assert_eq!(clients[2].ok(&["get", "backups", "-o", "name"]), "backup.example.com/nightly\n");
}

#[test]
fn objects_go_with_their_owner_and_with_their_namespace() {
    let server = Server::start();
    let kubectl = server.kubectl();
    define(&kubectl);
    kubectl.ok_with_input(&["create", "-f", "-"], NIGHTLY);
    let uid = kubectl.ok(&["get", "backup", "nightly", "-o", "jsonpath={.metadata.uid}"]);
    let owned = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "owned", "ownerReferences": [
            { "apiVersion": "example.com/v1", "kind": "Backup", "name": "nightly", "uid": uid },
        ] },
    });
    kubectl.ok_with_input(&["create", "-f", "-"], &owned.to_string());
    kubectl.ok(&["delete", "backup", "nightly"]);
    kubectl.ok(&["wait", "--for=delete", "configmap/owned", "--timeout=60s"]);

    kubectl.ok(&["create", "namespace", "team"]);
    kubectl.ok(&["create", "quota", "few", "-n", "team", "--hard=count/backups.example.com=1"]);
    kubectl.ok_with_input(&["create", "-n", "team", "-f", "-"], NIGHTLY);
    let second = NIGHTLY.replace("nightly", "second");
    let refused = kubectl.fails_with_input(&["create", "-n", "team", "-f", "-"], &second);
    assert!(refused.contains("exceeded quota: few"), "{refused}");
    kubectl.ok(&["delete", "namespace", "team", "--timeout=60s"]);
    assert_eq!(kubectl.ok(&["get", "backups", "-A", "-o", "name"]), "");
}
