//! What controllers look at of Endpoints: everything, because they write them.

use std::collections::BTreeMap;

use ecow::EcoString;
use serde::{Deserialize, Serialize};

use super::nullable;
use crate::api::Resource;
use crate::digest::Digest;

/// Endpoints of a service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    /// `metadata`
    pub metadata: Metadata,
    /// `subsets`
    #[serde(deserialize_with = "nullable")]
    pub subsets: Vec<Subset>,
}

/// `metadata`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Its namespace, for indexes.
    #[serde(skip_serializing)]
    pub namespace: EcoString,
    /// Labels.
    pub labels: BTreeMap<EcoString, EcoString>,
    /// Annotations.
    pub annotations: BTreeMap<EcoString, EcoString>,
    /// Owners.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<serde_json::Value>,
    /// What holds it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<EcoString>,
    /// What its name was made from.
    #[serde(skip_serializing_if = "EcoString::is_empty")]
    pub generate_name: EcoString,
    /// Set while it is on its way out.
    #[serde(skip_serializing)]
    pub deletion_timestamp: Option<EcoString>,
}

/// Addresses that have all their ports in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subset {
    /// Ready addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Addresses that are not ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_ready_addresses: Vec<Address>,
    /// Ports of all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
}

/// An address.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Address {
    /// The address itself.
    pub ip: EcoString,
    /// Its name below the service's.
    #[serde(skip_serializing_if = "EcoString::is_empty")]
    pub hostname: EcoString,
    /// The node that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<EcoString>,
    /// What has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<Target>,
}

/// The object behind an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// `Pod`
    #[serde(skip_serializing_if = "EcoString::is_empty")]
    pub kind: EcoString,
    /// Its namespace.
    #[serde(skip_serializing_if = "EcoString::is_empty")]
    pub namespace: EcoString,
    /// Its name.
    #[serde(skip_serializing_if = "EcoString::is_empty")]
    pub name: EcoString,
    /// Its uid.
    #[serde(skip_serializing_if = "EcoString::is_empty")]
    pub uid: EcoString,
}

/// A port.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    /// The service's name for it.
    #[serde(skip_serializing_if = "EcoString::is_empty")]
    pub name: EcoString,
    /// The number.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: EcoString,
    /// What is spoken there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<EcoString>,
}

impl Digest for Endpoints {
    const RESOURCE: &'static Resource = &Resource::namespaced("", "v1", "endpoints", "Endpoints");
}
