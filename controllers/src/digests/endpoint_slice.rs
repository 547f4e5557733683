//! What controllers look at of an EndpointSlice: everything, because they write them.

use ecow::EcoString;
use serde::{Deserialize, Serialize};

use super::nullable;
use crate::api::Resource;
use crate::digest::{Digest, Index, Term};

pub use super::endpoints::{Metadata, Target};

/// A slice of a service's endpoints.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// `metadata`
    pub metadata: Metadata,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: EcoString,
    /// The endpoints.
    #[serde(deserialize_with = "nullable")]
    pub endpoints: Vec<Endpoint>,
    /// Ports of all of them.
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<Port>,
}

/// An endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// Its addresses; all but the first are ignored by most.
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<EcoString>,
    /// What it can do.
    pub conditions: Conditions,
    /// Its name below the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<EcoString>,
    /// The object behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<Target>,
    /// The node that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<EcoString>,
    /// The zone that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<EcoString>,
    /// Who should use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hints: Option<Hints>,
}

/// What an endpoint can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Conditions {
    /// New connections are welcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// It answers, even if it is on its way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<bool>,
    /// It is on its way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminating: Option<bool>,
}

/// Who should use an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hints {
    /// Clients in these zones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub for_zones: Vec<Named>,
    /// Clients on these nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub for_nodes: Vec<Named>,
}

/// A zone or node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Named {
    /// Its name.
    pub name: EcoString,
}

/// A port.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    /// The service's name for it.
    pub name: EcoString,
    /// The number; every port without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: EcoString,
    /// What is spoken there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<EcoString>,
}

/// The label that names the service of a slice.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that names who maintains a slice.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

impl EndpointSlice {
    const BY_SERVICE: Index = Index(1);

    /// The term of the slices of a service.
    pub fn service_term(namespace: &str, service: &str) -> Term {
        EndpointSlice::BY_SERVICE.term(&[namespace, service])
    }

    /// The service that it belongs to.
    pub fn service(&self) -> Option<&EcoString> {
        self.metadata.labels.get(SERVICE_NAME).filter(|name| !name.is_empty())
    }

    /// Whether it is this controller's.
    pub fn is_managed_by(&self, controller: &str) -> bool {
        self.metadata.labels.get(MANAGED_BY).is_some_and(|by| by == controller)
    }
}

impl Digest for EndpointSlice {
    const RESOURCE: &'static Resource =
        &Resource::namespaced("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice");

    fn index(&self, put: &mut dyn FnMut(Term)) {
        if let Some(service) = self.service() {
            put(EndpointSlice::service_term(&self.metadata.namespace, service));
        }
    }
}
