//! Advice about pods and templates: what is old, ignored, or probably not meant.

use std::collections::HashSet;

use super::{containers, virtual_paths};
use crate::field::Path;
use crate::kinds::core::node_labels;
use crate::names::{address, dns, label};
use crate::quantity::Quantity;
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// Adds advice about the metadata of a new pod.
pub(super) fn warn_of_metadata(pod: &Map, warnings: &mut Warnings) {
    let faults = dns::label(pod.name());
    if !faults.is_empty() {
        warnings.push(format!(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{}]",
            faults.join(" ")
        ));
    }
    let empty = Map::new();
    let annotations = pod.map_at(&["metadata", "annotations"]).unwrap_or(&empty);
    warn_of_annotations(annotations, &super::METADATA.child("annotations"), warnings);
}

/// Adds advice about the spec of a new pod; updates come from machines.
pub(super) fn warn(pod: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    if let (Some(spec), None) = (pod.map("spec"), old) {
        warn_of_spec(spec, &super::SPEC, warnings);
    }
}

/// Adds advice about a template at `path`.
pub(super) fn warn_of_template(template: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    let empty = Map::new();
    let annotations = template.map_at(&["metadata", "annotations"]).unwrap_or(&empty);
    let metadata = path.child("metadata");
    warn_of_annotations(annotations, &metadata.child("annotations"), warnings);
    warn_of_spec(template.map("spec").unwrap_or(&empty), &path.child("spec"), warnings);
}

fn warn_of_annotations(annotations: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    const OLD: [(&str, &str); 3] = [
        (
            "scheduler.alpha.kubernetes.io/critical-pod",
            "non-functional in v1.16+; use the \"priorityClassName\" field instead",
        ),
        (
            "security.alpha.kubernetes.io/sysctls",
            "non-functional in v1.11+; use the \"sysctls\" field instead",
        ),
        (
            "security.alpha.kubernetes.io/unsafe-sysctls",
            "non-functional in v1.11+; use the \"sysctls\" field instead",
        ),
    ];
    for (key, advice) in OLD.iter().filter(|(key, _)| annotations.contains(key)) {
        warnings.push(format!("{}: {advice}", path.key(key)));
    }
}

fn warn_of_spec(spec: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    warn_of_node_labels(spec, path, warnings);
    warn_of_node_affinity(spec, path, warnings);
    warn_of_selectors(spec, path, warnings);
    warn_of_volumes(spec, path, warnings);
    virtual_paths::warn(spec, warnings);
    warn_of_duplicates(spec, path, warnings);
    containers::each(spec, path, &mut |container, path| {
        warn_of_fractions(container, path, warnings);
        warn_of_hidden_variables(container, path, warnings);
    });
    warn_of_host_addresses(spec, path, warnings);
    warn_of_ports(spec, path, warnings);
    warn_of_addresses(spec, path, warnings);
}

fn warn_of_node_labels(spec: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    for key in spec.map("nodeSelector").into_iter().flat_map(Map::keys) {
        if let Some(advice) = node_labels::deprecation(key) {
            warnings.push(format!("{}: {advice}", path.child("nodeSelector").key(key)));
        }
    }
}

fn warn_of_node_affinity(spec: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    let Some(affinity) = spec.map_at(&["affinity", "nodeAffinity"]) else { return };
    let path = path.child("affinity");
    let path = path.child("nodeAffinity");
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    if let Some(selector) = affinity.map(required) {
        let path = path.child(required);
        for (i, term) in selector.maps("nodeSelectorTerms").enumerate() {
            warn_of_node_term(term, false, &path.child("nodeSelectorTerms").index(i), warnings);
        }
    }
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    for (i, weighted) in affinity.maps(preferred).enumerate() {
        if let Some(term) = weighted.map("preference") {
            let path = path.child(preferred);
            warn_of_node_term(term, true, &path.index(i).child("preference"), warnings);
        }
    }
}

/// Values that no label can have are refused in what is required, and only told of in what is preferred.
fn warn_of_node_term(term: &Map, tells_of_values: bool, path: &Path<'_>, warnings: &mut Warnings) {
    for (i, expression) in term.maps("matchExpressions").enumerate() {
        let path = path.child("matchExpressions");
        let path = path.index(i);
        let key = expression.str("key");
        if let Some(advice) = node_labels::deprecation(key) {
            warnings.push(format!("{}: {key} is {advice}", path.child("key")));
        }
        let values = expression.list("values").iter().filter_map(Node::as_str).enumerate();
        for (at, value) in values.filter(|_| tells_of_values) {
            let path = path.child("values");
            let faults = label::value(value);
            warnings.extend(
                faults.iter().map(|fault| format!("{}: {value} is invalid, {fault}", path.index(at))),
            );
        }
    }
}

fn warn_of_selectors(spec: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    const ADVICE: &str = "a null labelSelector results in matching no pod";
    for (i, constraint) in spec.maps("topologySpreadConstraints").enumerate() {
        let path = path.child("topologySpreadConstraints");
        let path = path.index(i);
        let key = constraint.str("topologyKey");
        if let Some(advice) = node_labels::deprecation(key) {
            warnings.push(format!("{}: {key} is {advice}", path.child("topologyKey")));
        }
        if !constraint.contains("labelSelector") {
            warnings.push(format!("{}: {ADVICE}", path.child("labelSelector")));
        }
    }
    let path = path.child("affinity");
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(terms) = spec.map("affinity").and_then(|affinity| affinity.map(kind)) else { continue };
        let path = path.child(kind);
        for (list, inner) in [
            ("requiredDuringSchedulingIgnoredDuringExecution", ""),
            ("preferredDuringSchedulingIgnoredDuringExecution", "podAffinityTerm"),
        ] {
            for (i, item) in terms.maps(list).enumerate() {
                let path = path.child(list);
                let path = path.index(i);
                let inner_path = path.child(inner);
                let (term, path) =
                    if inner.is_empty() { (Some(item), &path) } else { (item.map(inner), &inner_path) };
                if term.is_none_or(|term| !term.contains("labelSelector")) {
                    warnings.push(format!("{}: {ADVICE}", path.child("labelSelector")));
                }
            }
        }
    }
}

