//! Ports of services. Keeps: names are there when there are several ports; protocol and number are unique, on the
//! service and on the nodes.

use std::collections::HashSet;

use super::SPEC;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::tree::{Map, Node};

/// Reports what is wrong with the ports of a service.
pub(super) fn validate(spec: &Map, errors: &mut FieldErrors) {
    let list = SPEC.child("ports");
    let are_several = spec.list("ports").len() > 1;
    let mut names = HashSet::new();
    for (i, port) in spec.maps("ports").enumerate() {
        let path = list.index(i);
        validate_name(port, &mut names, are_several, &path, errors);
        rules::port_number(port.int("port").unwrap_or(0), &path.child("port"), errors);
        rules::require_choice(port, "protocol", &["SCTP", "TCP", "UDP"], &path, errors);
        rules::port(port.get("targetPort"), &path.child("targetPort"), errors);
        if let Some(protocol) = port.get("appProtocol").and_then(Node::as_str) {
            rules::qualified_name(protocol, &path.child("appProtocol"), errors);
        }
        let node_port = port.int("nodePort").unwrap_or(0);
        if node_port != 0 && spec.str("type") == "ClusterIP" {
            errors.forbidden(&path.child("nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
    }
    let mut taken = HashSet::new();
    for (i, port) in spec.maps("ports").enumerate() {
        let node_port = port.int("nodePort").unwrap_or(0);
        if node_port != 0 && !taken.insert((port.str("protocol"), node_port)) {
            errors.duplicate(&list.index(i).child("nodePort"), node_port);
        }
    }
    let mut taken = HashSet::new();
    for (i, port) in spec.maps("ports").enumerate() {
        let path = list.index(i);
        if !taken.insert((port.str("protocol"), port.int("port"))) {
            let key = Map::from(
                [("protocol", "protocol"), ("port", "port")]
                    .map(|(key, field)| (key, port.get(field).cloned().unwrap_or_default())),
            );
            errors.duplicate(&path, key);
        }
    }
}

fn validate_name<'a>(
    port: &'a Map,
    names: &mut HashSet<&'a str>,
    is_required: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let name = port.str("name");
    let path = path.child("name");
    if name.is_empty() {
        if is_required {
            errors.required(&path, "");
        }
        return;
    }
    rules::dns_label(name, &path, errors);
    if !names.insert(name) {
        errors.duplicate(&path, name);
    }
}
