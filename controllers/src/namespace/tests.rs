use std::time::Duration;

use serde_json::{Value, json};

use super::CONTROLLER;
use crate::api::{ApiError, DeleteOptions, Resource};
use crate::digest::Digest;
use crate::digests::{Namespace, Pod};
use crate::fake::{Fault, Harness};

const MAPS: &Resource = &Resource::namespaced("", "v1", "configmaps", "ConfigMap");
const DEPLOYMENTS: &Resource = &Resource::namespaced("apps", "v1", "deployments", "Deployment");
const NODES: &Resource = &Resource::cluster("", "v1", "nodes", "Node");

fn harness() -> Harness {
    let harness = Harness::new(&[&CONTROLLER]);
    harness.api.serve(DEPLOYMENTS);
    harness.api.serve(MAPS);
    harness.api.serve(Pod::RESOURCE);
    harness.api.serve(NODES);
    create(&harness, "a");
    harness
}

fn create(harness: &Harness, name: &str) {
    harness.api.put(
        Namespace::RESOURCE,
        json!({ "metadata": { "name": name }, "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" } }),
    );
}

fn put(harness: &Harness, resource: &Resource, name: &str, finalizers: &[&str]) {
    let metadata = json!({ "namespace": "a", "name": name, "finalizers": finalizers });
    harness.api.put(resource, json!({ "metadata": metadata }));
}

fn put_pod(harness: &Harness, name: &str) {
    let metadata = json!({ "namespace": "a", "name": name });
    let spec = json!({ "nodeName": "n1", "terminationGracePeriodSeconds": 30 });
    harness
        .api
        .put(Pod::RESOURCE, json!({ "metadata": metadata, "spec": spec, "status": { "phase": "Running" } }));
}

fn delete(harness: &Harness) {
    harness.api.user_deletes(Namespace::RESOURCE, "", "a", &DeleteOptions::default());
}

fn exists(harness: &Harness) -> bool {
    harness.api.object(Namespace::RESOURCE, "", "a").is_some()
}

fn condition(harness: &Harness, kind: &str) -> (String, String) {
    let namespace = harness.api.object(Namespace::RESOURCE, "", "a").unwrap();
    let conditions = namespace["status"]["conditions"].as_array().unwrap();
    let condition = conditions.iter().find(|it| it["type"] == kind).unwrap();
    let text = |field: &str| condition[field].as_str().unwrap().to_owned();
    (text("reason"), text("message"))
}

#[tokio::test]
async fn contents_go_before_the_namespace() {
    let mut harness = harness();
    put(&harness, MAPS, "m1", &[]);
    put(&harness, MAPS, "m2", &[]);
    put(&harness, DEPLOYMENTS, "d", &[]);
    harness.start();
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), Vec::<String>::new());
    delete(&harness);
    harness.settle().await;
    assert!(!exists(&harness));
    assert_eq!(harness.api.names(MAPS, "a"), Vec::<String>::new());
    let writes = harness.api.take_writes();
    assert_eq!(writes[0], "deletecollection pods a/");
    assert_eq!(writes.last().unwrap(), "update namespaces/finalize a");
}

#[tokio::test]
async fn nothing_else_is_touched_before_the_last_pod_is_gone() {
    let mut harness = harness();
    put_pod(&harness, "p");
    put(&harness, MAPS, "m", &[]);
    harness.start();
    delete(&harness);
    harness.settle().await;
    assert_eq!(harness.api.names(MAPS, "a"), ["m"]);
    let (reason, message) = condition(&harness, "NamespaceContentRemaining");
    assert_eq!(reason, "SomeResourcesRemain");
    assert_eq!(message, "Some resources are remaining: pods. has 1 resource instances");
    assert_eq!(condition(&harness, "NamespaceDeletionContentFailure").0, "ContentDeleted");
    // The kubelet is done: no need to wait out the grace.
    harness.api.remove(Pod::RESOURCE, "a", "p");
    harness.settle().await;
    assert!(!exists(&harness));
}

#[tokio::test]
async fn finalizers_hold_the_namespace_and_are_named() {
    let mut harness = harness();
    put(&harness, MAPS, "m", &["example.com/hold"]);
    harness.start();
    delete(&harness);
    harness.settle().await;
    let (reason, message) = condition(&harness, "NamespaceFinalizersRemaining");
    assert_eq!(reason, "SomeFinalizersRemain");
    assert_eq!(
        message,
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    );
    assert_eq!(
        condition(&harness, "NamespaceContentRemaining").1,
        "Some resources are remaining: configmaps. has 1 resource instances"
    );
    harness.api.remove(MAPS, "a", "m");
    harness.settle().await;
    assert!(exists(&harness), "upstream's estimate is waited for");
    harness.pass(Duration::from_millis(8500)).await;
    assert!(!exists(&harness));
}

