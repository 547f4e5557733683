//! The runtime on the fake API: what it promises to controllers.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::api::{ApiError, DeleteOptions, Resource};
use crate::controller::Controller;
use crate::digest::Digest;
use crate::digests::Namespace;
use crate::fake::{Fault, Harness};
use crate::key::Key;
use crate::plan::{Action, Plan};
use crate::view::View;
use crate::{Event, Regarding, Shape};

#[derive(Clone, Default, Deserialize)]
struct ConfigMap {
    #[serde(default)]
    data: std::collections::BTreeMap<String, String>,
}

impl Digest for ConfigMap {
    const RESOURCE: &'static Resource = &Resource::namespaced("", "v1", "configmaps", "ConfigMap");
}

const EVENTS: &Resource = &Resource::namespaced("", "v1", "events", "Event");

/// Keeps a ConfigMap `motd` with the text of `hello` in every namespace.
static MOTD: Controller = Controller {
    name: "motd-controller",
    watches: |watches| {
        watches.primary::<Namespace>();
        watches.watch::<ConfigMap>(|change, _, put| {
            if let Some(map) = change.newest().filter(|map| map.meta.name == "motd") {
                put(Key::new("", map.meta.namespace.clone()));
            }
        });
    },
    shape: Shape::Plan(plan),
    resync: Duration::from_secs(600),
    ..Controller::DEFAULT
};

fn plan(key: &Key, view: &View, _: Timestamp) -> Plan {
    let Some(namespace) = view.of::<Namespace>().by_key(key) else { return Plan::done() };
    let object =
        json!({ "metadata": { "namespace": key.name, "name": "motd" }, "data": { "text": "hello" } });
    if view.failure().is_some_and(ApiError::is_forbidden) {
        let regarding = Regarding::object(Namespace::RESOURCE, &namespace.meta);
        return Plan::from(vec![Action::Record(Event::warning(regarding, "Refused", "no motd"))]);
    }
    let action = match view.of::<ConfigMap>().get(&key.name, "motd") {
        None => Action::Create { resource: ConfigMap::RESOURCE, object },
        Some(map) if map.data.get("text").map(String::as_str) != Some("hello") => {
            Action::Update { resource: ConfigMap::RESOURCE, subresource: "", object }
        }
        Some(_) => return Plan::done(),
    };
    Plan::from(vec![action])
}

async fn started(namespaces: &[&str]) -> Harness {
    let mut harness = Harness::new(&[&MOTD]);
    for name in namespaces {
        harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": name } }));
    }
    harness.start();
    harness.settle().await;
    harness
}

fn refused(code: u16, reason: &str) -> ApiError {
    ApiError { code, reason: reason.to_owned(), message: "no".to_owned(), ..ApiError::default() }
}

#[tokio::test]
async fn what_exists_at_the_start_is_looked_at() {
    let harness = started(&["a", "b"]).await;
    let mut writes = harness.api.take_writes();
    writes.sort();
    assert_eq!(writes, ["create configmaps a/motd", "create configmaps b/motd"]);
}

#[tokio::test]
async fn a_change_wakes_the_key_that_it_concerns() {
    let harness = started(&["a", "b"]).await;
    harness.api.take_writes();
    harness.api.put(
        ConfigMap::RESOURCE,
        json!({ "metadata": { "namespace": "a", "name": "motd" }, "data": { "text": "other" } }),
    );
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), ["update configmaps a/motd"]);
    harness.api.user_deletes(ConfigMap::RESOURCE, "b", "motd", &DeleteOptions::default());
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), ["create configmaps b/motd"]);
}

#[tokio::test]
async fn a_key_does_not_run_again_before_its_write_was_seen() {
    let harness = started(&["a"]).await;
    harness.api.take_writes();
    harness.api.user_deletes(ConfigMap::RESOURCE, "a", "motd", &DeleteOptions::default());
    harness.api.hold_watches();
    harness.api.release_watches();
    harness.api.hold_watches();
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), ["create configmaps a/motd"]);
    // The view still lacks the map; a resync wakes the key, which would create it again.
    harness.pass(Duration::from_secs(601)).await;
    assert_eq!(harness.api.take_writes(), Vec::<String>::new());
    harness.api.release_watches();
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_stale_view_leads_to_a_refusal_and_not_to_harm() {
    let harness = started(&["a"]).await;
    harness.api.hold_watches();
    harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "b" } }));
    harness.api.put(ConfigMap::RESOURCE, json!({ "metadata": { "namespace": "b", "name": "motd" } }));
    harness.api.take_writes();
    harness.api.release_watches();
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    let map = harness.api.object(ConfigMap::RESOURCE, "b", "motd").unwrap();
    assert_eq!(map["data"]["text"], "hello");
}

