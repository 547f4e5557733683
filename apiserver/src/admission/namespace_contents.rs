//! NamespaceContents: a namespace is born with its ServiceAccount `default` and its ConfigMap
//! `kube-root-ca.crt`.
//!
//! Upstream's controllers add both some moments later, and pods that are created in between are refused or hang.
//! Here they commit with the namespace itself. Controllers that come later find them present.

use super::{Attributes, Operation, Plugin, builtin};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::registry::Resource;
use crate::status::Error;
use crate::tree::{Map, Node};

pub(super) struct NamespaceContents;

const ROOT_CA_NOTE: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
                            endpoints such as the internal service IP or kubernetes.default.svc. No other usage is \
                            guaranteed across distributions of Kubernetes clusters.";

impl Plugin for NamespaceContents {
    fn name(&self) -> &'static str {
        "NamespaceContents"
    }

    fn validate(&self, attributes: &mut Attributes<'_>, object: Option<&Map>) -> Result<(), Error> {
        let Some(namespace) = object.filter(|_| attributes.operation == Operation::Create) else {
            return Ok(());
        };
        if !attributes.is_for("namespaces", "") {
            return Ok(());
        }
        for (resource, object) in
            contents(namespace.name(), attributes.cluster, attributes.clock, attributes.now)
        {
            if attributes.view.entry(resource, namespace.name(), object.name()).is_none() {
                attributes.companions.create(resource, &object);
            }
        }
        Ok(())
    }
}

/// The objects of a new namespace, complete, with their resources.
pub(crate) fn contents(
    namespace: &str,
    cluster: &Cluster,
    clock: &dyn Clock,
    now: &str,
) -> [(&'static Resource, Map); 2] {
    let metadata = |name: &str| {
        Map::from([
            ("name", Node::from(name)),
            ("namespace", Node::from(namespace)),
            ("uid", Node::from(clock.uuid())),
            ("creationTimestamp", Node::from(now)),
        ])
    };
    let account = Map::from([("metadata", metadata("default"))]);
    let mut with_note = metadata("kube-root-ca.crt");
    with_note.set("annotations", Map::from([("kubernetes.io/description", ROOT_CA_NOTE)]));
    let root_ca =
        Map::from([("metadata", with_note), ("data", Map::from([("ca.crt", cluster.root_ca.as_str())]))]);
    [(builtin("", "serviceaccounts"), account), (builtin("", "configmaps"), root_ca)]
}
