use std::time::Duration;

use serde_json::{Value, json};

use super::{CONTROLLER, Claim, FINALIZER};
use crate::api::DeleteOptions;
use crate::digest::Digest;
use crate::digests::Pod;
use crate::fake::{Fault, Harness};

fn pod(node: &str) -> Value {
    let volumes = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "c" } }, { "name": "tmp", "emptyDir": {} }]);
    let mut pod = json!({ "metadata": { "namespace": "a", "name": "p" }, "spec": { "volumes": volumes } });
    if !node.is_empty() {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}

async fn started() -> Harness {
    let mut harness = Harness::new(&[&CONTROLLER]);
    harness.api.put(Claim::RESOURCE, json!({ "metadata": { "namespace": "a", "name": "c" } }));
    harness.start();
    harness.settle().await;
    harness
}

fn delete(harness: &Harness) {
    harness.api.user_deletes(Claim::RESOURCE, "a", "c", &DeleteOptions::default());
}

fn exists(harness: &Harness) -> bool {
    harness.api.object(Claim::RESOURCE, "a", "c").is_some()
}

#[tokio::test]
async fn claims_get_the_finalizer_once() {
    let harness = started().await;
    let claim = harness.api.object(Claim::RESOURCE, "a", "c").unwrap();
    assert_eq!(claim["metadata"]["finalizers"], json!([FINALIZER]));
    assert_eq!(harness.api.take_writes(), ["update persistentvolumeclaims a/c"]);
}

#[tokio::test]
async fn a_claim_in_use_goes_with_its_last_pod() {
    let harness = started().await;
    harness.api.put(Pod::RESOURCE, pod("n1"));
    delete(&harness);
    harness.settle().await;
    assert!(exists(&harness));
    harness.api.remove(Pod::RESOURCE, "a", "p");
    harness.settle().await;
    assert!(!exists(&harness));
}

#[tokio::test]
async fn a_pod_that_waits_for_a_node_uses_nothing() {
    let harness = started().await;
    harness.api.put(Pod::RESOURCE, pod(""));
    delete(&harness);
    harness.settle().await;
    assert!(!exists(&harness));
}

#[tokio::test]
async fn a_pod_that_the_view_does_not_show_holds_the_claim() {
    let harness = started().await;
    delete_behind(&harness);
    harness.settle().await;
    assert!(exists(&harness));
}

/// The claim's deletion is seen before the pod.
fn delete_behind(harness: &Harness) {
    delete(harness);
    harness.api.hold_watches();
    harness.api.put(Pod::RESOURCE, pod("n1"));
}

#[tokio::test]
async fn an_ephemeral_claim_is_used_by_its_own_pod_until_that_is_shut_down() {
    let mut harness = Harness::new(&[&CONTROLLER]);
    let volumes = json!([{ "name": "data", "ephemeral": { "volumeClaimTemplate": {} } }]);
    let mut pod = harness.api.put(
        Pod::RESOURCE,
        json!({ "metadata": { "namespace": "a", "name": "p" }, "spec": { "nodeName": "n1", "volumes": volumes } }),
    );
    let owner = json!({ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": pod["metadata"]["uid"], "controller": true });
    let metadata = json!({ "namespace": "a", "name": "p-data", "ownerReferences": [owner] });
    harness.api.put(Claim::RESOURCE, json!({ "metadata": metadata }));
    harness.start();
    harness.settle().await;
    harness.api.user_deletes(Claim::RESOURCE, "a", "p-data", &DeleteOptions::default());
    harness.settle().await;
    assert!(harness.api.object(Claim::RESOURCE, "a", "p-data").is_some());
    pod["metadata"]["deletionTimestamp"] = json!("2027-01-15T08:00:00Z");
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    harness.api.put(Pod::RESOURCE, pod);
    harness.settle().await;
    assert!(harness.api.object(Claim::RESOURCE, "a", "p-data").is_none());
}

#[tokio::test]
async fn a_conflict_and_a_restart_end_the_same() {
    let mut harness = started().await;
    harness.api.fail(Fault::conflict("update persistentvolumeclaims"));
    delete(&harness);
    harness.settle().await;
    assert!(exists(&harness));
    harness.start();
    harness.pass(Duration::from_secs(1)).await;
    assert!(!exists(&harness));
}