#[tokio::test]
async fn failures_are_retried_with_growing_delays() {
    let mut harness = Harness::new(&[&MOTD]);
    harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "a" } }));
    for _ in 0..3 {
        let error = refused(503, "ServiceUnavailable");
        harness.api.fail(Fault { call: "create configmaps", error, after: false });
    }
    harness.start();
    harness.settle().await;
    for delay in [5, 10, 20] {
        assert_eq!(harness.api.take_writes(), ["create configmaps a/motd"]);
        harness.pass(Duration::from_millis(delay - 1)).await;
        assert_eq!(harness.api.take_writes(), Vec::<String>::new());
        harness.pass(Duration::from_millis(1)).await;
    }
    assert_eq!(harness.api.names(ConfigMap::RESOURCE, "a"), ["motd"]);
}

#[tokio::test]
async fn a_lost_answer_does_not_repeat_the_write() {
    let mut harness = Harness::new(&[&MOTD]);
    harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "a" } }));
    let error = ApiError::unanswered("connection lost");
    harness.api.fail(Fault { call: "create configmaps", error, after: true });
    harness.start();
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    assert_eq!(harness.api.take_writes(), ["create configmaps a/motd"]);
}

#[tokio::test]
async fn a_refusal_comes_back_with_the_next_plan_and_events_are_written() {
    let mut harness = Harness::new(&[&MOTD]);
    harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "a" } }));
    let error = refused(403, "Forbidden");
    harness.api.fail(Fault { call: "create configmaps", error, after: false });
    harness.start();
    harness.settle().await;
    harness.pass(Duration::from_secs(1)).await;
    let names = harness.api.names(EVENTS, "default");
    let event = harness.api.object(EVENTS, "default", &names[0]).unwrap();
    assert_eq!(event["reason"], "Refused");
    assert_eq!(event["involvedObject"]["kind"], "Namespace");
    assert_eq!(event["source"]["component"], "motd-controller");
}

#[tokio::test]
async fn a_restart_picks_up_where_the_last_run_ended() {
    let mut harness = started(&["a"]).await;
    harness.stop();
    harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "b" } }));
    harness.api.user_deletes(ConfigMap::RESOURCE, "a", "motd", &DeleteOptions::default());
    harness.settle().await;
    harness.api.take_writes();
    harness.start();
    harness.settle().await;
    let mut writes = harness.api.take_writes();
    writes.sort();
    assert_eq!(writes, ["create configmaps a/motd", "create configmaps b/motd"]);
}

#[tokio::test]
async fn an_expired_watch_lists_again_and_misses_nothing() {
    let harness = started(&["a"]).await;
    harness.api.take_writes();
    harness.api.hold_watches();
    harness.api.remove(ConfigMap::RESOURCE, "a", "motd");
    harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "b" } }));
    harness.api.expire_watches();
    harness.settle().await;
    let mut writes = harness.api.take_writes();
    writes.sort();
    assert_eq!(writes, ["create configmaps a/motd", "create configmaps b/motd"]);
}

#[tokio::test]
async fn an_object_that_cannot_be_understood_degrades_only_itself() {
    let harness = started(&["a"]).await;
    harness.api.take_writes();
    harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "bad" }, "status": 7 }));
    harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "good" } }));
    harness.settle().await;
    let writes = harness.api.take_writes();
    assert!(writes.contains(&"create configmaps good/motd".to_owned()), "{writes:?}");
    assert_eq!(harness.api.names(ConfigMap::RESOURCE, "bad"), Vec::<String>::new());
    let event = harness.api.names(EVENTS, "default").pop().unwrap();
    assert_eq!(harness.api.object(EVENTS, "default", &event).unwrap()["reason"], "NotUnderstood");
    let mut text = String::new();
    harness.metrics.encode(&mut text);
    assert!(text.contains("pintle_controllers_broken_objects_total{resource=\"namespaces\"} 1"), "{text}");
    assert!(text.contains("workqueue_adds_total{name=\"motd-controller\"}"), "{text}");
    harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "bad" }, "status": {} }));
    harness.settle().await;
    assert_eq!(harness.api.take_writes(), ["create configmaps bad/motd"]);
}
