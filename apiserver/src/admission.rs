//! Admission: what the cluster has to say about a write: plug-ins in their order, and webhooks among them.
//!
//! Keeps: plug-ins are synchronous and run inside the write loop, again on every retry, on a consistent view;
//! what they reserve elsewhere (a cluster IP, a quota's usage) commits in the write's own transaction. Only webhooks
//! are waited for.

use crate::audit::Recording;
use crate::authorization::Authorizer;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::registry::{Registry, Resource};
use crate::status::Error;
use crate::storage::{self, Compare, Entry, Key, NewValue, Op, Txn, View};
use crate::tree::Map;
use crate::user::User;
use crate::warning::Warnings;

pub(crate) mod conditions;
pub(crate) mod matching;
pub mod policies;
pub(crate) mod subject;
pub mod webhooks;

mod certificate_approval;
mod certificate_subject_restriction;
mod cluster_role_aggregation;
mod cluster_trust_bundle_attest;
mod custom_resource_lifecycle;
mod default_ingress_class;
mod default_storage_class;
mod default_toleration_seconds;
mod limit_ranger;
mod namespace_contents;
mod namespace_lifecycle;
mod node_restriction;
mod persistent_volume_claim_resize;
mod pod_security;
mod pod_topology_labels;
mod pod_usage;
mod priority;
mod resource_quota;
mod role_escalation;
mod runtime_class;
mod service_account;
mod service_account_token;
mod service_allocation;
mod storage_object_in_use_protection;
mod taint_nodes_by_condition;

pub(crate) use namespace_contents::contents as namespace_contents;
pub(crate) use service_allocation::address_object;

/// The plug-ins that run before webhooks are asked, in upstream's order.
pub static PLUGINS: &[&dyn Plugin] = &[
    &namespace_lifecycle::NamespaceLifecycle,
    &custom_resource_lifecycle::CustomResourceLifecycle,
    &limit_ranger::LimitRanger,
    &service_account::ServiceAccount,
    &node_restriction::NodeRestriction,
    &taint_nodes_by_condition::TaintNodesByCondition,
    &pod_security::PodSecurity,
    &priority::Priority,
    &default_toleration_seconds::DefaultTolerationSeconds,
    &default_storage_class::DefaultStorageClass,
    &storage_object_in_use_protection::StorageObjectInUseProtection,
    &persistent_volume_claim_resize::PersistentVolumeClaimResize,
    &runtime_class::RuntimeClass,
    &certificate_approval::CertificateApproval,
    &cluster_trust_bundle_attest::ClusterTrustBundleAttest,
    &certificate_subject_restriction::CertificateSubjectRestriction,
    &default_ingress_class::DefaultIngressClass,
    &pod_topology_labels::PodTopologyLabels,
];

/// The plug-ins that run after webhooks: for what upstream does in a kind's storage (escalation checks, allocation) or
/// in a controller that would race, and quotas, which count what everybody else let through.
pub static LAST_PLUGINS: &[&dyn Plugin] = &[
    &role_escalation::RoleEscalation,
    &cluster_role_aggregation::ClusterRoleAggregation,
    &namespace_contents::NamespaceContents,
    &service_account_token::ServiceAccountToken,
    &service_allocation::ServiceAllocation,
    &resource_quota::ResourceQuota,
];

/// What a request does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change, also of a subresource.
    Update,
    /// A removal, or the start of one.
    Delete,
    /// A connection to an object (exec, proxy).
    Connect,
}

/// A request as plug-ins see it.
pub struct Attributes<'a> {
    /// What is done.
    pub operation: Operation,
    /// To which resource.
    pub resource: &'a Resource,
    /// `status`, `scale` …; empty for the object itself.
    pub subresource: &'a str,
    /// Namespace; empty at cluster scope.
    pub namespace: &'a str,
    /// Name; empty when it is about to be generated.
    pub name: &'a str,
    /// By whom.
    pub user: &'a User,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// Now, canonical.
    pub now: &'a str,
    /// The stored object, for updates and deletes.
    pub old: Option<&'a Map>,
    /// The object is gone once this commits: a delete that waits for no finalizer, or the update that removes
    /// the last one of an object that is being deleted. What the object holds elsewhere is released then.
    pub removes: bool,
    /// Everything stored, at one revision.
    pub view: &'a View,
    /// Who may do what, for plug-ins that ask for more than the request's own verb.
    pub authorizer: &'a Authorizer,
    /// The cluster's settings.
    pub cluster: &'a Cluster,
    /// Randomness; the time of the write is `now`.
    pub clock: &'a dyn Clock,
    /// Warnings for the client.
    pub warnings: &'a mut Warnings,
    /// What else the transaction compares and writes.
    pub companions: &'a mut Companions,
    /// What is recorded of the request, if anything is.
    pub recording: Option<&'a Recording>,
}

