//! What controllers look at of a Pod.

use std::collections::BTreeMap;

use ecow::EcoString;
use serde::Deserialize;

use crate::api::Resource;
use crate::digest::{Digest, Index};

/// A Pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec`
    pub spec: Spec,
    /// `status`
    pub status: Status,
}

/// `metadata`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Labels.
    pub labels: BTreeMap<EcoString, EcoString>,
    /// When it was created.
    pub creation_timestamp: EcoString,
    /// Set while the pod is on its way out.
    pub deletion_timestamp: Option<EcoString>,
}

/// `spec`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Empty while it is not scheduled.
    pub node_name: EcoString,
}

/// `status`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// `Pending`, `Running`, `Succeeded`, `Failed`
    pub phase: EcoString,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// A condition of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// `Ready` …
    #[serde(rename = "type")]
    pub kind: EcoString,
    /// `True`, `False` or `Unknown`.
    pub status: EcoString,
    /// When the status changed last.
    pub last_transition_time: EcoString,
}

impl Pod {
    /// Pods by the node that they are bound to.
    pub const BY_NODE: Index = Index(1);

    /// Whether it is on its way out.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether its containers have ended for good.
    pub fn is_terminated(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }
}

impl Digest for Pod {
    const RESOURCE: &'static Resource = &Resource::namespaced("", "v1", "pods", "Pod");

    fn index(&self, put: &mut dyn FnMut(Index, &str)) {
        if !self.spec.node_name.is_empty() {
            put(Pod::BY_NODE, &self.spec.node_name);
        }
    }
}