fn warn_of_volumes(spec: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    const OLD: [(&str, &str, &str); 9] = [
        ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
        ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
        ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
        ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
        ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
        ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
        ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
        ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ];
    for (i, volume) in spec.maps("volumes").enumerate() {
        for (_, shown, advice) in OLD.iter().filter(|(field, ..)| volume.contains(field)) {
            warnings.push(format!("{}: {advice}", path.child("volumes").index(i).child(shown)));
        }
    }
}

fn warn_of_duplicates(spec: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    for (list, field) in [("hostAliases", "ip"), ("imagePullSecrets", "name")] {
        let mut seen = HashSet::new();
        for (i, value) in spec.maps(list).map(|item| item.str(field)).enumerate() {
            let path = path.child(list);
            let path = path.index(i);
            if !seen.insert(value) {
                warnings.push(format!("{}: duplicate {field} {value:?}", path.child(field)));
            }
            if field == "name" && value.is_empty() {
                warnings.push(format!("{}: invalid empty name {value:?}", path.child(field)));
            }
        }
    }
}

fn warn_of_fractions(container: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    let Some(resources) = container.map("resources") else { return };
    for list in ["limits", "requests"] {
        for name in ["memory", "ephemeral-storage"] {
            let Some(text) =
                resources.map(list).map(|list| list.str(name)).filter(|text| text.ends_with('m'))
            else {
                continue;
            };
            if Quantity::parse(text).is_ok_and(|amount| amount.milli_value() % 1000 != 0) {
                let path = path.child("resources");
                let path = path.child(list);
                warnings.push(format!(
                    "{}: fractional byte value {text:?} is invalid, must be an integer",
                    path.key(name)
                ));
            }
        }
    }
}

fn warn_of_hidden_variables(container: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    let mut seen = HashSet::new();
    for (i, variable) in container.maps("env").enumerate() {
        let name = variable.str("name");
        if seen.insert(name) {
            continue;
        }
        // A value that builds on the one before does not hide it.
        let reference = format!("$({name})");
        let value = variable.str("value");
        if variable.contains("valueFrom") || value == reference || !value.contains(&reference) {
            warnings.push(format!(
                "{}: hides previous definition of {name:?}, which may be dropped when using apply",
                path.child("env").index(i)
            ));
        }
    }
}

fn warn_of_host_addresses(spec: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    containers::each(spec, path, &mut |container, path| {
        for (i, port) in container.maps("ports").enumerate() {
            let address = port.str("hostIP");
            if !address.is_empty() && port.int("hostPort").unwrap_or(0) == 0 {
                warnings.push(format!(
                    "{}: hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{} Protocol:{} HostIP:{address}}}",
                    path.child("ports").index(i),
                    port.str("name"),
                    port.int("containerPort").unwrap_or(0),
                    port.str("protocol")
                ));
            }
        }
    });
}

/// Up to how many ports of a pod are compared with each other for the sake of advice.
const PORTS_MAX: usize = 1_000;

fn warn_of_ports(spec: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    let number = |port: &Map, field: &str| port.int(field).unwrap_or(0);
    let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
    let (mut count, mut is_doubtful) = (0, false);
    containers::each(spec, path, &mut |container, _| {
        for port in container.maps("ports") {
            count += 1;
            let name = port.str("name");
            is_doubtful |= !name.is_empty() && !names.insert(name);
            is_doubtful |= !numbers.insert(number(port, "containerPort"));
        }
    });
    if !is_doubtful || count > PORTS_MAX {
        // Mostly: and then nobody needs to know where they are.
        return;
    }
    let mut seen: Vec<(String, &Map)> = Vec::new();
    containers::each(spec, path, &mut |container, path| {
        for (i, port) in container.maps("ports").enumerate() {
            if warnings.is_full() {
                return;
            }
            let here = path.child("ports").index(i).to_string();
            for (there, other) in &seen {
                let name = port.str("name");
                if !name.is_empty() && other.str("name") == name {
                    warnings.push(format!("{here}: duplicate port name {name:?} with {there}, services and probes that select ports by name will use {there}"));
                }
                let same = |field: &str| number(port, field) == number(other, field);
                if !same("containerPort") || port.str("protocol") != other.str("protocol") {
                    continue;
                }
                let (ip, other_ip) = (port.str("hostIP"), other.str("hostIP"));
                let words = if ip == other_ip && same("hostPort") {
                    "duplicate"
                } else if number(port, "hostPort") == 0 || number(other, "hostPort") == 0 {
                    "overlapping"
                } else if same("hostPort") && ip.is_empty() != other_ip.is_empty() {
                    "dangerously ambiguous"
                } else {
                    continue;
                };
                warnings.push(format!("{here}: {words} port definition with {there}"));
            }
            seen.push((here, port));
        }
    });
}

fn warn_of_addresses(spec: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    for (i, server) in spec.map("dnsConfig").into_iter().flat_map(|it| it.texts("nameservers")).enumerate() {
        let path = path.child("dnsConfig");
        let path = path.child("nameservers");
        warnings.extend(address::ip_warning(&path.index(i), server));
    }
    for (i, alias) in spec.maps("hostAliases").enumerate() {
        let path = path.child("hostAliases");
        let path = path.index(i);
        warnings.extend(address::ip_warning(&path.child("ip"), alias.str("ip")));
    }
}
