//! Fields of a Service that belong together: what a client leaves out is taken from the stored service, and what
//! no longer applies is dropped when the client did not mean it.

use super::{has_cluster_ip, has_health_check_port, has_node_ports, kind};
use crate::tree::{List, Map, Node};

fn spec(service: &Map) -> Map {
    service.map("spec").cloned().unwrap_or_default()
}

fn cluster_ips(spec: &Map) -> &[Node] {
    spec.list("clusterIPs")
}

fn one(address: &str) -> List {
    [Node::from(address)].into_iter().collect()
}

/// A client of the singular field means both.
pub(super) fn sync_on_create(service: &mut Map) {
    let spec = service.map_mut("spec");
    let address = spec.str("clusterIP").to_owned();
    if !address.is_empty() && cluster_ips(spec).is_empty() {
        spec.set("clusterIPs", one(&address));
    }
}

/// Takes over what the server had allocated and the client left out, and drops what the new type has no use for
/// when the client merely sent it back.
pub(super) fn carry_over(service: &mut Map, old: &Map) {
    carry_cluster_ips(service, old);
    carry_node_ports(service, old);
    drop_unused(service, old);
}

fn carry_cluster_ips(service: &mut Map, old: &Map) {
    if !has_cluster_ip(service) || !has_cluster_ip(old) {
        return;
    }
    let old = spec(old);
    let new = service.map_mut("spec");
    if new.str("clusterIP").is_empty() && !old.str("clusterIP").is_empty() {
        new.set("clusterIP", old.str("clusterIP"));
    }
    if cluster_ips(new).is_empty()
        && new.str("clusterIP") == old.str("clusterIP")
        && !cluster_ips(&old).is_empty()
    {
        new.set("clusterIPs", cluster_ips(&old).iter().cloned().collect::<Node>());
    }
}

fn carry_node_ports(service: &mut Map, old: &Map) {
    if has_node_ports(service) && has_node_ports(old) {
        let old = spec(old);
        let new = service.map_mut("spec");
        let used: Vec<i64> =
            node_ports(new).filter(|port| node_ports(&old).any(|other| other == *port)).collect();
        for port in new.existing_list_mut("ports").unwrap_or_default() {
            let Some(port) = port.as_map_mut().filter(|port| port.int("nodePort").unwrap_or(0) == 0) else {
                continue;
            };
            let before = old.maps("ports").find(|it| it.str("name") == port.str("name"));
            let before = before.and_then(|it| it.int("nodePort")).filter(|it| *it != 0 && !used.contains(it));
            if let Some(before) = before {
                port.set("nodePort", before);
            }
        }
    }
    if has_health_check_port(service)
        && has_health_check_port(old)
        && let Some(port) = spec(old).get("healthCheckNodePort")
    {
        service.map_mut("spec").set_default("healthCheckNodePort", port.clone());
    }
}

fn node_ports(spec: &Map) -> impl Iterator<Item = i64> {
    spec.maps("ports").filter_map(|port| port.int("nodePort")).filter(|port| *port != 0)
}

fn drop_unused(service: &mut Map, old: &Map) {
    let before = spec(old);
    let lost = |has: fn(&Map) -> bool, service: &Map| has(old) && !has(service);
    let same = |service: &Map, key: &str| service.at(&["spec", key]) == before.get(key);
    if lost(has_cluster_ip, service) {
        if same(service, "clusterIPs") {
            remove(service, &["clusterIP", "clusterIPs"]);
        }
        for key in ["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if same(service, key) {
                remove(service, &[key]);
            }
        }
    }
    if lost(has_node_ports, service) {
        let sent: Vec<i64> = node_ports(&spec(service)).collect();
        if sent == node_ports(&before).collect::<Vec<i64>>() {
            for port in service.map_mut("spec").existing_list_mut("ports").unwrap_or_default() {
                if let Some(port) = port.as_map_mut() {
                    port.remove("nodePort");
                }
            }
        }
    }
    if lost(has_health_check_port, service) && same(service, "healthCheckNodePort") {
        remove(service, &["healthCheckNodePort"]);
    }
    if lost(|it| kind(it) == "LoadBalancer", service) {
        for key in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if same(service, key) {
                remove(service, &[key]);
            }
        }
    }
    let external = |it: &Map| has_node_ports(it) || !spec(it).list("externalIPs").is_empty();
    if external(old) && !external(service) && same(service, "externalTrafficPolicy") {
        remove(service, &["externalTrafficPolicy"]);
    }
}

fn remove(service: &mut Map, keys: &[&str]) {
    let spec = service.map_mut("spec");
    for key in keys {
        spec.remove(key);
    }
}

/// Clients of the singular field change or clear it alone; the plural one follows.
pub(super) fn sync_on_update(service: &mut Map, old: &Map) {
    let old = spec(old);
    let new = service.map_mut("spec");
    if new.str("clusterIP") == old.str("clusterIP") || cluster_ips(new) != cluster_ips(&old) {
        return;
    }
    if new.str("clusterIP").is_empty() {
        new.remove("clusterIPs");
    } else {
        let address = new.str("clusterIP").to_owned();
        new.set("clusterIPs", one(&address));
    }
}
