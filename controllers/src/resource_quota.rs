//! resourcequota: every quota says what is used of it.
//!
//! Admission keeps `status.used` in the transactions of the writes that change it. Here a quota gets its first status,
//! another one when its spec changes, and now and then a count from scratch. The API server counts, from one state,
//! whenever the status is written, because only there are all objects of a namespace at hand.

use std::collections::BTreeMap;
use std::time::Duration;

use ecow::EcoString;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::Resource;
use crate::digest::Digest;
use crate::{Action, Controller, Key, Plan, Shape, View};

/// As upstream.
const RECOUNT: Duration = Duration::from_secs(5 * 60);

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "resourcequota-controller",
    watches: |watches| {
        watches.watch::<Quota>(|change, _, put| {
            if let Some(quota) = change.new.filter(|it| change.old.is_none() || !it.is_counted()) {
                put(Key::from(&quota.meta));
            }
        });
    },
    shape: Shape::Plan(plan),
    ..Controller::DEFAULT
};

/// A ResourceQuota.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Quota {
    metadata: Metadata,
    spec: Amounts,
    status: Amounts,
}

/// What an update would take away if it did not bring it along.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    labels: Value,
    annotations: Value,
    finalizers: Value,
    owner_references: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Amounts {
    hard: BTreeMap<EcoString, Value>,
    used: BTreeMap<EcoString, Value>,
}

impl Digest for Quota {
    const RESOURCE: &'static Resource = &Resource::namespaced("", "v1", "resourcequotas", "ResourceQuota");
}

impl Quota {
    fn is_counted(&self) -> bool {
        self.status.hard == self.spec.hard
            && self.spec.hard.keys().all(|key| self.status.used.contains_key(key))
    }
}

/// A run is a count: the change of a quota that is counted wakes nobody, or every pod would have all of them counted.
fn plan(key: &Key, view: &View, _: Timestamp) -> Plan {
    let Some(quota) = view.of::<Quota>().by_key(key) else { return Plan::done() };
    // What else stands in metadata is written with a status, and must be what it was.
    let mut metadata = json!(quota.metadata);
    metadata["namespace"] = json!(key.namespace);
    metadata["name"] = json!(key.name);
    metadata["resourceVersion"] = json!(quota.meta.version.to_string());
    let object = json!({
        "metadata": metadata,
        "status": { "hard": quota.spec.hard, "used": quota.status.used },
    });
    let count = Action::Update { resource: Quota::RESOURCE, subresource: "status", object };
    Plan { actions: vec![count], requeue_after: Some(RECOUNT) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fault, Harness};

    #[tokio::test]
    async fn new_and_changed_quotas_are_counted_at_once_and_all_of_them_from_time_to_time() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        let quota = |harness: &Harness, pods: &str, status: Value| {
            let object = json!({
                "metadata": { "namespace": "a", "name": "q" },
                "spec": { "hard": { "pods": pods } },
                "status": status,
            });
            harness.api.put(Quota::RESOURCE, object);
        };
        quota(&harness, "2", json!({ "used": { "pods": "0" } }));
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), ["update resourcequotas/status a/q"]);
        quota(&harness, "2", json!({ "hard": { "pods": "2" }, "used": { "pods": "1" } }));
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), Vec::<String>::new());
        quota(&harness, "3", json!({ "hard": { "pods": "2" }, "used": { "pods": "1" } }));
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), ["update resourcequotas/status a/q"]);
        quota(&harness, "3", json!({ "hard": { "pods": "3" }, "used": { "pods": "1" } }));
        harness.settle().await;
        harness.api.take_writes();
        harness.pass(RECOUNT).await;
        assert_eq!(harness.api.take_writes(), ["update resourcequotas/status a/q"]);
    }

    #[tokio::test]
    async fn a_quota_that_is_counted_keeps_its_metadata() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        let metadata = json!({
            "namespace": "a", "name": "q", "labels": { "a": "b" }, "annotations": { "c": "d" },
            "finalizers": ["example.com/hold"],
            "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u" }],
        });
        let quota = json!({ "metadata": metadata, "spec": { "hard": { "pods": "2" } } });
        harness.api.put(Quota::RESOURCE, quota);
        harness.start();
        harness.settle().await;
        let counted = harness.api.object(Quota::RESOURCE, "a", "q").unwrap();
        assert_eq!(counted["status"]["hard"], json!({ "pods": "2" }));
        for (field, value) in metadata.as_object().unwrap() {
            assert_eq!(&counted["metadata"][field], value);
        }
    }

    #[tokio::test]
    async fn a_conflict_and_a_restart_end_the_same_and_one_made_anew_is_counted_anew() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.api.fail(Fault::conflict("update resourcequotas/status"));
        let quota =
            json!({ "metadata": { "namespace": "a", "name": "q" }, "spec": { "hard": { "pods": "2" } } });
        harness.api.put(Quota::RESOURCE, quota.clone());
        harness.start();
        harness.settle().await;
        harness.start();
        harness.pass(Duration::from_secs(1)).await;
        let hard = |harness: &Harness| {
            harness.api.object(Quota::RESOURCE, "a", "q").unwrap()["status"]["hard"].clone()
        };
        assert_eq!(hard(&harness), json!({ "pods": "2" }));
        harness.api.remove(Quota::RESOURCE, "a", "q");
        harness.settle().await;
        harness.api.put(Quota::RESOURCE, quota);
        harness.settle().await;
        assert_eq!(hard(&harness), json!({ "pods": "2" }));
    }
}
