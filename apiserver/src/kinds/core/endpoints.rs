//! Endpoints: where a service's ports lead, as it was told before EndpointSlice. Keeps: every subset has an address;
//! addresses are ones that a pod can have.

use super::{pod::defaults, rules};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::names::{self, address};
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "Endpoints",
        plural: "endpoints",
        singular: "endpoints",
        short: &["ep"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.Endpoints")],
    columns: &[kind::NAME, column("Endpoints", "string", |it, _| cell(it).into()), kind::AGE],
    creates_on_update: true,
    deprecation: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    set_defaults,
    validate,
    warnings,
    ..Kind::DEFAULT
};

/// The first three addresses with their ports, and how many more there are.
fn cell(endpoints: &Map) -> String {
    const SHOWN_MAX: usize = 3;
    if endpoints.list("subsets").is_empty() {
        return "<none>".to_owned();
    }
    let mut shown: Vec<String> = Vec::new();
    let mut count = 0;
    for subset in endpoints.maps("subsets") {
        let addresses = || subset.maps("addresses").map(|address| address.str("ip"));
        let ports: Vec<Option<i64>> = match subset.list("ports") {
            [] => vec![None],
            _ => subset.maps("ports").map(|port| Some(port.int("port").unwrap_or(0))).collect(),
        };
        for port in ports {
            count += addresses().count();
            for ip in addresses().take(SHOWN_MAX - shown.len()) {
                shown.push(match port {
                    None => ip.to_owned(),
                    Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
                    Some(port) => format!("{ip}:{port}"),
                });
            }
        }
    }
    let list = shown.join(",");
    if count > shown.len() { format!("{list} + {} more...", count - SHOWN_MAX) } else { list }
}

fn set_defaults(endpoints: &mut Map) {
    for subset in defaults::maps_mut(endpoints, "subsets") {
        for port in defaults::maps_mut(subset, "ports") {
            defaults::default_text(port, "protocol", "TCP");
        }
    }
}

fn validate(endpoints: &Map, errors: &mut FieldErrors) {
    let list = Path::new("subsets");
    for (i, subset) in endpoints.maps("subsets").enumerate() {
        let path = list.index(i);
        if subset.list("addresses").is_empty() && subset.list("notReadyAddresses").is_empty() {
            errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
        }
        for field in ["addresses", "notReadyAddresses"] {
            for (j, address) in subset.maps(field).enumerate() {
                validate_address(address, &path.child(field).index(j), errors);
            }
        }
        let is_named = subset.list("ports").len() > 1;
        for (j, port) in subset.maps("ports").enumerate() {
            validate_port(port, is_named, &path.child("ports").index(j), errors);
        }
    }
}

fn validate_address(endpoint: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let ip = endpoint.str("ip");
    names::report(errors, &path.child("ip"), ip, address::ip(ip));
    let hostname = endpoint.str("hostname");
    if !hostname.is_empty() {
        rules::dns_label(hostname, &path.child("hostname"), errors);
    }
    if let Some(node) = endpoint.get("nodeName").and_then(Node::as_str) {
        rules::dns_subdomain(node, &path.child("nodeName"), errors);
    }
    names::report(errors, &path.child("ip"), ip, address::endpoint(ip));
}

fn validate_port(port: &Map, is_named: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = port.str("name");
    if !name.is_empty() {
        rules::dns_label(name, &path.child("name"), errors);
    } else if is_named {
        errors.required(&path.child("name"), "");
    }
    rules::port_number(port.int("port").unwrap_or(0), &path.child("port"), errors);
    rules::require_choice(port, "protocol", &["SCTP", "TCP", "UDP"], path, errors);
    if let Some(protocol) = port.get("appProtocol").and_then(Node::as_str) {
        rules::qualified_name(protocol, &path.child("appProtocol"), errors);
    }
}

fn warnings(endpoints: &Map, _: Option<&Map>, warnings: &mut Warnings) {
    let list = Path::new("subsets");
    for (i, subset) in endpoints.maps("subsets").enumerate() {
        let path = list.index(i);
        for field in ["addresses", "notReadyAddresses"] {
            for (j, endpoint) in subset.maps(field).enumerate() {
                let path = path.child(field);
                let path = path.index(j);
                warnings.extend(address::ip_warning(&path.child("ip"), endpoint.str("ip")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::List;

    fn subset(ips: &[&str], ports: &[i64]) -> Node {
        let addresses: List = ips.iter().map(|ip| Node::from(Map::from([("ip", *ip)]))).collect();
        let ports: List = ports.iter().map(|port| Node::from(Map::from([("port", *port)]))).collect();
        Map::from([("addresses", addresses), ("ports", ports)]).into()
    }

    fn check(subsets: &[Node], expected: &str) {
        let subsets: List = subsets.iter().cloned().collect();
        assert_eq!(cell(&Map::from([("subsets", subsets)])), expected);
    }

    #[test]
    fn a_cell_shows_three_endpoints() {
        check(&[], "<none>");
        check(&[subset(&["10.0.0.1"], &[])], "10.0.0.1");
        check(&[subset(&["10.0.0.1", "fd00::1"], &[80])], "10.0.0.1:80,[fd00::1]:80");
        check(
            &[subset(&["10.0.0.1", "10.0.0.2"], &[80, 443])],
            "10.0.0.1:80,10.0.0.2:80,10.0.0.1:443 + 1 more...",
        );
    }

    #[test]
    fn addresses_are_ones_that_pods_can_have() {
        let mut errors = FieldErrors::new();
        let subsets = List::from([subset(&["127.0.0.1"], &[0]), Map::new().into()]);
        validate(&Map::from([("subsets", subsets)]), &mut errors);
        assert_eq!(
            errors.to_string(),
            "[subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128), subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, subsets[0].ports[0].protocol: Required value, subsets[1]: Required value: must specify `addresses` or `notReadyAddresses`]"
        );
    }
}
