//! Scopes of a quota: which objects it counts.

use crate::registry::Resource;
use crate::tree::{Map, Node};

/// Whether the quota counts the object. Scopes speak of pods and of claims; a quota with scopes counts nothing else.
pub(super) fn matches(quota: &Map, resource: &Resource, object: &Map) -> bool {
    let Some(spec) = quota.map("spec") else { return false };
    let scopes = spec.list("scopes");
    let selector = spec.map("scopeSelector");
    if scopes.is_empty() && selector.is_none() {
        return true;
    }
    let mut requirements = selector.into_iter().flat_map(|selector| selector.maps("matchExpressions"));
    let mut scopes = scopes.iter().filter_map(Node::as_str);
    if resource.group_resource == "persistentvolumeclaims" {
        let classes = attributes_classes(object);
        return scopes.all(|scope| scope == VOLUME_ATTRIBUTES_CLASS && !classes.is_empty())
            && requirements.all(|it| claim_selected(it, &classes));
    }
    let Some(pod) = object.map("spec").filter(|_| resource.group_resource == "pods") else { return false };
    scopes.all(|scope| in_scope(scope, pod)) && requirements.all(|it| selected(it, pod))
}

const VOLUME_ATTRIBUTES_CLASS: &str = "VolumeAttributesClass";

/// The classes that a claim has, wants, or is on the way to.
fn attributes_classes(claim: &Map) -> Vec<&str> {
    let classes = [
        claim.str_at(&["spec", "volumeAttributesClassName"]),
        claim.str_at(&["status", "currentVolumeAttributesClassName"]),
        claim.str_at(&["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"]),
    ];
    classes.into_iter().filter(|class| !class.is_empty()).collect()
}

fn claim_selected(requirement: &Map, classes: &[&str]) -> bool {
    let listed = |class: &str| requirement.list("values").iter().any(|value| value.as_str() == Some(class));
    requirement.str("scopeName") == VOLUME_ATTRIBUTES_CLASS
        && match requirement.str("operator") {
            "In" => classes.iter().any(|class| listed(class)),
            "NotIn" => classes.is_empty() || classes.iter().any(|class| !listed(class)),
            "DoesNotExist" => classes.is_empty(),
            _ => !classes.is_empty(),
        }
}

fn in_scope(scope: &str, pod: &Map) -> bool {
    match scope {
        "Terminating" => pod.contains("activeDeadlineSeconds"),
        "NotTerminating" => !pod.contains("activeDeadlineSeconds"),
        "BestEffort" => is_best_effort(pod),
        "NotBestEffort" => !is_best_effort(pod),
        "PriorityClass" => !pod.str("priorityClassName").is_empty(),
        "CrossNamespacePodAffinity" => crosses_namespaces(pod),
        _ => false,
    }
}

fn selected(requirement: &Map, pod: &Map) -> bool {
    let scope = requirement.str("scopeName");
    let class = pod.str("priorityClassName");
    let among = || requirement.list("values").iter().any(|value| value.as_str() == Some(class));
    match (scope, requirement.str("operator")) {
        ("PriorityClass", "In") => among(),
        ("PriorityClass", "NotIn") => !among(),
        ("PriorityClass", "DoesNotExist") => class.is_empty(),
        (scope, _) => in_scope(scope, pod),
    }
}

/// A pod that asks for nothing and is limited in nothing.
fn is_best_effort(pod: &Map) -> bool {
    let asks = |container: &Map| {
        ["requests", "limits"].iter().any(|part| {
            let part = container.map_at(&["resources", part]);
            part.is_some_and(|part| part.contains("cpu") || part.contains("memory"))
        })
    };
    !pod.maps("containers").chain(pod.maps("initContainers")).any(asks)
}

fn crosses_namespaces(pod: &Map) -> bool {
    let crosses = |term: &Map| !term.list("namespaces").is_empty() || term.contains("namespaceSelector");
    ["podAffinity", "podAntiAffinity"].iter().filter_map(|kind| pod.map_at(&["affinity", kind])).any(
        |affinity| {
            affinity.maps("requiredDuringSchedulingIgnoredDuringExecution").any(crosses)
                || affinity
                    .maps("preferredDuringSchedulingIgnoredDuringExecution")
                    .filter_map(|preferred| preferred.map("podAffinityTerm"))
                    .any(crosses)
        },
    )
}
