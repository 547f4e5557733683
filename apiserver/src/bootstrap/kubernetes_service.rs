//! How pods reach this server: the service `kubernetes` with its address, endpoints and network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::{Plan, builtin, tree};
use crate::admission;
use crate::cluster::Family;
use crate::identity;

const NAMESPACE: &str = "default";
const NAME: &str = "kubernetes";
const PORT: u16 = 443;

/// Addresses of servers by family (IPv6 or not) and port.
type Groups = BTreeMap<(bool, u16), Vec<IpAddr>>;

pub(super) fn plan(plan: &mut Plan<'_>) {
    network(plan);
    service(plan);
    list(plan, &identity::known_servers(plan.view, plan.cluster));
}

fn network(plan: &mut Plan<'_>) {
    let networks = builtin("networking.k8s.io", "servicecidrs");
    let cidrs: Vec<String> = plan.cluster.service_networks.iter().map(ToString::to_string).collect();
    let network = json!({
        "metadata": { "name": NAME, "finalizers": ["networking.k8s.io/service-cidr-finalizer"] },
        "spec": { "cidrs": cidrs },
        "status": { "conditions": [{
            "type": "Ready",
            "status": "True",
            "lastTransitionTime": plan.now,
            "reason": "",
            "message": "Kubernetes default Service CIDR is ready",
        }] },
    });
    plan.ensure(networks, tree(networks, &network));
}

/// Makes the service, unless it is there.
pub(super) fn service(plan: &mut Plan<'_>) {
    let services = builtin("", "services");
    if plan.exists(services, NAMESPACE, NAME) {
        return;
    }
    let address = plan.cluster.kubernetes_service_ip();
    let service = json!({
        "metadata": {
            "namespace": NAMESPACE,
            "name": NAME,
            "labels": { "component": "apiserver", "provider": "kubernetes" },
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": [Family::of(&address).as_str()],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
            "sessionAffinity": "None",
            "ports": [{
                "name": "https",
                "protocol": "TCP",
                "port": PORT,
                "targetPort": plan.cluster.advertised.port(),
            }],
        },
        "status": { "loadBalancer": {} },
    });
    plan.create(services, tree(services, &service));
    let addresses = builtin("networking.k8s.io", "ipaddresses");
    let held = admission::address_object(&address, NAMESPACE, NAME, plan.clock, plan.now);
    plan.ensure(addresses, held);
}

/// Makes these servers, and no others, the endpoints of the service.
pub(super) fn list(plan: &mut Plan<'_>, servers: &[SocketAddr]) {
    let mut groups = Groups::new();
    for server in servers {
        groups.entry((server.is_ipv6(), server.port())).or_default().push(server.ip());
    }
    for addresses in groups.values_mut() {
        addresses.sort_unstable();
        addresses.dedup();
    }
    endpoints(plan, &groups);
    endpoint_slices(plan, &groups);
}

fn endpoints(plan: &mut Plan<'_>, groups: &Groups) {
    let endpoints = builtin("", "endpoints");
    let subset = |(&(_, port), addresses): (&(bool, u16), &Vec<IpAddr>)| {
        let addresses: Vec<Value> = addresses.iter().map(|ip| json!({ "ip": ip })).collect();
        json!({ "addresses": addresses, "ports": [port_of(port)] })
    };
    let object = json!({
        "metadata": {
            "namespace": NAMESPACE,
            "name": NAME,
            "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" },
        },
        "subsets": groups.iter().map(subset).collect::<Vec<_>>(),
    });
    plan.maintain(endpoints, tree(endpoints, &object), &["subsets"]);
}

/// A slice has one family and one list of ports; servers that differ in these need slices of their own.
fn endpoint_slices(plan: &mut Plan<'_>, groups: &Groups) {
    let slices = builtin("discovery.k8s.io", "endpointslices");
    let mut wanted = BTreeSet::new();
    for (&(is_v6, port), addresses) in groups {
        let family = if is_v6 { Family::V6 } else { Family::V4 };
        let name = if wanted.is_empty() { NAME.to_owned() } else { further_slice(family, port) };
        let endpoint = |ip: &IpAddr| json!({ "addresses": [ip], "conditions": { "ready": true } });
        let slice = json!({
            "metadata": {
                "namespace": NAMESPACE,
                "name": name,
                "generation": 1,
                "labels": { "kubernetes.io/service-name": NAME },
            },
            "addressType": family.as_str(),
            "endpoints": addresses.iter().map(endpoint).collect::<Vec<_>>(),
            "ports": [port_of(port)],
        });
        plan.maintain(slices, tree(slices, &slice), &["addressType", "endpoints", "ports"]);
        wanted.insert(name);
    }
    for entry in plan.view.entries(slices, NAMESPACE) {
        let name = entry.key.as_str().rsplit('/').next().unwrap_or_default();
        let is_ours = [Family::V4, Family::V6].iter().any(|family| {
            let port = name.strip_prefix(&further_slice_prefix(*family)).unwrap_or_default();
            port.parse::<u16>().is_ok()
        });
        if is_ours && !wanted.contains(name) {
            plan.companions.delete(entry);
        }
    }
}

fn further_slice_prefix(family: Family) -> String {
    format!("{NAME}-{}-", family.as_str().to_ascii_lowercase())
}

fn further_slice(family: Family, port: u16) -> String {
    format!("{}{port}", further_slice_prefix(family))
}

fn port_of(port: u16) -> Value {
    json!({ "name": "https", "port": port, "protocol": "TCP" })
}
