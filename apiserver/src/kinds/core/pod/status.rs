//! The `status` endpoint of pods, which kubelets write.
//!
//! Keeps: the spec and the owners come from the stored pod; the quality-of-service class never changes; a container
//! that has ended for good does not come back.

use std::collections::{HashMap, HashSet};

use super::{METADATA, annotations, containers};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context};
use crate::kinds::core::rules;
use crate::names::{self, address};
use crate::tree::{List, Map, Node};

const STATUS: Path<'static> = Path::new("status");

/// The pod's first IP; empty when it has none.
pub(super) fn first_ip(pod: &Map) -> &str {
    let first = pod.map("status").and_then(|status| status.maps("podIPs").next());
    first.map_or("", |ip| ip.str("ip"))
}

/// `podIP` is the first of `podIPs`; old kubelets set the single one alone, and it wins.
pub(super) fn keep_ips_equal(status: &mut Map) {
    let single = status.str("podIP").to_owned();
    let first = status.maps("podIPs").next().map(|ip| ip.str("ip").to_owned());
    match first {
        Some(first) if single.is_empty() => status.set("podIP", first),
        first if !single.is_empty() && first.as_deref() != Some(&single) => {
            let ip = Map::from([("ip", single)]);
            status.set("podIPs", [Node::from(ip)].into_iter().collect::<List>());
        }
        _ => {}
    }
}

/// Puts back what this endpoint does not write.
pub(super) fn prepare(pod: &mut Map, old: &Map, context: &Context<'_>) {
    kind::keep_all_but_status(pod, old, context);
    kind::keep_metadata(pod, old, &["ownerReferences"]);
    let empty = Map::new();
    let old_status = old.map("status").unwrap_or(&empty);
    let status = pod.map_mut("status");
    // Clients that do not know these fields drop them without meaning to.
    for field in [
        "qosClass",
        "resourceClaimStatuses",
        "extendedResourceClaimStatus",
        "nodeAllocatableResourceClaimStatuses",
        "observedGeneration",
    ] {
        if let Some(value) = old_status.get(field) {
            status.set_default(field, value.clone());
        }
    }
    keep_condition_generations(status, old_status);
}

fn keep_condition_generations(status: &mut Map, old: &Map) {
    let known: HashMap<&str, i64> = old
        .maps("conditions")
        .filter_map(|condition| Some((condition.str("type"), condition.int("observedGeneration")?)))
        .collect();
    if known.is_empty() {
        return;
    }
    for condition in super::defaults::maps_mut(status, "conditions") {
        let generation = known.get(condition.str("type")).copied();
        if condition.int("observedGeneration").unwrap_or(0) == 0
            && let Some(generation) = generation
        {
            condition.set("observedGeneration", generation);
        }
    }
}

/// Reports what is wrong with a new status.
pub(super) fn validate(pod: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let status = pod.map("status").unwrap_or(&empty);
    let old_status = old.map("status").unwrap_or(&empty);
    let annotations_of = |object: &'_ Map| object.map_at(&["metadata", "annotations"]).cloned();
    let path = METADATA.child("annotations");
    annotations::validate_update(annotations_of(pod).as_ref(), annotations_of(old).as_ref(), &path, errors);
    validate_conditions(status, errors);
    validate_nomination(status, old_status, old, errors);
    if let Some(generation) = status.int("observedGeneration").filter(|generation| *generation < 0) {
        errors.invalid(&STATUS.child("observedGeneration"), generation, "must be a non-negative integer");
    }
    errors.immutable(&STATUS.child("qosClass"), status.get("qosClass"), old_status.get("qosClass"));
    validate_transitions(old.map("spec").unwrap_or(&empty), status, old_status, errors);
    validate_claims(pod, status, errors);
    validate_ips(status, "podIP", "podIPs", errors);
    validate_ips(status, "hostIP", "hostIPs", errors);
}

fn validate_conditions(status: &Map, errors: &mut FieldErrors) {
    let list = STATUS.child("conditions");
    for (i, condition) in status.maps("conditions").enumerate() {
        let path = list.index(i);
        if let Some(generation) = condition.int("observedGeneration").filter(|generation| *generation < 0) {
            errors.invalid(&path.child("observedGeneration"), generation, "must be a non-negative integer");
        }
        let kind = condition.str("type");
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            rules::qualified_name(kind, &path.child("Type"), errors);
        }
    }
}

