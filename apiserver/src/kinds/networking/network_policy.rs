//! NetworkPolicy: which pods may talk. Keeps: selectors, ports and blocks can be read.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::selector;
use crate::names::{self, address, text};
use crate::tree::{List, Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "NetworkPolicy",
        plural: "networkpolicies",
        singular: "networkpolicy",
        short: &["netpol"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.NetworkPolicy")],
    columns: &[
        kind::NAME,
        column("Pod-Selector", "string", |it, _| selector::cell(it.map_at(&["spec", "podSelector"]))),
        kind::AGE,
    ],
    generation: Generation::Spec,
    set_defaults,
    validate,
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
/// The rules of a direction, and whom they name.
const DIRECTIONS: [(&str, &str); 2] = [("ingress", "from"), ("egress", "to")];
const TYPES: [&str; 2] = ["Egress", "Ingress"];

fn set_defaults(policy: &mut Map) {
    let spec = policy.map_mut("spec");
    if spec.list("policyTypes").is_empty() {
        let mut types = List::from([Node::from("Ingress")].as_slice());
        if !spec.list("egress").is_empty() {
            types.push("Egress".into());
        }
        spec.set("policyTypes", types);
    }
    for direction in ["ingress", "egress"] {
        for rule in spec.existing_list_mut(direction).into_iter().flatten().filter_map(Node::as_map_mut) {
            for port in rule.existing_list_mut("ports").into_iter().flatten().filter_map(Node::as_map_mut) {
                port.set_default("protocol", "TCP");
            }
        }
    }
}

fn validate(policy: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = policy.map("spec").unwrap_or(&empty);
    selector::validate(spec.map("podSelector"), &SPEC.child("podSelector"), errors);
    for (direction, peers) in DIRECTIONS {
        let path = SPEC.child(direction);
        for (i, rule) in spec.maps(direction).enumerate() {
            validate_rule(rule, peers, &path.index(i), errors);
        }
    }
    let types: Vec<&str> = spec.texts("policyTypes").collect();
    let path = SPEC.child("policyTypes");
    if types.len() > TYPES.len() {
        let detail = "may not specify more than two policyTypes";
        errors.invalid(&path, types.into_iter().collect::<Node>(), detail);
        return;
    }
    for (i, kind) in types.into_iter().enumerate().filter(|(_, kind)| !TYPES.contains(kind)) {
        errors.not_supported(&path.index(i), kind, &TYPES);
    }
}

fn validate_rule(rule: &Map, peers: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let ports = path.child("ports");
    for (i, port) in rule.maps("ports").enumerate() {
        validate_port(port, &ports.index(i), errors);
    }
    let peers_path = path.child(peers);
    for (i, peer) in rule.maps(peers).enumerate() {
        validate_peer(peer, &peers_path.index(i), errors);
    }
}

fn validate_port(port: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let protocol = port.str("protocol");
    if port.contains("protocol") && !matches!(protocol, "TCP" | "UDP" | "SCTP") {
        errors.not_supported(&path.child("protocol"), protocol, &["SCTP", "TCP", "UDP"]);
    }
    let port_path = path.child("port");
    match port.get("port") {
        Some(Node::Int(number)) => {
            for fault in names::port_number(*number) {
                errors.invalid(&port_path, *number, fault);
            }
            if let Some(end) = port.int("endPort") {
                if end < *number {
                    errors.invalid(&path.child("endPort"), end, "must be greater than or equal to `port`");
                }
                for fault in names::port_number(end) {
                    errors.invalid(&path.child("endPort"), end, fault);
                }
            }
        }
        Some(Node::Str(name)) => {
            names::report(errors, &port_path, name, text::port_name(name));
            if let Some(end) = port.int("endPort") {
                errors.invalid(
                    &path.child("endPort"),
                    end,
                    "may not be specified when `port` is non-numeric",
                );
            }
        }
        _ => {
            if let Some(end) = port.int("endPort") {
                errors.invalid(
                    &path.child("endPort"),
                    end,
                    "may not be specified when `port` is not specified",
                );
            }
        }
    }
}

fn validate_peer(peer: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let by_label = ["podSelector", "namespaceSelector"];
    for field in by_label {
        selector::validate(peer.map(field), &path.child(field), errors);
    }
    let labelled = by_label.iter().any(|field| peer.contains(field));
    match peer.map("ipBlock") {
        Some(block) => {
            validate_block(block, &path.child("ipBlock"), errors);
            if labelled {
                errors.forbidden(path, "may not specify both ipBlock and another peer");
            }
        }
        None if !labelled => errors.required(path, "must specify a peer"),
        None => {}
    }
}

fn validate_block(block: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let cidr = block.str("cidr");
    if cidr.is_empty() {
        errors.required(&path.child("cidr"), "");
        return;
    }
    names::report(errors, &path.child("cidr"), cidr, address::cidr(cidr));
    if address::parse_cidr_lenient(cidr).is_none() {
        return;
    }
    let except = path.child("except");
    for (i, hole) in block.list("except").iter().filter_map(Node::as_str).enumerate() {
        let path = except.index(i);
        let faults = address::cidr(hole);
        if faults.is_empty() && !is_strictly_within(hole, cidr) {
            errors.invalid(&path, hole, "must be a strict subset of `cidr`");
        }
        names::report(errors, &path, hole, faults);
    }
}

fn warnings(policy: &Map, _: Option<&Map>, warnings: &mut Warnings) {
    let empty = Map::new();
    let spec = policy.map("spec").unwrap_or(&empty);
    for (direction, peers) in DIRECTIONS {
        let path = SPEC.child(direction);
        for (i, rule) in spec.maps(direction).enumerate() {
            let path = path.index(i);
            let path = path.child(peers);
            for (j, peer) in rule.maps(peers).enumerate() {
                let Some(block) = peer.map("ipBlock") else { continue };
                let path = path.index(j);
                let path = path.child("ipBlock");
                warnings.extend(address::cidr_warning(&path.child("cidr"), block.str("cidr")));
                let except = path.child("except");
                for (k, hole) in block.texts("except").enumerate() {
                    warnings.extend(address::cidr_warning(&except.index(k), hole));
                }
            }
        }
    }
}

fn is_strictly_within(inner: &str, outer: &str) -> bool {
    let (Some((inner, inner_bits)), Some((outer, outer_bits))) =
        (address::parse_cidr_lenient(inner), address::parse_cidr_lenient(outer))
    else {
        return false;
    };
    let number = |ip: std::net::IpAddr| match ip {
        std::net::IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
        std::net::IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let ((inner, family), (outer, outer_family)) = (number(inner), number(outer));
    let mask = u128::MAX.checked_shl(128 - u32::from(outer_bits)).unwrap_or(0);
    family == outer_family && inner_bits > outer_bits && inner & mask == outer & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_lie_strictly_within_their_block() {
        for (inner, outer, expected) in [
            ("10.1.0.0/16", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.0.0.0/8", false),
            ("11.0.0.0/16", "10.0.0.0/8", false),
            ("10.0.0.0/8", "0.0.0.0/0", true),
            ("fd00::/64", "fd00::/48", true),
            ("10.0.0.0/16", "fd00::/8", false),
        ] {
            assert_eq!(is_strictly_within(inner, outer), expected, "{inner} in {outer}");
        }
    }

    #[test]
    fn types_follow_the_rules_that_are_there() {
        let types = |spec: Map| {
            let mut policy = Map::from([("spec", spec)]);
            set_defaults(&mut policy);
            policy.map("spec").map(|spec| spec.list("policyTypes").len())
        };
        assert_eq!(types(Map::new()), Some(1));
        assert_eq!(types(Map::from([("egress", [Map::new()].into_iter().collect::<Node>())])), Some(2));
    }
}
