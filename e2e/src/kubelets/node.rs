//! A simulated node: its Node object, its Lease, and the addresses that it gives to pods.
//! Keeps: every node and every pod of a cluster has addresses of its own, and a pod keeps its own.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Options,
    api::{Api, refused},
};
use crate::load::{Result, clock};

/// Pods of a node have 100.64.0.0/10, the range that carriers share among their customers, in parts of a /22.
const POD_NETWORK: u32 = 0x6440_0000;
const POD_BITS: u32 = 10;
/// Pods that a node has addresses for.
const PODS_MAX: u32 = (1 << POD_BITS) - 2;
/// Nodes that there are addresses for.
pub const NODES_MAX: usize = 1 << (22 - POD_BITS);
/// Nodes themselves are in 172.16.0.0/12.
const NODE_NETWORK: u32 = 0xac10_0001;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
/// As the kubelet's, four times the default interval.
const LEASE_SECONDS: u32 = 40;

/// A node and the addresses in use on it.
pub(super) struct Node {
    number: usize,
    name: String,
    zone: Option<String>,
    dual_stack: bool,
    lease: Option<Value>,
    used: BTreeSet<u32>,
    last: u32,
}

impl Node {
    pub(super) fn new(number: usize, options: &Options) -> Node {
        Node {
            number,
            name: options.name(number),
            zone: (options.zones > 0).then(|| format!("zone-{}", number % options.zones)),
            dual_stack: options.dual_stack,
            lease: None,
            used: BTreeSet::new(),
            last: 0,
        }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The node's own addresses.
    pub(super) fn addresses(&self) -> Vec<String> {
        let four = Ipv4Addr::from_bits(NODE_NETWORK + self.number as u32).to_string();
        let six = Ipv6Addr::new(0xfd17, 0, 0, 0, 0, 0, 0, self.number as u16 + 1).to_string();
        if self.dual_stack { vec![four, six] } else { vec![four] }
    }

    /// Makes the Node, or refreshes the one of an earlier life, and takes the Lease.
    pub(super) async fn register(&self, api: &mut Api) -> Result<()> {
        let created = api.post("/api/v1/nodes", &self.object()).await;
        if refused(&created, StatusCode::CONFLICT) {
            return self.report(api).await;
        }
        created.map(drop)
    }

    /// Writes the status.
    pub(super) async fn report(&self, api: &mut Api) -> Result<()> {
        let path = format!("/api/v1/nodes/{}/status", self.name);
        api.patch(&path, &json!({ "status": self.status() })).await.map(drop)
    }

    /// Renews the Lease, or makes it.
    pub(super) async fn renew(&mut self, api: &mut Api) -> Result<()> {
        let path = format!("{LEASES}/{}", self.name);
        let now = clock::utc_microseconds();
        let renewed = match self.lease.take() {
            Some(mut lease) => {
                lease["spec"]["renewTime"] = now.into();
                api.put(&path, &lease).await
            }
            None => match api.get(&path).await {
                Ok(mut lease) => {
                    lease["spec"] = self.lease_spec(now);
                    api.put(&path, &lease).await
                }
                missing if refused(&missing, StatusCode::NOT_FOUND) => {
                    let owner = api.get(&format!("/api/v1/nodes/{}", self.name)).await?;
                    let owner = json!({
                        "apiVersion": "v1",
                        "kind": "Node",
                        "name": self.name,
                        "uid": owner["metadata"]["uid"],
                    });
                    let metadata = json!({
                        "name": self.name,
                        "namespace": "kube-node-lease",
                        "ownerReferences": [owner],
                    });
                    let lease = json!({
                        "apiVersion": "coordination.k8s.io/v1",
                        "kind": "Lease",
                        "metadata": metadata,
                        "spec": self.lease_spec(now),
                    });
                    api.post(LEASES, &lease).await
                }
                failed => failed,
            },
        };
        self.lease = Some(renewed?);
        Ok(())
    }

    /// Addresses for a pod that has none yet; nothing when all are in use.
    pub(super) fn take_addresses(&mut self) -> Option<Vec<String>> {
        let candidates = (1..=PODS_MAX).map(|step| (self.last + step - 1) % PODS_MAX + 1);
        let own = candidates.into_iter().find(|own| !self.used.contains(own))?;
        self.last = own;
        self.used.insert(own);
        Some(self.pod_addresses(own))
    }

    /// Marks the addresses of a pod that has some already.
    pub(super) fn keep_addresses(&mut self, addresses: &[String]) {
        let own: Vec<u32> = addresses.iter().filter_map(|address| self.own_part(address)).collect();
        self.used.extend(own);
    }

    /// Addresses of a pod that is gone.
    pub(super) fn release_addresses(&mut self, addresses: &[String]) {
        let own: Vec<u32> = addresses.iter().filter_map(|address| self.own_part(address)).collect();
        self.used.retain(|used| !own.contains(used));
    }

    fn pod_addresses(&self, own: u32) -> Vec<String> {
        let four = Ipv4Addr::from_bits(self.pod_network() | own).to_string();
        let six = Ipv6Addr::new(0xfd64, 0, 0, self.number as u16, 0, 0, 0, own as u16).to_string();
        if self.dual_stack { vec![four, six] } else { vec![four] }
    }

    fn pod_network(&self) -> u32 {
        POD_NETWORK | (self.number as u32) << POD_BITS
    }

    /// The part of a pod's address that is this node's to give.
    fn own_part(&self, address: &str) -> Option<u32> {
        let bits = address.parse::<Ipv4Addr>().ok()?.to_bits();
        (bits >> POD_BITS == self.pod_network() >> POD_BITS).then_some(bits & ((1 << POD_BITS) - 1))
    }

    fn object(&self) -> Value {
        let four = format!("{}/{}", Ipv4Addr::from_bits(self.pod_network()), 32 - POD_BITS);
        let six = format!("{}/64", Ipv6Addr::new(0xfd64, 0, 0, self.number as u16, 0, 0, 0, 0));
        let networks = if self.dual_stack { vec![four.clone(), six] } else { vec![four.clone()] };
        let mut labels = json!({
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
        });
        if let Some(zone) = &self.zone {
            labels["topology.kubernetes.io/zone"] = zone.as_str().into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": self.name, "labels": labels },
            "spec": { "podCIDR": four, "podCIDRs": networks },
            "status": self.status(),
        })
    }

