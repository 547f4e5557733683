use std::time::Duration;

use serde_json::{Value, json};

use super::CONTROLLER;
use crate::api::{ApiError, DeleteOptions, Propagation, Resource};
use crate::digest::Digest;
use crate::digests::{Namespace, Node, Pod};
use crate::fake::{Fault, Harness};

const SETS: &Resource = &Resource::namespaced("apps", "v1", "replicasets", "ReplicaSet");
const DEPLOYMENTS: &Resource = &Resource::namespaced("apps", "v1", "deployments", "Deployment");
const EVENTS: &Resource = &Resource::namespaced("", "v1", "events", "Event");

fn harness() -> Harness {
    let harness = Harness::new(&[&CONTROLLER]);
    for resource in [DEPLOYMENTS, SETS, Pod::RESOURCE, Node::RESOURCE, Namespace::RESOURCE] {
        harness.api.serve(resource);
    }
    harness
}

async fn started() -> Harness {
    let mut harness = harness();
    family(&harness);
    harness.start();
    harness.settle().await;
    harness
}

/// A reference to a stored object.
fn owner(resource: &Resource, object: &Value) -> Value {
    json!({
        "apiVersion": resource.api_version(), "kind": resource.kind, "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

fn put(harness: &Harness, resource: &Resource, namespace: &str, name: &str, owners: &[Value]) -> Value {
    let mut metadata = json!({ "name": name, "ownerReferences": owners });
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    harness.api.put(resource, json!({ "metadata": metadata }))
}

/// Deployment d owns ReplicaSet r owns pods p1 and p2.
fn family(harness: &Harness) {
    let deployment = put(harness, DEPLOYMENTS, "a", "d", &[]);
    let set = put(harness, SETS, "a", "r", &[owner(DEPLOYMENTS, &deployment)]);
    for pod in ["p1", "p2"] {
        put(harness, Pod::RESOURCE, "a", pod, &[owner(SETS, &set)]);
    }
}

fn delete(harness: &Harness, resource: &Resource, name: &str, propagation: Propagation) {
    let options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() };
    harness.api.user_deletes(resource, "a", name, &options);
}

fn left(harness: &Harness) -> Vec<String> {
    [DEPLOYMENTS, SETS, Pod::RESOURCE].iter().flat_map(|it| harness.api.names(it, "a")).collect()
}

#[tokio::test]
async fn objects_with_living_owners_are_left_alone_without_a_look() {
    let harness = started().await;
    assert_eq!(left(&harness), ["d", "r", "p1", "p2"]);
    assert_eq!(harness.api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn background_deletion_takes_the_dependents_afterwards() {
    let harness = started().await;
    delete(&harness, DEPLOYMENTS, "d", Propagation::Background);
    assert_eq!(left(&harness), ["r", "p1", "p2"]);
    harness.settle().await;
    assert_eq!(left(&harness), Vec::<String>::new());
}

#[tokio::test]
async fn foreground_deletion_takes_the_dependents_first() {
    let harness = started().await;
    // Somebody holds a pod, so its owners have to wait.
    let pod = harness.api.object(Pod::RESOURCE, "a", "p1").unwrap();
    let mut held = pod.clone();
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    harness.api.put(Pod::RESOURCE, held);
    delete(&harness, DEPLOYMENTS, "d", Propagation::Foreground);
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    assert_eq!(left(&harness), ["d", "r", "p1"]);
    harness.api.remove(Pod::RESOURCE, "a", "p1");
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    assert_eq!(left(&harness), Vec::<String>::new());
}

#[tokio::test]
async fn foreground_deletion_waits_only_for_those_who_block() {
    let harness = started().await;
    let set = harness.api.object(SETS, "a", "r").unwrap();
    let mut loose = owner(SETS, &set);
    loose["blockOwnerDeletion"] = json!(false);
    for pod in ["p1", "p2"] {
        let metadata =
            json!({ "namespace": "a", "name": pod, "ownerReferences": [loose], "finalizers": ["x/y"] });
        harness.api.put(Pod::RESOURCE, json!({ "metadata": metadata }));
    }
    delete(&harness, SETS, "r", Propagation::Foreground);
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    assert_eq!(left(&harness), ["d", "p1", "p2"]);
}

#[tokio::test]
async fn orphans_lose_the_reference_and_live() {
    let harness = started().await;
    delete(&harness, SETS, "r", Propagation::Orphan);
    harness.settle().await;
    assert_eq!(left(&harness), ["d", "p1", "p2"]);
    let pod = harness.api.object(Pod::RESOURCE, "a", "p1").unwrap();
    assert_eq!(pod["metadata"]["ownerReferences"], json!([]));
}

#[tokio::test]
async fn a_watch_that_lags_behind_deletes_nothing() {
    let harness = started().await;
    harness.api.hold_watches();
    let deployment = put(&harness, DEPLOYMENTS, "a", "d2", &[]);
    harness.api.release_watches();
    harness.settle().await;
    harness.api.hold_watches();
    // The owner is recreated under another uid than the dependents name, or not seen at all.
    put(&harness, SETS, "a", "r2", &[owner(DEPLOYMENTS, &deployment)]);
    harness.api.release_watches();
    harness.settle().await;
    assert!(left(&harness).contains(&"r2".to_owned()));
}

#[tokio::test]
async fn an_owner_that_was_recreated_is_another_one() {
    let harness = started().await;
    harness.api.hold_watches();
    harness.api.remove(DEPLOYMENTS, "a", "d");
    put(&harness, DEPLOYMENTS, "a", "d", &[]);
    harness.api.release_watches();
    harness.settle().await;
    assert_eq!(left(&harness), ["d"]);
}

#[tokio::test]
async fn an_absent_owner_is_verified_before_its_dependent_goes() {
    let harness = started().await;
    let ghost = json!({ "metadata": { "name": "ghost", "uid": "uid-none" } });
    put(&harness, Pod::RESOURCE, "a", "p3", &[owner(SETS, &ghost)]);
    // The uid belongs to another object than the reference says.
    let deployment = harness.api.object(DEPLOYMENTS, "a", "d").unwrap();
    put(&harness, Pod::RESOURCE, "a", "p4", &[owner(SETS, &deployment)]);
    harness.settle().await;
    assert_eq!(left(&harness), ["d", "r", "p1", "p2"]);
}

#[tokio::test]
async fn one_living_owner_is_enough() {
    let harness = started().await;
    let set = harness.api.object(SETS, "a", "r").unwrap();
    let ghost = json!({ "metadata": { "name": "ghost", "uid": "uid-none" } });
    put(&harness, Pod::RESOURCE, "a", "p3", &[owner(SETS, &ghost), owner(SETS, &set)]);
    harness.settle().await;
    let pod = harness.api.object(Pod::RESOURCE, "a", "p3").unwrap();
    assert_eq!(pod["metadata"]["ownerReferences"], json!([owner(SETS, &set)]));
}

#[tokio::test]
async fn an_owner_in_another_namespace_is_no_owner() {
    let harness = started().await;
    let set = harness.api.object(SETS, "a", "r").unwrap();
    put(&harness, Pod::RESOURCE, "b", "p", &[owner(SETS, &set)]);
    harness.settle().await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "b"), Vec::<String>::new());
    let event = harness.api.names(EVENTS, "b").pop().unwrap();
    let event = harness.api.object(EVENTS, "b", &event).unwrap();
    assert_eq!(event["reason"], "OwnerRefInvalidNamespace");
    assert!(event["message"].as_str().unwrap().ends_with("does not exist in namespace \"b\""));
}

#[tokio::test]
async fn owners_of_the_cluster_own_in_namespaces_and_not_the_other_way_round() {
    let harness = started().await;
    let node = put(&harness, Node::RESOURCE, "", "n", &[]);
    put(&harness, Pod::RESOURCE, "a", "p3", &[owner(Node::RESOURCE, &node)]);
    let set = harness.api.object(SETS, "a", "r").unwrap();
    put(&harness, Node::RESOURCE, "", "n2", &[owner(SETS, &set)]);
    harness.settle().await;
    assert!(left(&harness).contains(&"p3".to_owned()));
    harness.api.remove(Node::RESOURCE, "", "n");
    harness.settle().await;
    assert!(!left(&harness).contains(&"p3".to_owned()));
    harness.api.remove(SETS, "a", "r");
    harness.settle().await;
    assert_eq!(harness.api.names(Node::RESOURCE, ""), ["n2"]);
}

#[tokio::test]
async fn an_owner_of_a_kind_that_nobody_serves_holds_its_dependents() {
    let harness = started().await;
    let mut unknown = owner(SETS, &json!({ "metadata": { "name": "x", "uid": "uid-x" } }));
    unknown["kind"] = json!("Wizard");
    put(&harness, Pod::RESOURCE, "a", "p3", &[unknown]);
    harness.settle().await;
    harness.pass(Duration::from_secs(60)).await;
    assert!(left(&harness).contains(&"p3".to_owned()));
}

#[tokio::test]
async fn kinds_that_come_later_are_collected_too() {
    const WIDGETS: &Resource = &Resource::namespaced("example.com", "v1", "widgets", "Widget");
    let harness = started().await;
    harness.api.serve(WIDGETS);
    let widget = put(&harness, WIDGETS, "a", "w", &[]);
    put(&harness, Pod::RESOURCE, "a", "p3", &[owner(WIDGETS, &widget)]);
    harness.pass(Duration::from_secs(31)).await;
    assert!(left(&harness).contains(&"p3".to_owned()));
    harness.api.remove(WIDGETS, "a", "w");
    harness.settle().await;
    assert!(!left(&harness).contains(&"p3".to_owned()));
}

#[tokio::test]
async fn a_restart_in_the_middle_ends_the_same() {
    for propagation in [Propagation::Background, Propagation::Foreground] {
        let mut harness = started().await;
        harness.stop();
        delete(&harness, DEPLOYMENTS, "d", propagation);
        harness.start();
        harness.settle().await;
        harness.pass(Duration::from_secs(1)).await;
        assert_eq!(left(&harness), Vec::<String>::new(), "{propagation:?}");
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_of_freeing_ends_the_same() {
    let mut harness = started().await;
    let error = ApiError::unanswered("gone");
    harness.api.fail(Fault { call: "patch pods", error, after: true });
    delete(&harness, SETS, "r", Propagation::Orphan);
    harness.settle().await;
    harness.start();
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    assert_eq!(left(&harness), ["d", "p1", "p2"]);
}

#[tokio::test]
async fn an_object_that_got_another_owner_meanwhile_stays() {
    let harness = started().await;
    let other = put(&harness, SETS, "a", "other", &[]);
    harness.api.hold_watches();
    put(&harness, Pod::RESOURCE, "a", "p1", &[owner(SETS, &other)]);
    harness.api.remove(SETS, "a", "r");
    harness.api.fail(Fault::conflict("delete pods"));
    harness.api.release_watches();
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    assert_eq!(left(&harness), ["d", "other", "p1"]);
}
