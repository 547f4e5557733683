//! How pods reach this server: the service `kubernetes` with its address, endpoints and network.

use serde_json::json;

use super::{Plan, builtin, tree};
use crate::admission;
use crate::cluster::Family;

const NAMESPACE: &str = "default";
const NAME: &str = "kubernetes";
const PORT: u16 = 443;

pub(super) fn plan(plan: &mut Plan<'_>) {
    network(plan);
    service(plan);
    endpoints(plan);
    endpoint_slice(plan);
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

fn service(plan: &mut Plan<'_>) {
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

fn endpoints(plan: &mut Plan<'_>) {
    let endpoints = builtin("", "endpoints");
    let advertised = plan.cluster.advertised;
    let object = json!({
        "metadata": {
            "namespace": NAMESPACE,
            "name": NAME,
            "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" },
        },
        "subsets": [{
            "addresses": [{ "ip": advertised.ip() }],
            "ports": [{ "name": "https", "port": advertised.port(), "protocol": "TCP" }],
        }],
    });
    plan.maintain(endpoints, tree(endpoints, &object), &["subsets"]);
}

fn endpoint_slice(plan: &mut Plan<'_>) {
    let slices = builtin("discovery.k8s.io", "endpointslices");
    let advertised = plan.cluster.advertised;
    let object = json!({
        "metadata": {
            "namespace": NAMESPACE,
            "name": NAME,
            "generation": 1,
            "labels": { "kubernetes.io/service-name": NAME },
        },
        "addressType": Family::of(&advertised.ip()).as_str(),
        "endpoints": [{ "addresses": [advertised.ip()], "conditions": { "ready": true } }],
        "ports": [{ "name": "https", "port": advertised.port(), "protocol": "TCP" }],
    });
    plan.maintain(slices, tree(slices, &object), &["endpoints", "ports"]);
}
