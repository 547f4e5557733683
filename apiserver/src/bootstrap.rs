//! Bootstrap: the objects that a cluster must hold before its first client comes.
//!
//! Keeps: planned on one view as one transaction that creates what lacks and adds what default roles and
//! bindings lost; what is there and complete is not written, so a restart writes nothing. Nothing is removed.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::admission::{self, Companions};
use crate::authorization::Rule;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::codec;
use crate::identity;
use crate::registry::{Registry, Resource};
use crate::schema;
use crate::storage::{self, View};
use crate::tree::{Map, Node};

mod api_services;
mod config_maps;
mod flow_control;
mod kubernetes_service;
mod rbac;

/// What is written and on which conditions; empty when nothing lacks.
pub fn plan(view: &View, cluster: &Cluster, clock: &dyn Clock) -> Companions {
    let now = clock.now();
    let mut plan = Plan::new(view, cluster, clock, &now);
    plan.namespaces();
    plan.priority_classes();
    config_maps::plan(&mut plan);
    rbac::plan(&mut plan);
    flow_control::plan(&mut plan);
    api_services::plan(&mut plan);
    kubernetes_service::plan(&mut plan);
    identity::introduce(view, cluster, clock, &mut plan.companions);
    plan.companions
}

/// What is written so that the service `kubernetes` is there and exactly these servers are its endpoints.
pub(crate) fn list_servers(
    view: &View,
    cluster: &Cluster,
    clock: &dyn Clock,
    servers: &[SocketAddr],
) -> Companions {
    let now = clock.now();
    let mut plan = Plan::new(view, cluster, clock, &now);
    kubernetes_service::service(&mut plan);
    kubernetes_service::list(&mut plan, servers);
    plan.companions
}

/// What kubelets may do that is not subdivided by node.
pub(crate) fn node_rules() -> Vec<Rule> {
    rbac::node_rules()
}

/// A transaction in the making.
struct Plan<'a> {
    view: &'a View,
    cluster: &'a Cluster,
    clock: &'a dyn Clock,
    now: &'a str,
    companions: Companions,
}

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

const PRIORITY_CLASSES: [(&str, i64, &str); 2] = [
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
];

fn builtin(group: &str, plural: &str) -> &'static Resource {
    Registry::builtin().storage_of(group, plural).expect("the resources of bootstrap are built in")
}

/// The tree of an object that is written down in this crate.
pub(crate) fn tree(resource: &Resource, object: &Value) -> Map {
    codec::json::decode(object.to_string().as_bytes(), schema::builtin(), resource.storage_schema, None)
        .expect("the server's own objects follow the schema")
}

impl<'a> Plan<'a> {
    fn new(view: &'a View, cluster: &'a Cluster, clock: &'a dyn Clock, now: &'a str) -> Plan<'a> {
        Plan { view, cluster, clock, now, companions: Companions::default() }
    }

    fn exists(&self, resource: &Resource, namespace: &str, name: &str) -> bool {
        self.view.entry(resource, namespace, name).is_some()
    }

    /// Creates an object with a uid and a birthday.
    fn create(&mut self, resource: &Resource, mut object: Map) {
        let uid = self.clock.uuid();
        let now = self.now;
        let metadata = object.metadata_mut();
        metadata.set_default("uid", uid);
        metadata.set_default("creationTimestamp", now);
        self.companions.create(resource, &object);
    }

    /// Creates an object unless one of its name exists.
    fn ensure(&mut self, resource: &Resource, object: Map) {
        if !self.exists(resource, object.namespace(), object.name()) {
            self.create(resource, object);
        }
    }

    /// Creates an object, or gives the one that exists these top-level fields.
    fn maintain(&mut self, resource: &Resource, object: Map, fields: &[&'static str]) {
        let Some(entry) = self.view.entry(resource, object.namespace(), object.name()) else {
            return self.create(resource, object);
        };
        let stored = storage::decode(resource, entry);
        let mut wanted = stored.clone();
        for field in fields {
            match object.get(field) {
                Some(value) => wanted.set(*field, value.clone()),
                None => {
                    wanted.remove(field);
                }
            }
        }
        if wanted != stored {
            // Only kinds that count what was asked for have one.
            if let Some(generation) = stored.map("metadata").and_then(|metadata| metadata.int("generation")) {
                wanted.metadata_mut().set("generation", generation + 1);
            }
            self.companions.update(resource, entry, &wanted);
        }
    }

    fn namespaces(&mut self) {
        let namespaces = builtin("", "namespaces");
        for name in NAMESPACES {
            let namespace = json!({
                "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
                "spec": { "finalizers": ["kubernetes"] },
                "status": { "phase": "Active" },
            });
            self.ensure(namespaces, tree(namespaces, &namespace));
            for (resource, object) in admission::namespace_contents(name, self.cluster, self.clock, self.now)
            {
                if resource.group_resource == "configmaps" {
                    self.maintain(resource, object, &["data"]);
                } else {
                    self.ensure(resource, object);
                }
            }
        }
    }

    fn priority_classes(&mut self) {
        let classes = builtin("scheduling.k8s.io", "priorityclasses");
        for (name, value, description) in PRIORITY_CLASSES {
            let class = json!({
                "metadata": { "name": name, "generation": 1 },
                "value": value,
                "description": description,
                "preemptionPolicy": "PreemptLowerPriority",
            });
            self.ensure(classes, tree(classes, &class));
        }
    }
}

/// Sets a label or annotation that is not there; answers whether it was set.
fn add_missing(object: &mut Map, kind: &'static str, key: &'static str, value: &str) -> bool {
    object.metadata_mut().map_mut(kind).set_default(key, Node::from(value))
}

#[cfg(test)]
mod tests;
