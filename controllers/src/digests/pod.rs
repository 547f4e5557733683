//! What controllers look at of a Pod.

use std::collections::BTreeMap;

use ecow::EcoString;
use serde::Deserialize;

use crate::api::Resource;
use crate::digest::{Digest, Index, Term};

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
    /// Its namespace, for the index by labels.
    pub namespace: EcoString,
    /// Labels.
    pub labels: BTreeMap<EcoString, EcoString>,
    /// When it was created.
    pub creation_timestamp: EcoString,
    /// Set while the pod is on its way out.
    pub deletion_timestamp: Option<EcoString>,
    /// How long it was given to end; 0 when its kubelet is done with it.
    pub deletion_grace_period_seconds: Option<i64>,
}

/// `spec`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Empty while it is not scheduled.
    pub node_name: EcoString,
    /// Its name within `subdomain`.
    pub hostname: EcoString,
    /// The headless service that its name belongs to.
    pub subdomain: EcoString,
    /// Its containers.
    pub containers: Vec<Container>,
    /// Containers that run before or, with `restartPolicy: Always`, beside them.
    pub init_containers: Vec<Container>,
    /// Those of its volumes that are claims.
    #[serde(rename = "volumes", deserialize_with = "claims")]
    pub claims: Vec<Claim>,
}

/// A volume that is a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A claim of this name.
    Named(EcoString),
    /// The claim that is made for the volume of this name.
    Ephemeral(EcoString),
}

fn claims<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Claim>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Volume {
        #[serde(default)]
        name: EcoString,
        persistent_volume_claim: Option<Source>,
        ephemeral: Option<serde::de::IgnoredAny>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Source {
        #[serde(default)]
        claim_name: EcoString,
    }
    let volumes: Vec<Volume> = super::nullable(deserializer)?;
    let claim = |volume: Volume| match (volume.persistent_volume_claim, volume.ephemeral) {
        (Some(source), _) => Some(Claim::Named(source.claim_name)),
        (None, Some(_)) => Some(Claim::Ephemeral(volume.name)),
        (None, None) => None,
    };
    Ok(volumes.into_iter().filter_map(claim).collect())
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Ports that services may name.
    pub ports: Vec<ContainerPort>,
    /// `Always` for an init container that goes on.
    pub restart_policy: EcoString,
}

/// A port of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Its name; may be empty.
    pub name: EcoString,
    /// Its number.
    pub container_port: u16,
    /// `TCP`, `UDP` or `SCTP`; TCP when empty.
    pub protocol: EcoString,
}

/// `status`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// `Pending`, `Running`, `Succeeded`, `Failed`
    pub phase: EcoString,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Its main address; empty while it has none.
    #[serde(rename = "podIP")]
    pub pod_ip: EcoString,
    /// One address per family.
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
}

/// An address of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PodIp {
    /// The address.
    pub ip: EcoString,
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
    const BY_NODE: Index = Index(1);
    const BY_LABEL: Index = Index(2);

    /// Whether it is on its way out.
    pub fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether its kubelet is done with it, or nobody waits for that.
    pub fn is_shut_down(&self) -> bool {
        self.is_terminating() && self.metadata.deletion_grace_period_seconds == Some(0)
    }

    /// The term of the pods that are bound to a node.
    pub fn node_term(node: &str) -> Term {
        Pod::BY_NODE.term(&[node])
    }

    /// The term of the pods of a namespace that have a label.
    pub fn label_term(namespace: &str, key: &str, value: &str) -> Term {
        Pod::BY_LABEL.term(&[namespace, key, value])
    }

    /// Its condition of a type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Whether it can serve.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|ready| ready.status == "True")
    }

    /// The names of the claims that the pod `name` uses, and whether each was made for it.
    pub fn claim_names(&self, name: &str) -> impl Iterator<Item = (EcoString, bool)> {
        self.spec.claims.iter().map(move |claim| match claim {
            Claim::Named(claim) => (claim.clone(), false),
            Claim::Ephemeral(volume) => (ecow::eco_format!("{name}-{volume}"), true),
        })
    }

    /// Its addresses, the main one first.
    pub fn addresses(&self) -> impl Iterator<Item = &EcoString> {
        let main = self.status.pod_ips.is_empty().then_some(&self.status.pod_ip);
        let all = self.status.pod_ips.iter().map(|address| &address.ip);
        main.into_iter().chain(all).filter(|address| !address.is_empty())
    }

    /// Whether its containers have ended for good.
    pub fn is_terminated(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }
}

impl Digest for Pod {
    const RESOURCE: &'static Resource = &Resource::namespaced("", "v1", "pods", "Pod");

    fn index(&self, put: &mut dyn FnMut(Term)) {
        if !self.spec.node_name.is_empty() {
            put(Pod::node_term(&self.spec.node_name));
        }
        for (key, value) in &self.metadata.labels {
            put(Pod::label_term(&self.metadata.namespace, key, value));
        }
    }
}
