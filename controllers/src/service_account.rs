//! service-account: every namespace has its ServiceAccount `default`.
//!
//! A new namespace is born with it; what is restored here is one that somebody deleted.

use jiff::Timestamp;
use serde_json::json;

use crate::digest::Digest as _;
use crate::digests::{Namespace, ServiceAccount};
use crate::{Action, Controller, Key, Plan, Shape, View};

const DEFAULT: &str = "default";

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "service-account-controller",
    watches: |watches| {
        watches.primary::<Namespace>();
        watches.watch::<ServiceAccount>(|change, _, put| {
            if let Some(gone) = change.old.filter(|it| change.new.is_none() && it.meta.name == DEFAULT) {
                put(Key::new("", gone.meta.namespace.clone()));
            }
        });
    },
    shape: Shape::Plan(plan),
    ..Controller::DEFAULT
};

fn plan(key: &Key, view: &View, _: Timestamp) -> Plan {
    let Some(namespace) = view.of::<Namespace>().by_key(key) else { return Plan::done() };
    if namespace.is_terminating() || view.of::<ServiceAccount>().get(&key.name, DEFAULT).is_some() {
        return Plan::done();
    }
    if view.failure().is_some_and(|failure| failure.is_namespace_terminating()) {
        return Plan::done();
    }
    let object = json!({ "metadata": { "namespace": key.name, "name": DEFAULT } });
    Plan::from(vec![Action::Create { resource: ServiceAccount::RESOURCE, object }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::DeleteOptions;
    use crate::fake::{Fault, Harness};

    #[tokio::test]
    async fn a_deleted_default_account_comes_back_unless_its_namespace_goes() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        let namespace = |name: &str, deletion: Option<&str>| json!({ "metadata": { "name": name, "deletionTimestamp": deletion, "finalizers": ["x/y"] } });
        harness.api.put(Namespace::RESOURCE, namespace("a", None));
        harness.api.put(Namespace::RESOURCE, namespace("b", Some("2026-01-01T00:00:00Z")));
        let account = json!({ "metadata": { "namespace": "a", "name": "bot" } });
        harness.api.put(ServiceAccount::RESOURCE, account);
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), ["create serviceaccounts a/default"]);
        let delete = |name: &str| {
            harness.api.user_deletes(ServiceAccount::RESOURCE, "a", name, &DeleteOptions::default());
        };
        delete("default");
        delete("bot");
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), ["create serviceaccounts a/default"]);
    }

    #[tokio::test]
    async fn an_account_that_exists_behind_a_stale_view_is_left_alone() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.start();
        harness.settle().await;
        harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "a" } }));
        let account = json!({ "metadata": { "namespace": "a", "name": DEFAULT } });
        let first = harness.api.put(ServiceAccount::RESOURCE, account);
        harness.settle().await;
        harness.pass(std::time::Duration::from_secs(60)).await;
        let stored = harness.api.object(ServiceAccount::RESOURCE, "a", DEFAULT).unwrap();
        assert_eq!(stored["metadata"]["uid"], first["metadata"]["uid"]);
    }

    #[tokio::test]
    async fn a_lost_answer_and_a_restart_make_no_second_account() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.api.fail(Fault::lost_answer("create serviceaccounts"));
        harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "a" } }));
        harness.start();
        harness.settle().await;
        let first = harness.api.object(ServiceAccount::RESOURCE, "a", DEFAULT).unwrap();
        harness.start();
        harness.pass(std::time::Duration::from_secs(60)).await;
        assert_eq!(harness.api.object(ServiceAccount::RESOURCE, "a", DEFAULT).unwrap(), first);
    }

    #[tokio::test]
    async fn a_namespace_recreated_under_its_name_has_an_account_of_its_own() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "a" } }));
        harness.start();
        harness.settle().await;
        harness.api.remove(ServiceAccount::RESOURCE, "a", DEFAULT);
        harness.api.remove(Namespace::RESOURCE, "", "a");
        harness.settle().await;
        harness.api.take_writes();
        harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": "a" } }));
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), ["create serviceaccounts a/default"]);
    }
}
