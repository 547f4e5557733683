//! What controllers look at of a Service.

use std::collections::BTreeMap;

use ecow::EcoString;
use serde::Deserialize;

use super::Pod;
use crate::api::Resource;
use crate::digest::{Digest, Index, Term};

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// `metadata`
    pub metadata: Metadata,
    /// `spec`
    pub spec: Spec,
}

/// `metadata`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Its namespace, for the index by selector.
    pub namespace: EcoString,
    /// Labels.
    pub labels: BTreeMap<EcoString, EcoString>,
    /// Annotations.
    pub annotations: Annotations,
    /// When it was created.
    pub creation_timestamp: EcoString,
    /// Set while it is on its way out.
    pub deletion_timestamp: Option<EcoString>,
}

/// The annotations that count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Annotations {
    /// `Auto` to divide endpoints among the zones.
    #[serde(rename = "service.kubernetes.io/topology-mode")]
    pub topology_mode: EcoString,
    /// The same under an older name.
    #[serde(rename = "service.kubernetes.io/topology-aware-hints")]
    pub topology_aware_hints: EcoString,
}

/// `spec`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// `ClusterIP`, `ExternalName` …
    #[serde(rename = "type")]
    pub kind: EcoString,
    /// Which pods serve; somebody else says so when it is empty.
    pub selector: BTreeMap<EcoString, EcoString>,
    /// `None` for a headless service.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: EcoString,
    /// `IPv4`, `IPv6` or both, the main one first.
    pub ip_families: Vec<EcoString>,
    /// Ports.
    pub ports: Vec<Port>,
    /// Pods count as ready whatever they say.
    pub publish_not_ready_addresses: bool,
    /// `PreferSameZone`, `PreferSameNode` …; anything when it is empty.
    pub traffic_distribution: EcoString,
}

/// A port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    /// Its name; may be empty when it is the only one.
    pub name: EcoString,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: EcoString,
    /// The number at the service.
    pub port: u16,
    /// The pods' port.
    pub target_port: TargetPort,
    /// What is spoken there.
    pub app_protocol: Option<EcoString>,
}

/// A port of pods, by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TargetPort {
    /// The number.
    Number(u16),
    /// The name that each pod gives to one of its ports.
    Name(EcoString),
}

impl Default for TargetPort {
    fn default() -> TargetPort {
        TargetPort::Number(0)
    }
}

impl Service {
    const DIVIDED: Index = Index(1);

    /// The term of the services whose endpoints are divided among the zones.
    pub fn divided_term() -> Term {
        Service::DIVIDED.term(&[])
    }

    /// Whether its endpoints are to be divided among the zones.
    pub fn divides_by_topology(&self) -> bool {
        let annotations = &self.metadata.annotations;
        let modes = [&annotations.topology_aware_hints, &annotations.topology_mode];
        let mode = modes.into_iter().find(|mode| !mode.is_empty());
        mode.is_some_and(|mode| mode == "Auto" || mode == "auto")
    }

    /// Whether it has no address of its own.
    pub fn is_headless(&self) -> bool {
        matches!(self.spec.cluster_ip.as_str(), "None" | "")
    }

    /// Whether controllers find its endpoints by its selector.
    pub fn selects_pods(&self) -> bool {
        !self.spec.selector.is_empty() && self.spec.kind != "ExternalName"
    }

    /// Whether a pod with these labels serves.
    pub fn selects(&self, labels: &BTreeMap<EcoString, EcoString>) -> bool {
        !self.spec.selector.is_empty()
            && self.spec.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl Digest for Service {
    const RESOURCE: &'static Resource = &Resource::namespaced("", "v1", "services", "Service");

    /// A service is found under a term of the pods that it selects: that of its selector's first label.
    fn index(&self, put: &mut dyn FnMut(Term)) {
        if let Some((key, value)) = self.spec.selector.first_key_value() {
            put(Pod::label_term(&self.metadata.namespace, key, value));
        }
        if self.divides_by_topology() {
            put(Service::divided_term());
        }
    }
}
