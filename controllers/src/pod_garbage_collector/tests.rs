use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CONTROLLER, superfluous};
use crate::api::{ApiError, DeleteOptions, Object};
use crate::digest::{Digest, Held};
use crate::digests::{Node, Pod};
use crate::fake::{Fault, Harness};
use crate::settings::Settings;
use crate::view::{Snapshot, View};

fn pod(name: &str, node: &str, phase: &str) -> Value {
    let metadata = json!({ "namespace": "a", "name": name });
    let spec = if node.is_empty() { json!({}) } else { json!({ "nodeName": node }) };
    json!({ "metadata": metadata, "spec": spec, "status": { "phase": phase } })
}

fn node(ready: &str, taints: Value) -> Value {
    json!({
        "metadata": { "name": "n1" },
        "spec": { "taints": taints },
        "status": { "conditions": [{ "type": "Ready", "status": ready }] },
    })
}

async fn started(objects: &[Value]) -> Harness {
    let mut harness = Harness::new(&[&CONTROLLER]);
    for object in objects {
        harness.api.put(Pod::RESOURCE, object.clone());
    }
    harness.start();
    harness.settle().await;
    harness
}

#[tokio::test]
async fn pods_of_a_vanished_node_fail_and_go_after_the_quarantine() {
    let harness = started(&[pod("p", "n1", "Running")]).await;
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), ["p"]);
    let refused = ApiError { code: 503, ..ApiError::default() };
    harness.api.fail(Fault { call: "delete pods", error: refused, after: false });
    harness.pass(Duration::from_secs(20)).await;
    let pod = harness.api.object(Pod::RESOURCE, "a", "p").unwrap();
    assert_eq!(pod["status"]["phase"], "Failed");
    let condition = &pod["status"]["conditions"][0];
    assert_eq!(
        (&condition["type"], &condition["reason"]),
        (&json!("DisruptionTarget"), &json!("DeletionByPodGC"))
    );
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), Vec::<String>::new());
}

#[tokio::test]
async fn a_node_that_comes_back_keeps_its_pods() {
    let harness = started(&[pod("p", "n1", "Running")]).await;
    harness.pass(Duration::from_secs(20)).await;
    harness.api.put(Node::RESOURCE, node("True", json!([])));
    harness.pass(Duration::from_secs(20)).await;
    harness.api.remove(Node::RESOURCE, "", "n1");
    harness.pass(Duration::from_secs(20)).await;
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), ["p"]);
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), Vec::<String>::new());
}

#[tokio::test]
async fn a_stale_view_of_nodes_deletes_nothing() {
    let harness = started(&[pod("p", "n1", "Running")]).await;
    harness.api.hold_watches();
    harness.api.put(Node::RESOURCE, node("True", json!([])));
    for _ in 0..5 {
        harness.pass(Duration::from_secs(20)).await;
    }
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), ["p"]);
}

#[tokio::test]
async fn a_pod_that_was_never_scheduled_goes_when_deleted() {
    let harness = started(&[]).await;
    let mut waiting = pod("p", "", "Pending");
    waiting["metadata"]["deletionTimestamp"] = json!("2027-01-15T08:00:00Z");
    waiting["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    harness.api.put(Pod::RESOURCE, waiting);
    harness.api.put(Pod::RESOURCE, pod("q", "", "Pending"));
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), ["q"]);
}

#[tokio::test]
async fn terminating_pods_of_a_node_out_of_service_go() {
    let harness = started(&[pod("p", "n1", "Running"), pod("q", "n1", "Running")]).await;
    let taint = json!([{ "key": "node.kubernetes.io/out-of-service", "effect": "NoExecute" }]);
    harness.api.user_deletes(Pod::RESOURCE, "a", "p", &DeleteOptions::default());
    harness.api.put(Node::RESOURCE, node("True", taint.clone()));
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), ["p", "q"], "a node that is ready is in service");
    harness.api.put(Node::RESOURCE, node("Unknown", taint));
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), ["q"]);
}

#[tokio::test]
async fn a_pod_that_was_recreated_under_the_name_is_left_alone() {
    let harness = started(&[pod("p", "n1", "Running")]).await;
    harness.pass(Duration::from_secs(20)).await;
    harness.api.hold_watches();
    harness.api.remove(Pod::RESOURCE, "a", "p");
    harness.api.put(Pod::RESOURCE, pod("p", "n2", "Running"));
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.object(Pod::RESOURCE, "a", "p").unwrap()["status"]["phase"], "Running");
}

#[tokio::test]
async fn a_restart_begins_the_quarantine_anew() {
    let mut harness = started(&[pod("p", "n1", "Running")]).await;
    harness.pass(Duration::from_secs(20)).await;
    harness.start();
    harness.settle().await;
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), ["p"]);
    harness.pass(Duration::from_secs(20)).await;
    assert_eq!(harness.api.names(Pod::RESOURCE, "a"), Vec::<String>::new());
}

#[tokio::test]
async fn as_many_terminated_pods_are_kept_as_was_asked_for() {
    for (terminated_pods_max, kept) in [(1, &["c"][..]), (0, &["a", "b", "c"])] {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.api.set_settings(Settings { terminated_pods_max, ..Settings::default() });
        for name in ["a", "b", "c"] {
            harness.api.put(Pod::RESOURCE, pod(name, "", "Succeeded"));
        }
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.names(Pod::RESOURCE, "a"), kept);
    }
}

#[test]
fn the_oldest_terminated_pods_are_superfluous() {
    let mut pods = Snapshot::<Pod>::default();
    for i in 0..5 {
        let mut pod = pod(&format!("p{i}"), "n1", if i == 2 { "Running" } else { "Succeeded" });
        pod["metadata"]["creationTimestamp"] = json!(format!("2027-01-15T08:00:0{}Z", 9 - i));
        let object = Object::parse(pod.to_string().into()).unwrap();
        pods.put(Held::<Pod>::extract(object, None).0.into());
    }
    let mut view = View::default();
    view.insert(Arc::new(pods));
    let names = |max| {
        let pods = superfluous(&view, max);
        pods.iter().map(|pod| pod.meta.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(2), ["p4", "p3"]);
    assert_eq!(names(4), Vec::<String>::new());
}
