//! Node: a machine that runs pods. Keeps: addresses of pods and the provider's id never change once set; a node may
//! be created with its status, because kubelets register themselves.

use std::collections::HashSet;

use super::{pod, rules};
use crate::field::{Cause, FieldErrors, Path};
use crate::kind::{
    self, Action, BodyKind, Connect, Context, FieldValue, Kind, Names, Scope, Selectable, Subresource,
    Version, column, wide,
};
use crate::names::{self, address, label};
use crate::tree::{List, Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "Node",
        plural: "nodes",
        singular: "node",
        short: &["no"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.Node")],
    subresources: &[
        Subresource {
            name: "proxy",
            verbs: &["create", "delete", "get", "patch", "update"],
            body: Some(BodyKind {
                group: "",
                version: "v1",
                kind: "NodeProxyOptions",
                schema: "io.k8s.api.core.v1.NodeProxyOptions",
            }),
            action: Action::Connect(Connect::Proxy),
        },
        kind::status(prepare_status, validate_update),
    ],
    columns: &[
        kind::NAME,
        column("Status", "string", |it, _| status(it).into()),
        column("Roles", "string", |it, _| roles(it).into()),
        kind::AGE,
        column("Version", "string", |it, _| it.str_at(&["status", "nodeInfo", "kubeletVersion"]).into()),
        wide("Internal-IP", "string", |it, _| address_of(it, "InternalIP").into()),
        wide("External-IP", "string", |it, _| address_of(it, "ExternalIP").into()),
        wide("OS-Image", "string", |it, _| info(it, "osImage").into()),
        wide("Kernel-Version", "string", |it, _| kernel(it).into()),
        wide("Container-Runtime", "string", |it, _| info(it, "containerRuntimeVersion").into()),
    ],
    selectable: &[Selectable {
        name: "spec.unschedulable",
        value: FieldValue::Of(|it| {
            if it.at(&["spec", "unschedulable"]) == Some(&Node::Bool(true)) { "true" } else { "false" }.into()
        }),
        indexed: false,
    }],
    set_defaults,
    validate,
    validate_update: |it, old, errors| validate_update(it, old, errors),
    warnings,
    ..Kind::DEFAULT
};

fn status(node: &Map) -> String {
    let conditions = node.map("status").into_iter().flat_map(|status| status.maps("conditions"));
    let mut words = vec!["Unknown"];
    for condition in conditions.filter(|condition| condition.str("type") == "Ready") {
        words[0] = if condition.str("status") == "True" { "Ready" } else { "NotReady" };
    }
    if node.at(&["spec", "unschedulable"]) == Some(&Node::Bool(true)) {
        words.push("SchedulingDisabled");
    }
    words.join(",")
}

fn roles(node: &Map) -> String {
    let labels = node.map_at(&["metadata", "labels"]);
    let mut roles: Vec<&str> = labels
        .into_iter()
        .flat_map(Map::iter)
        .filter_map(|(key, value)| match key.as_str() {
            "kubernetes.io/role" => value.as_str(),
            key => key.strip_prefix("node-role.kubernetes.io/"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}

fn address_of<'a>(node: &'a Map, kind: &str) -> &'a str {
    let addresses = node.map("status").into_iter().flat_map(|status| status.maps("addresses"));
    addresses
        .filter(|address| address.str("type") == kind)
        .map(|address| address.str("address"))
        .next()
        .unwrap_or("<none>")
}

fn info<'a>(node: &'a Map, field: &str) -> &'a str {
    match node.str_at(&["status", "nodeInfo", field]) {
        "" => "<unknown>",
        text => text,
    }
}

fn kernel(node: &Map) -> String {
    let version = info(node, "kernelVersion");
    match node.str_at(&["status", "nodeInfo", "architecture"]) {
        "" => version.to_owned(),
        architecture => format!("{version} ({architecture})"),
    }
}

