//! What controllers look at of a Node.

use std::collections::BTreeMap;

use ecow::EcoString;
use serde::Deserialize;

use crate::api::Resource;
use crate::digest::Digest;

/// A Node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Node {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec`
    pub spec: Spec,
    /// `status`
    pub status: Status,
}

/// `metadata`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Labels: zone, hostname …
    pub labels: BTreeMap<EcoString, EcoString>,
}

/// `spec`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// Taints.
    pub taints: Vec<Taint>,
}

/// `status`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// What pods may use.
    pub allocatable: Allocatable,
}

/// What pods may use of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Allocatable {
    /// Processors, as a quantity.
    pub cpu: EcoString,
}

/// A condition of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// `Ready` …
    #[serde(rename = "type")]
    pub kind: EcoString,
    /// `True`, `False` or `Unknown`.
    pub status: EcoString,
}

/// A taint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Taint {
    /// Key.
    pub key: EcoString,
    /// Value.
    pub value: EcoString,
    /// `NoSchedule`, `NoExecute` …
    pub effect: EcoString,
}

impl Node {
    /// Whether the kubelet says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|it| it.kind == "Ready" && it.status == "True")
    }
}

impl Digest for Node {
    const RESOURCE: &'static Resource = &Resource::cluster("", "v1", "nodes", "Node");
}
