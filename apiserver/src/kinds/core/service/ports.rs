//! Ports of services. Keeps: names are there when there are several ports; protocol and number are unique, on the
//! service and on the nodes.

use super::SPEC;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::tree::{Map, Node};

/// Reports what is wrong with the ports of a service.
pub(super) fn validate(spec: &Map, errors: &mut FieldErrors) {
    let list = SPEC.child("ports");
    let ports: Vec<&Map> = spec.maps("ports").collect();
    for (i, port) in ports.iter().enumerate() {
        let path = list.index(i);
        validate_name(port, &ports[..i], ports.len() > 1, &path, errors);
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
    for (i, port) in ports.iter().enumerate() {
        let path = list.index(i);
        let same = |field: &str| {
            ports[..i].iter().any(|other| {
                other.str("protocol") == port.str("protocol") && other.int(field) == port.int(field)
            })
        };
        let node_port = port.int("nodePort").unwrap_or(0);
        if node_port != 0 && same("nodePort") {
            errors.duplicate(&path.child("nodePort"), node_port);
        }
        if same("port") {
            let key = Map::from(
                [("protocol", "protocol"), ("port", "port")]
                    .map(|(key, field)| (key, port.get(field).cloned().unwrap_or_default())),
            );
            errors.duplicate(&path, key);
        }
    }
}

fn validate_name(port: &Map, before: &[&Map], is_required: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = port.str("name");
    let path = path.child("name");
    if name.is_empty() {
        if is_required {
            errors.required(&path, "");
        }
        return;
    }
    rules::dns_label(name, &path, errors);
    if before.iter().any(|other| other.str("name") == name) {
        errors.duplicate(&path, name);
    }
}