    fn status(&self) -> Value {
        let now = clock::utc_seconds();
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            })
        };
        let mut addresses: Vec<Value> = self
            .addresses()
            .into_iter()
            .map(|address| json!({ "type": "InternalIP", "address": address }))
            .collect();
        addresses.push(json!({ "type": "Hostname", "address": self.name }));
        let resources = json!({
            "cpu": "32",
            "memory": "128Gi",
            "ephemeral-storage": "1Ti",
            "pods": PODS_MAX.to_string(),
        });
        json!({
            "addresses": addresses,
            "capacity": resources,
            "allocatable": resources,
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "memory is simulated"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "the disk is simulated"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "processes are simulated"),
                condition("Ready", "True", "KubeletReady", "the kubelet is simulated"),
            ],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } },
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": format!("simulated-{}", self.number),
                "containerRuntimeVersion": "simulated://1.0.0",
                "kernelVersion": "simulated",
                "kubeProxyVersion": "",
                "kubeletVersion": "v1.37.0",
                "machineID": format!("simulated-{}", self.number),
                "operatingSystem": "linux",
                "osImage": "simulated",
                "systemUUID": format!("simulated-{}", self.number),
            },
        })
    }

    fn lease_spec(&self, now: String) -> Value {
        json!({ "holderIdentity": self.name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> Node {
        Node::new(number, &Options { dual_stack: true, ..Options::default() })
    }

    #[test]
    fn no_two_pods_share_an_address() {
        let (mut first, mut second) = (node(0), node(NODES_MAX - 1));
        let mut seen = BTreeSet::new();
        for node in [&mut first, &mut second] {
            while let Some(addresses) = node.take_addresses() {
                assert!(addresses.iter().all(|address| seen.insert(address.clone())), "{addresses:?}");
            }
        }
        assert_eq!(seen.len(), 2 * 2 * PODS_MAX as usize);
    }

    #[test]
    fn an_address_is_free_again_when_its_pod_is_gone_and_kept_over_a_restart() {
        let mut node = node(3);
        let first = node.take_addresses().unwrap();
        node.release_addresses(&first);
        node.keep_addresses(&["100.64.12.2".to_owned(), "10.0.0.1".to_owned()]);
        let second = node.take_addresses().unwrap();
        assert_eq!((first[0].as_str(), second[0].as_str()), ("100.64.12.1", "100.64.12.3"));
        node.release_addresses(&["100.64.12.2".to_owned()]);
        assert_eq!(node.used.len(), 1);
    }
}
