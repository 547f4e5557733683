//! What controllers look at of a CustomResourceDefinition.

use std::collections::BTreeMap;

use ecow::EcoString;
use serde::{Deserialize, Serialize};

use super::nullable;
use crate::api::Resource;
use crate::digest::{Digest, Index, Term};

/// A CustomResourceDefinition.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CustomResourceDefinition {
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
    /// Set while the definition is on its way out.
    pub deletion_timestamp: Option<EcoString>,
    /// What holds it.
    pub finalizers: Vec<EcoString>,
    /// Annotations.
    #[serde(deserialize_with = "nullable")]
    pub annotations: BTreeMap<EcoString, EcoString>,
}

/// `spec`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// API group.
    pub group: EcoString,
    /// `Namespaced` or `Cluster`.
    pub scope: EcoString,
    /// The names that are asked for.
    pub names: Names,
    /// The versions.
    pub versions: Vec<Version>,
}

/// A version.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Version {
    /// `v1`
    pub name: EcoString,
    /// Clients can use it.
    pub served: bool,
    /// Objects are stored in it.
    pub storage: bool,
}

/// The names of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Names {
    /// `widgets`
    pub plural: EcoString,
    /// `widget`
    #[serde(skip_serializing_if = "EcoString::is_empty")]
    pub singular: EcoString,
    /// Abbreviations.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub short_names: Vec<EcoString>,
    /// `Widget`
    pub kind: EcoString,
    /// `WidgetList`
    #[serde(skip_serializing_if = "EcoString::is_empty")]
    pub list_kind: EcoString,
    /// `all` …
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<EcoString>,
}

/// `status`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// What is known of it.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
    /// The names that it has.
    pub accepted_names: Names,
}

/// A condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// `Established` …
    #[serde(rename = "type")]
    pub kind: EcoString,
    /// `True`, `False` or `Unknown`.
    pub status: EcoString,
    /// Since when.
    pub last_transition_time: EcoString,
    /// In one word.
    pub reason: EcoString,
    /// For people.
    pub message: EcoString,
}

impl CustomResourceDefinition {
    /// The definitions of one group.
    pub const BY_GROUP: Index = Index(0);

    /// Whether it is on its way out.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether a condition is true.
    pub fn is(&self, condition: &str) -> bool {
        self.status.conditions.iter().any(|it| it.kind == condition && it.status == "True")
    }
}

impl Digest for CustomResourceDefinition {
    const RESOURCE: &'static Resource = &Resource::cluster(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
    );

    fn index(&self, put: &mut dyn FnMut(Term)) {
        put(CustomResourceDefinition::BY_GROUP.term(&[&self.spec.group]));
    }
}

/// Sets a condition; its time changes with its status. Answers whether something changed.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) -> bool {
    let mut condition = Condition {
        kind: kind.into(),
        status: status.into(),
        last_transition_time: now.into(),
        reason: reason.into(),
        message: message.into(),
    };
    let Some(present) = conditions.iter_mut().find(|it| it.kind == kind) else {
        conditions.push(condition);
        return true;
    };
    if present.status == condition.status {
        condition.last_transition_time = present.last_transition_time.clone();
    }
    let changed = *present != condition;
    *present = condition;
    changed
}
