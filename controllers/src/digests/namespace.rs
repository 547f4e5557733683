//! What controllers look at of a Namespace.

use ecow::EcoString;
use serde::Deserialize;

use crate::api::Resource;
use crate::digest::Digest;

/// A Namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Namespace {
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
    /// Set while the namespace is on its way out.
    pub deletion_timestamp: Option<EcoString>,
}

/// `spec`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// `kubernetes` while the content has not been removed.
    pub finalizers: Vec<EcoString>,
}

/// `status`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// `Active` or `Terminating`.
    pub phase: EcoString,
}

impl Namespace {
    /// Whether it is on its way out.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}

impl Digest for Namespace {
    const RESOURCE: &'static Resource = &Resource::cluster("", "v1", "namespaces", "Namespace");
}
