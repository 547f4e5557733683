//! system-namespaces: the namespaces that every cluster has come back when somebody deletes them.
//!
//! A cluster is born with them, and the server makes sure of them when it starts; what is restored here is one that went
//! meanwhile. Only `kube-node-lease` may be deleted by way of the API.

use jiff::Timestamp;
use serde_json::json;

use crate::digest::Digest as _;
use crate::digests::Namespace;
use crate::{Action, Controller, Key, Plan, Shape, View};

const SYSTEM: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "system-namespaces-controller",
    watches: |watches| {
        // Every namespace asks for those that lack: one that went while nobody watched is no change of its own.
        watches.watch::<Namespace>(|_, view, put| {
            let namespaces = view.of::<Namespace>();
            let lacking = SYSTEM.iter().filter(|name| namespaces.get("", name).is_none());
            lacking.for_each(|name| put(Key::new("", *name)));
        });
    },
    shape: Shape::Plan(plan),
    rules: &["create core:namespaces"],
    workers: 1,
    ..Controller::DEFAULT
};

fn plan(key: &Key, view: &View, _: Timestamp) -> Plan {
    if view.of::<Namespace>().by_key(key).is_some() {
        return Plan::done();
    }
    let object = json!({ "metadata": { "name": key.name } });
    Plan::from(vec![Action::Create { resource: Namespace::RESOURCE, object }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::DeleteOptions;
    use crate::fake::{Fault, Harness};

    #[tokio::test]
    async fn a_system_namespace_that_went_comes_back() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        for name in ["default", "kube-system", "kube-public", "team"] {
            harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": name } }));
        }
        harness.start();
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), ["create namespaces kube-node-lease"]);
        for name in ["team", "kube-node-lease"] {
            harness.api.user_deletes(Namespace::RESOURCE, "", name, &DeleteOptions::default());
        }
        harness.settle().await;
        assert_eq!(harness.api.take_writes(), ["create namespaces kube-node-lease"]);
    }

    #[tokio::test]
    async fn a_lost_answer_and_a_restart_make_no_second_namespace() {
        let mut harness = Harness::new(&[&CONTROLLER]);
        harness.api.fail(Fault::lost_answer("create namespaces"));
        for name in ["default", "kube-system", "kube-public"] {
            harness.api.put(Namespace::RESOURCE, json!({ "metadata": { "name": name } }));
        }
        harness.start();
        harness.settle().await;
        let first = harness.api.object(Namespace::RESOURCE, "", "kube-node-lease").unwrap();
        harness.start();
        harness.pass(std::time::Duration::from_secs(60)).await;
        assert_eq!(harness.api.object(Namespace::RESOURCE, "", "kube-node-lease").unwrap(), first);
    }
}