fn set_defaults(node: &mut Map) {
    if let Some(spec) = node.existing_map_mut("spec") {
        keep_cidrs_equal(spec);
    }
    let Some(status) = node.existing_map_mut("status") else { return };
    if !status.contains("allocatable")
        && let Some(capacity) = status.get("capacity").cloned()
    {
        status.set("allocatable", capacity);
    }
    for list in ["capacity", "allocatable"] {
        pod::defaults::round_resources(status.existing_map_mut(list));
    }
}

/// `podCIDR` is the first of `podCIDRs`: clients set either, and the single one wins.
fn keep_cidrs_equal(spec: &mut Map) {
    let first = spec.list("podCIDRs").first().cloned();
    match spec.get("podCIDR").cloned().filter(|single| single.as_str() != Some("")) {
        Some(single) if first.as_ref() != Some(&single) => {
            spec.set("podCIDRs", [single].into_iter().collect::<List>());
        }
        Some(_) => {}
        None => {
            if let Some(first) = first {
                spec.set("podCIDR", first);
            }
        }
    }
}

fn prepare_status(node: &mut Map, old: &Map, context: &Context<'_>) {
    kind::keep_all_but_status(node, old, context);
    if old.at(&["status", "config"]).is_none()
        && let Some(status) = node.existing_map_mut("status")
    {
        status.remove("config");
    }
}

const METADATA: Path<'static> = Path::new("metadata");
const SPEC: Path<'static> = Path::new("spec");
const STATUS: Path<'static> = Path::new("status");

fn validate(node: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = node.map("spec").unwrap_or(&empty);
    validate_taints(spec, errors);
    validate_resources(node, errors);
    validate_features(node, errors);
    validate_cidrs(spec, errors);
}

fn validate_taints(spec: &Map, errors: &mut FieldErrors) {
    // Below `metadata`, as upstream reports them.
    let list = METADATA.child("taints");
    let mut seen = HashSet::new();
    for (i, taint) in spec.maps("taints").enumerate() {
        let path = list.index(i);
        let (key, value, effect) = (taint.str("key"), taint.str("value"), taint.str("effect"));
        rules::qualified_name(key, &path.child("key"), errors);
        let faults = label::value(value);
        if !faults.is_empty() {
            errors.invalid(&path.child("value"), value, faults.join(";"));
        }
        rules::require_choice_in_order(taint, "effect", pod::tolerations::EFFECTS, &path, errors);
        if !seen.insert((key, effect)) {
            let detail = "taints must be unique by key and effect pair";
            errors.add(Cause::Duplicate, &path, &taint.clone().into(), detail);
        }
    }
}

fn validate_resources(node: &Map, errors: &mut FieldErrors) {
    let Some(status) = node.map("status") else { return };
    for list in ["capacity", "allocatable"] {
        let path = STATUS.child(list);
        for (name, amount) in pod::resources::entries(status, list) {
            pod::resources::validate_quantity(name, amount, &path.child(name), errors);
        }
    }
}

