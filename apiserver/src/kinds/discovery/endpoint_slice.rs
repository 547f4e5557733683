//! EndpointSlice: a part of a service's endpoints. Keeps: addresses are of the slice's type, which never changes.

use std::collections::HashSet;

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::listing;
use crate::metadata;
use crate::names::{self, address, dns, label};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "discovery.k8s.io",
        kind: "EndpointSlice",
        plural: "endpointslices",
        singular: "endpointslice",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("discovery.k8s.io", "v1", "io.k8s.api.discovery.v1.EndpointSlice")],
    columns: &[
        kind::NAME,
        column("AddressType", "string", |it, _| it.str("addressType").into()),
        column("Ports", "string", ports),
        column("Endpoints", "string", endpoints),
        kind::AGE,
    ],
    generation: Generation::When(counts_as_change),
    set_defaults,
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const TOPOLOGY_LABELS_MAX: usize = 16;
const HINTS_MAX: usize = 8;

fn ports(slice: &Map, _: i64) -> Node {
    if slice.list("ports").is_empty() {
        return "<unset>".into();
    }
    let text = |port: &Map| match (port.int("port"), port.str("name")) {
        (Some(number), _) => number.to_string(),
        (None, "") => "*".to_owned(),
        (None, name) => name.to_owned(),
    };
    listing::first_three(slice.maps("ports").map(text), ",").into()
}

fn endpoints(slice: &Map, _: i64) -> Node {
    if slice.list("endpoints").is_empty() {
        return "<unset>".into();
    }
    let addresses = slice.maps("endpoints").flat_map(|endpoint| endpoint.list("addresses"));
    listing::first_three(addresses.filter_map(Node::as_str).map(str::to_owned), ",").into()
}

/// Everything but the metadata counts, and the labels.
fn counts_as_change(slice: &Map, old: &Map) -> bool {
    let labels = ["metadata", "labels"];
    let contents = |slice: &Map| {
        let mut slice = slice.clone();
        slice.remove("metadata");
        slice
    };
    slice.at(&labels) != old.at(&labels) || contents(slice) != contents(old)
}

fn set_defaults(slice: &mut Map) {
    for port in slice.existing_list_mut("ports").into_iter().flatten().filter_map(Node::as_map_mut) {
        port.set_default("name", "");
        port.set_default("protocol", "TCP");
    }
}

fn validate(slice: &Map, errors: &mut FieldErrors) {
    let path = Path::new("addressType");
    match slice.str("addressType") {
        "" => errors.required(&path, ""),
        "IPv4" | "IPv6" | "FQDN" => {}
        kind => errors.not_supported(&path, kind, &["FQDN", "IPv4", "IPv6"]),
    }
    validate_endpoints(slice, errors);
    validate_ports(slice, errors);
}

fn validate_endpoints(slice: &Map, errors: &mut FieldErrors) {
    let path = Path::new("endpoints");
    let count = slice.list("endpoints").len();
    if count > ENDPOINTS_MAX {
        errors.too_many(&path, count, ENDPOINTS_MAX);
        return;
    }
    for (i, endpoint) in slice.maps("endpoints").enumerate() {
        validate_endpoint(endpoint, slice.str("addressType"), &path.index(i), errors);
    }
}

fn validate_endpoint(endpoint: &Map, address_type: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let addresses_path = path.child("addresses");
    match endpoint.list("addresses").len() {
        0 => errors.required(&addresses_path, ""),
        count if count > ADDRESSES_MAX => errors.too_many(&addresses_path, count, ADDRESSES_MAX),
        _ => {}
    }
    for (i, text) in endpoint.list("addresses").iter().filter_map(Node::as_str).enumerate() {
        validate_address(text, address_type, &addresses_path.index(i), errors);
    }
    if let Some(node) = endpoint.get("nodeName").and_then(Node::as_str) {
        names::report(errors, &path.child("nodeName"), node, dns::subdomain(node));
    }
    let topology_path = path.child("deprecatedTopology");
    if let Some(topology) = endpoint.map("deprecatedTopology") {
        if topology.len() > TOPOLOGY_LABELS_MAX {
            errors.too_many(&topology_path, topology.len(), TOPOLOGY_LABELS_MAX);
        }
        metadata::validate_labels(Some(topology), &topology_path, errors);
    }
    if let Some(hostname) = endpoint.get("hostname").and_then(Node::as_str) {
        names::report(errors, &path.child("hostname"), hostname, dns::label(hostname));
    }
    if let Some(hints) = endpoint.map("hints") {
        for (list, limit) in [("forZones", HINTS_MAX), ("forNodes", HINTS_MAX)] {
            validate_hints(hints, list, limit, &path.child("hints"), errors);
        }
    }
}