impl Attributes<'_> {
    /// Whether the request is for `subresource` (or for the object itself) of a resource like `deployments.apps`.
    pub fn is_for(&self, group_resource: &str, subresource: &str) -> bool {
        self.subresource == subresource && self.resource.group_resource == group_resource
    }

    /// Whether an object of such a resource is about to be created.
    pub fn creates(&self, group_resource: &str) -> bool {
        self.operation == Operation::Create && self.is_for(group_resource, "")
    }

    /// 403 about the object, which may not have its name yet.
    pub fn forbidden(&self, object: Option<&Map>, cause: impl Into<String>) -> Error {
        let generated = object.map_or("", |object| object.str_at(&["metadata", "generateName"]));
        let own = object.map_or("", Map::name);
        let name = [self.name, own, generated].into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown");
        Error::forbidden(self.resource.group_resource.as_str(), name, cause)
    }
}

/// A built-in resource that a plug-in looks at, in its storage version.
fn builtin(group: &str, plural: &str) -> &'static Resource {
    Registry::builtin().storage_of(group, plural).expect("the plug-ins' resources are built in")
}

/// Whether stored bytes hold `text`: tells cheaply which entries are worth decoding.
fn mentions(entry: &Entry, text: &str) -> bool {
    memchr::memmem::find(entry.bytes(), text.as_bytes()).is_some()
}

/// A plug-in. `object` is the tree of the storage version; on delete and connect there is none.
pub trait Plugin: Send + Sync {
    /// Upstream's name of the plug-in (`ServiceAccount`).
    fn name(&self) -> &'static str;

    /// Changes or refuses the object.
    fn admit(&self, _: &mut Attributes<'_>, _: &mut Map) -> Result<(), Error> {
        Ok(())
    }

    /// Refuses the object as it will be stored, after validation; may add companions.
    fn validate(&self, _: &mut Attributes<'_>, _: Option<&Map>) -> Result<(), Error> {
        Ok(())
    }
}

/// Compares and writes that commit together with the request's own.
#[derive(Debug, Default)]
pub struct Companions {
    /// What else must hold.
    pub compares: Vec<Compare>,
    /// What else is written.
    pub ops: Vec<Op>,
}

impl Companions {
    /// The transaction that commits them, behind what a request itself compares and writes.
    pub fn transaction(self, own: Option<(Compare, Op)>, fence: Option<u64>) -> Txn {
        let (compare, op) = own.unzip();
        Txn {
            fence,
            compares: compare.into_iter().chain(self.compares).collect(),
            ops: op.into_iter().chain(self.ops).collect(),
        }
    }

    /// The entry must still be as it was read.
    pub fn unchanged(&mut self, entry: &Entry) {
        self.compares.push(Compare::Modified(entry.key.clone(), entry.modified));
    }

    /// Creates an object of another resource; the write fails and runs again when it exists by then.
    pub fn create(&mut self, resource: &Resource, object: &Map) {
        let key = Key::new(resource.key(object.namespace(), object.name()));
        self.compares.push(Compare::Absent(key.clone()));
        self.ops.push(Op::Put { key, value: storage::encode(resource, object) });
    }

    /// Reserves a bare key (a node port), holding a few bytes.
    pub fn reserve(&mut self, key: Key, value: NewValue) {
        self.compares.push(Compare::Absent(key.clone()));
        self.ops.push(Op::Put { key, value });
    }

    /// Replaces an object that was read as `entry`.
    pub fn update(&mut self, resource: &Resource, entry: &Entry, object: &Map) {
        self.unchanged(entry);
        self.ops.push(Op::Put { key: entry.key.clone(), value: storage::encode(resource, object) });
    }

    /// Removes what was read as `entry`.
    pub fn delete(&mut self, entry: &Entry) {
        self.unchanged(entry);
        self.ops.push(Op::Delete { key: entry.key.clone() });
    }
}

#[cfg(test)]
mod tests;