fn validate_nomination(status: &Map, old_status: &Map, old: &Map, errors: &mut FieldErrors) {
    let name = status.str("nominatedNodeName");
    if name.is_empty() || name == old_status.str("nominatedNodeName") {
        return;
    }
    let path = STATUS.child("nominatedNodeName");
    rules::dns_subdomain(name, &path, errors);
    if !old.str_at(&["spec", "nodeName"]).is_empty() {
        errors.forbidden(&path, "may not be set on pods that are already bound to a node");
    }
}

fn validate_transitions(spec: &Map, status: &Map, old_status: &Map, errors: &mut FieldErrors) {
    let containers = || ["initContainers", "containers"].into_iter().flat_map(|list| spec.maps(list));
    let restarts_all = containers()
        .flat_map(|container| container.maps("restartPolicyRules"))
        .any(|rule| rule.str("action") == "RestartAllContainers");
    const LISTS: [(&str, &str); 3] = [
        ("containerStatuses", "containers"),
        ("initContainerStatuses", "initContainers"),
        ("ephemeralContainerStatuses", ""),
    ];
    for (list, specs) in LISTS {
        if restarts_all && !specs.is_empty() {
            continue;
        }
        let path = STATUS.child(list);
        let is_running = |container: &&Map| container.map_at(&["state", "terminated"]).is_none();
        let running: HashSet<&str> =
            status.maps(list).filter(is_running).map(|container| container.str("name")).collect();
        let specs = containers::first_of_each_name(spec.maps(specs));
        for (i, before) in old_status.maps(list).enumerate() {
            let Some(terminated) = before.map_at(&["state", "terminated"]) else { continue };
            let name = before.str("name");
            let container = specs.get(name).copied();
            let exit_code = terminated.int("exitCode").unwrap_or(0);
            let came_back = running.contains(name);
            if came_back && !container.is_some_and(|container| restarts(container, spec, exit_code)) {
                let detail = "may not be transitioned to non-terminated state";
                errors.forbidden(&path.index(i).child("state"), detail);
            }
        }
    }
}

/// Whether a container that ended with an exit code is started again.
fn restarts(container: &Map, spec: &Map, exit_code: i64) -> bool {
    let is_restarted = |policy: &str| match policy {
        "OnFailure" => exit_code != 0,
        "Never" => false,
        _ => true,
    };
    if !container.contains("restartPolicy") {
        return is_restarted(spec.str("restartPolicy"));
    }
    let is_ruled = container.maps("restartPolicyRules").any(|rule| {
        let Some(codes) = rule.map("exitCodes") else { return false };
        let is_listed = codes.list("values").contains(&Node::Int(exit_code));
        rule.str("action") == "Restart" && (codes.str("operator") == "In") == is_listed
    });
    is_ruled || is_restarted(container.str("restartPolicy"))
}

fn validate_claims(pod: &Map, status: &Map, errors: &mut FieldErrors) {
    let list = STATUS.child("resourceClaimStatuses");
    let known: HashSet<&str> = pod
        .map("spec")
        .into_iter()
        .flat_map(|spec| spec.maps("resourceClaims"))
        .map(|claim| claim.str("name"))
        .collect();
    let mut seen = HashSet::new();
    for (i, claim) in status.maps("resourceClaimStatuses").enumerate() {
        let path = list.index(i);
        let name = claim.str("name");
        if !known.contains(name) {
            errors.invalid(
                &path.child("name"),
                name,
                "must match the name of an entry in `spec.resourceClaims`",
            );
        }
        if !seen.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
        if claim.contains("resourceClaimName") {
            rules::dns_subdomain(claim.str("resourceClaimName"), &path.child("resourceClaimName"), errors);
        }
    }
}

fn validate_ips(status: &Map, single: &str, list: &str, errors: &mut FieldErrors) {
    let path = STATUS.child(list);
    let addresses: Vec<&str> = status.maps(list).map(|ip| ip.str("ip")).collect();
    for (i, text) in addresses.iter().enumerate() {
        names::report(errors, &path.index(i), text, address::ip(text));
    }
    let is_pair = addresses.len() == 2 && address::is_ipv6(addresses[0]) != address::is_ipv6(addresses[1]);
    let value = || status.get(list).cloned().unwrap_or_default();
    if addresses.len() > 1 && !is_pair {
        errors.invalid(&path, value(), "may specify no more than one IP for each IP family");
    }
    match (status.str(single), addresses.first()) {
        (first, Some(in_list)) if first != *in_list => {
            let detail = format!("must be equal to `{single}`");
            errors.invalid(&path.index(0).child("ip"), *in_list, detail);
        }
        (first, None) if !first.is_empty() && single == "podIP" => {
            errors.invalid(&path, value(), "podIP and podIPs must either both be set or both be unset");
        }
        _ => {}
    }
}