/// Names of features are paths in camel case, sorted and unique.
fn validate_features(node: &Map, errors: &mut FieldErrors) {
    const NAME_MAX: usize = 253;
    let Some(status) = node.map("status") else { return };
    let list = STATUS.child("declaredFeatures");
    let mut before = "";
    for (i, name) in status.texts("declaredFeatures").enumerate() {
        let path = list.index(i);
        let is_segment = |segment: &str| {
            segment.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if name.len() > NAME_MAX {
            errors.invalid(
                &path,
                name,
                format!("invalid feature name {name:?}: must be no more than {NAME_MAX} characters"),
            );
        } else if !(name.starts_with(|c: char| c.is_ascii_uppercase()) && name.split('/').all(is_segment)) {
            errors.invalid(&path, name, format!("invalid feature name {name:?}: must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"));
        }
        if i > 0 && before == name {
            errors.duplicate(&path, name);
        } else if i > 0 && before > name {
            errors.invalid(&path, name, "list must be sorted alphabetically");
        }
        before = name;
    }
}

fn validate_cidrs(spec: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("podCIDRs");
    let blocks: Vec<&str> = spec.texts("podCIDRs").collect();
    for (i, block) in blocks.iter().enumerate() {
        names::report(errors, &path.index(i), block, address::cidr(block));
    }
    let families: Vec<bool> = blocks
        .iter()
        .filter_map(|block| address::parse_cidr_lenient(block))
        .map(|(ip, _)| ip.is_ipv6())
        .collect();
    if blocks.len() > 2 || (blocks.len() == 2 && families.len() == 2 && families[0] == families[1]) {
        let value = spec.get("podCIDRs").cloned().unwrap_or_default();
        errors.invalid(&path, value, "may specify no more than one CIDR for each IP family");
    }
}

fn validate_update(node: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = node.map("spec").unwrap_or(&empty);
    let old_spec = old.map("spec").unwrap_or(&empty);
    validate_resources(node, errors);
    validate_features(node, errors);
    validate_addresses(node, errors);
    if !old_spec.list("podCIDRs").is_empty() && old_spec.list("podCIDRs") != spec.list("podCIDRs") {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        errors.forbidden(&SPEC.child("podCIDRs"), detail);
    }
    let (id, old_id) = (spec.str("providerID"), old_spec.str("providerID"));
    if !old_id.is_empty() && id != old_id {
        let word = if id.is_empty() { "cleared" } else { "modified" };
        errors.invalid(&SPEC.child("providerID"), Node::Null, format!("field cannot be {word} once set"));
    }
    if spec.get("externalID") != old_spec.get("externalID") {
        errors.forbidden(&SPEC.child("externalID"), "may not be updated");
    }
}

fn validate_addresses(node: &Map, errors: &mut FieldErrors) {
    let addresses = node.map("status").map_or(&[][..], |status| status.list("addresses"));
    let mut seen = HashSet::new();
    for (i, address) in addresses.iter().enumerate() {
        if !seen.insert(address) {
            errors.duplicate(&STATUS.child("addresses").index(i), address.clone());
        }
    }
}

fn warnings(node: &Map, _: Option<&Map>, warnings: &mut Warnings) {
    let Some(spec) = node.map("spec") else { return };
    if spec.contains("configSource") {
        warnings.push("spec.configSource: the feature is removed".to_owned());
    }
    if !spec.str("externalID").is_empty() {
        warnings.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
    }
    let path = SPEC.child("podCIDRs");
    for (i, block) in spec.texts("podCIDRs").enumerate() {
        warnings.extend(address::cidr_warning(&path.index(i), block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(labels: &[(&'static str, &str)], ready: &str) -> Map {
        let labels: Map = labels.iter().copied().collect();
        let condition = Map::from([("type", "Ready"), ("status", ready)]);
        Map::from([
            ("metadata", Map::from([("labels", labels)])),
            ("status", Map::from([("conditions", List::from([Node::from(condition)]))])),
        ])
    }

    #[test]
    fn cells_tell_status_and_roles() {
        let worker = node(&[("node-role.kubernetes.io/worker", ""), ("kubernetes.io/role", "edge")], "True");
        assert_eq!((status(&worker).as_str(), roles(&worker).as_str()), ("Ready", "edge,worker"));
        let mut cordoned = node(&[], "Unknown");
        cordoned.map_mut("spec").set("unschedulable", true);
        assert_eq!(
            (status(&cordoned).as_str(), roles(&cordoned).as_str()),
            ("NotReady,SchedulingDisabled", "<none>")
        );
        assert_eq!(status(&Map::new()), "Unknown");
    }

    #[test]
    fn the_first_cidr_is_both_singular_and_plural() {
        let mut node = Map::from([("spec", Map::from([("podCIDR", "10.0.0.0/24")]))]);
        set_defaults(&mut node);
        assert_eq!(node.to_string(), r#"{"spec":{"podCIDR":"10.0.0.0/24","podCIDRs":["10.0.0.0/24"]}}"#);
        let mut errors = FieldErrors::new();
        let mut moved = node.clone();
        moved.map_mut("spec").set("podCIDRs", List::from([Node::from("10.1.0.0/24")]));
        validate_update(&moved, &node, &mut errors);
        assert_eq!(
            errors.to_string(),
            "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"
        );
    }
}
