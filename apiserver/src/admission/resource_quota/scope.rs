//! Scopes of a quota: which objects it counts.

use crate::registry::Resource;
use crate::tree::{Map, Node};

/// Whether the quota counts the object. Scopes speak of pods; a quota with scopes counts nothing else.
pub(super) fn matches(quota: &Map, resource: &Resource, object: &Map) -> bool {
    let Some(spec) = quota.map("spec") else { return false };
    let scopes = spec.list("scopes");
    let selector = spec.map("scopeSelector");
    if scopes.is_empty() && selector.is_none() {
        return true;
    }
    let Some(pod) = object.map("spec").filter(|_| resource.group_resource == "pods") else { return false };
    scopes.iter().filter_map(Node::as_str).all(|scope| in_scope(scope, pod))
        && selector
            .into_iter()
            .flat_map(|selector| selector.maps("matchExpressions"))
            .all(|it| selected(it, pod))
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