fn validate_address(text: &str, address_type: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match address_type {
        "IPv4" | "IPv6" => {
            let faults = address::ip(text);
            if !faults.is_empty() {
                names::report(errors, path, text, faults);
                return;
            }
            if address_type == "IPv4" && !address::is_ipv4(text) {
                errors.invalid(path, text, "must be an IPv4 address");
            } else if address_type == "IPv6" && !address::is_ipv6(text) {
                errors.invalid(path, text, "must be an IPv6 address");
            }
            validate_reachable(text, path, errors);
        }
        "FQDN" => {
            names::report(errors, path, text, dns::subdomain(text));
            if dns::is_subdomain(text) && !text.contains('.') {
                errors.invalid(path, text, "should be a domain with at least two segments separated by dots");
            }
        }
        _ => {}
    }
}

/// Addresses that are not of one other node have no place in an endpoint.
fn validate_reachable(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(ip) = address::parse_lenient(text) else { return };
    let detail = match ip {
        _ if ip.is_unspecified() => format!("may not be unspecified ({text})"),
        _ if ip.is_loopback() => "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned(),
        std::net::IpAddr::V4(ip) if ip.is_link_local() => {
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()
        }
        std::net::IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfe80 => {
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()
        }
        std::net::IpAddr::V4(ip) if ip.octets()[..3] == [224, 0, 0] => {
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()
        }
        std::net::IpAddr::V6(ip) if ip.segments()[0] == 0xff02 => {
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()
        }
        _ => return,
    };
    errors.invalid(path, text, detail);
}

fn validate_hints(hints: &Map, list: &str, limit: usize, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child(list);
    let count = hints.list(list).len();
    if count > limit {
        errors.too_many(&path, count, limit);
        return;
    }
    let mut seen = HashSet::new();
    for (i, hint) in hints.maps(list).enumerate() {
        let item = path.index(i);
        let (name, name_path) = (hint.str("name"), item.child("name"));
        if !seen.insert(name) {
            errors.duplicate(&name_path, name);
        }
        let faults = if list == "forZones" { label::value(name) } else { dns::subdomain(name) };
        names::report(errors, &name_path, name, faults);
    }
}

fn validate_ports(slice: &Map, errors: &mut FieldErrors) {
    let path = Path::new("ports");
    let count = slice.list("ports").len();
    if count > PORTS_MAX {
        errors.too_many(&path, count, PORTS_MAX);
        return;
    }
    let mut seen = HashSet::new();
    for (i, port) in slice.maps("ports").enumerate() {
        let item = path.index(i);
        let name = port.str("name");
        if !name.is_empty() {
            names::report(errors, &item.child("name"), name, dns::label(name));
        }
        if !seen.insert(name) {
            errors.duplicate(&item.child("name"), name);
        }
        match port.get("protocol").and_then(Node::as_str) {
            None => errors.required(&item.child("protocol"), ""),
            Some("SCTP" | "TCP" | "UDP") => {}
            Some(protocol) => {
                errors.not_supported(&item.child("protocol"), protocol, &["SCTP", "TCP", "UDP"])
            }
        }
        if let Some(protocol) = port.get("appProtocol").and_then(Node::as_str) {
            names::report(errors, &item.child("appProtocol"), protocol, label::key(protocol));
        }
    }
}

fn validate_update(slice: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.immutable(&Path::new("addressType"), slice.get("addressType"), old.get("addressType"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(kind: &str, addresses: &[&str], ports: &[i64]) -> Map {
        let endpoint = Map::from([("addresses", addresses.iter().copied().collect::<Node>())]);
        let ports: Node = ports.iter().map(|port| Map::from([("port", *port)])).collect();
        Map::from([
            ("addressType", kind.into()),
            ("endpoints", [endpoint].into_iter().collect()),
            ("ports", ports),
        ])
    }

    #[test]
    fn cells_show_three_and_count_the_rest() {
        let slice = slice("IPv4", &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"], &[80]);
        assert_eq!(endpoints(&slice, 0), Node::from("10.0.0.1,10.0.0.2,10.0.0.3 + 1 more..."));
        assert_eq!(ports(&slice, 0), Node::from("80"));
        assert_eq!(ports(&Map::new(), 0), Node::from("<unset>"));
    }

    #[test]
    fn addresses_must_be_of_the_slice_s_type() {
        let refusals = |kind: &str, address: &str| {
            let mut errors = FieldErrors::new();
            let mut slice = slice(kind, &[address], &[80]);
            set_defaults(&mut slice);
            validate(&slice, &mut errors);
            errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>()
        };
        assert_eq!(refusals("IPv4", "10.0.0.1"), Vec::<String>::new());
        assert_eq!(refusals("IPv4", "fd00::1"), ["Invalid value: \"fd00::1\": must be an IPv4 address"]);
        assert_eq!(refusals("IPv6", "fd00::1"), Vec::<String>::new());
        assert_eq!(refusals("FQDN", "a.example"), Vec::<String>::new());
        assert_eq!(refusals("IPv4", "127.0.0.1").len(), 1);
    }
}
