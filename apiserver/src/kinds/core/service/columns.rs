//! The columns of services.

use super::kind_of;
use crate::tree::Map;

pub(super) fn cluster_ip(service: &Map) -> &str {
    let first = service.map("spec").and_then(|spec| spec.list("clusterIPs").first());
    first.and_then(|ip| ip.as_str()).unwrap_or("<none>")
}

pub(super) fn external_ip(service: &Map) -> String {
    let external: Vec<&str> =
        service.map("spec").into_iter().flat_map(|spec| spec.texts("externalIPs")).collect();
    match kind_of(service) {
        "ClusterIP" | "NodePort" if external.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => external.join(","),
        "LoadBalancer" => {
            let all: Vec<&str> = ingress(service).into_iter().chain(external).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        "ExternalName" => service.str_at(&["spec", "externalName"]).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// Addresses that the load balancer got, sorted.
fn ingress(service: &Map) -> Vec<&str> {
    let balancer = service.map_at(&["status", "loadBalancer"]);
    let mut found: Vec<&str> = balancer
        .into_iter()
        .flat_map(|balancer| balancer.maps("ingress"))
        .map(|ingress| if ingress.str("ip").is_empty() { ingress.str("hostname") } else { ingress.str("ip") })
        .filter(|address| !address.is_empty())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

pub(super) fn ports(service: &Map) -> String {
    let ports: Vec<String> = service
        .map("spec")
        .into_iter()
        .flat_map(|spec| spec.maps("ports"))
        .map(|port| {
            let (number, protocol) = (port.int("port").unwrap_or(0), port.str("protocol"));
            match port.int("nodePort").filter(|node| *node > 0) {
                Some(node) => format!("{number}:{node}/{protocol}"),
                None => format!("{number}/{protocol}"),
            }
        })
        .collect();
    if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") }
}