#[tokio::test]
async fn a_group_that_cannot_be_discovered_is_reported_and_waited_for() {
    let mut harness = harness();
    put(&harness, MAPS, "m", &[]);
    put(&harness, DEPLOYMENTS, "d", &[]);
    harness.api.fail_discovery_of(&["apps/v1"]);
    harness.start();
    delete(&harness);
    harness.settle().await;
    assert_eq!(harness.api.names(MAPS, "a"), Vec::<String>::new());
    let (reason, message) = condition(&harness, "NamespaceDeletionDiscoveryFailure");
    assert_eq!(reason, "DiscoveryFailed");
    assert!(
        message.starts_with("Discovery failed for some groups, 1 failing: ") && message.contains("apps/v1")
    );
    harness.api.fail_discovery_of(&[]);
    harness.pass(Duration::from_secs(1)).await;
    assert!(!exists(&harness));
}

#[tokio::test]
async fn a_resource_that_cannot_be_deleted_is_reported_and_tried_again() {
    let mut harness = harness();
    put(&harness, MAPS, "m", &[]);
    // The first report wakes the key at once, so two failures are needed to see it wait.
    for _ in 0..2 {
        let error = ApiError { code: 403, message: "you shall not".to_owned(), ..ApiError::default() };
        harness.api.fail(Fault { call: "deletecollection configmaps", error, after: false });
    }
    harness.start();
    delete(&harness);
    harness.settle().await;
    assert_eq!(
        condition(&harness, "NamespaceDeletionContentFailure"),
        (
            "ContentDeletionFailed".to_owned(),
            "Failed to delete all resource types, 1 remaining: you shall not".to_owned()
        )
    );
    harness.pass(Duration::from_secs(1)).await;
    assert!(!exists(&harness));
}

#[tokio::test]
async fn resources_without_collections_are_deleted_one_by_one() {
    const ODD: &Resource = &Resource::namespaced("example.com", "v1", "odds", "Odd");
    let mut harness = harness();
    harness.api.serve_with(ODD, &["delete", "get", "list"]);
    put(&harness, ODD, "o1", &[]);
    put(&harness, ODD, "o2", &[]);
    harness.start();
    delete(&harness);
    harness.settle().await;
    assert!(!exists(&harness));
    assert_eq!(harness.api.names(ODD, "a"), Vec::<String>::new());
}

#[tokio::test]
async fn a_restart_in_the_middle_ends_the_same() {
    let mut harness = harness();
    put_pod(&harness, "p");
    put(&harness, MAPS, "m", &[]);
    harness.start();
    delete(&harness);
    harness.settle().await;
    harness.stop();
    harness.api.remove(Pod::RESOURCE, "a", "p");
    harness.start();
    harness.settle().await;
    assert!(!exists(&harness));
}

#[tokio::test]
async fn a_conflict_is_decided_again() {
    let mut harness = harness();
    for call in ["update namespaces/status", "update namespaces/finalize"] {
        harness.api.fail(Fault::conflict(call));
    }
    harness.start();
    delete(&harness);
    harness.settle().await;
    assert!(exists(&harness));
    harness.pass(Duration::from_secs(1)).await;
    assert!(!exists(&harness));
}

#[tokio::test]
async fn one_that_was_recreated_is_left_alone_by_a_stale_view() {
    let mut harness = harness();
    harness.start();
    harness.settle().await;
    harness.api.hold_watches();
    // The view learns of the deletion only when another one of that name lives.
    delete(&harness);
    harness.api.remove(Namespace::RESOURCE, "", "a");
    create(&harness, "a");
    put(&harness, MAPS, "m", &[]);
    harness.api.take_writes();
    harness.api.release_watches();
    harness.settle().await;
    harness.pass(Duration::from_secs(400)).await;
    assert_eq!(harness.api.take_writes(), Vec::<String>::new());
    assert_eq!(harness.api.names(MAPS, "a"), ["m"]);
}

#[tokio::test]
async fn foreign_finalizers_of_the_namespace_stay() {
    let mut harness = harness();
    let mut namespace: Value = harness.api.object(Namespace::RESOURCE, "", "a").unwrap();
    namespace["spec"]["finalizers"] = json!(["kubernetes", "example.com/other"]);
    harness.api.put(Namespace::RESOURCE, namespace);
    harness.start();
    delete(&harness);
    harness.settle().await;
    let namespace = harness.api.object(Namespace::RESOURCE, "", "a").unwrap();
    assert_eq!(namespace["spec"]["finalizers"], json!(["example.com/other"]));
}
