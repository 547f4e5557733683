//! Pod-level resources: what the pod as a whole asks for, completed from what its containers ask for.
//!
//! Keeps: only a pod that already asks for something as a whole is completed.

use super::{resources, sums};
use crate::quantity::Quantity;
use crate::tree::{Map, Node};

/// Fills in requests and limits of the pod that its containers imply.
pub(super) fn complete(spec: &mut Map) {
    let Some(own) = spec.map("resources") else { return };
    let is_empty = |list: &str| own.map(list).is_none_or(Map::is_empty);
    if is_empty("limits") && is_empty("requests") {
        return;
    }
    let mut own = own.clone();
    complete_huge_pages(spec, &mut own);
    complete_requests(spec, &mut own);
    complete_limits(spec, &mut own);
    own.retain(|_, node| !matches!(node, Node::Map(list) if list.is_empty()));
    spec.set("resources", own);
}

/// Huge pages are not shared: the pod's limit is what its containers have, unless it asks for them itself.
fn complete_huge_pages(spec: &Map, own: &mut Map) {
    for name in names(spec).into_iter().filter(|name| resources::is_huge_pages(name)) {
        let sum = sums::container_limits(spec, &name);
        let asked = own.map("requests").is_some_and(|requests| requests.contains(&name));
        if !sum.is_zero() && !asked {
            own.map_mut("limits").set_default(ecow::EcoString::from(name), sum.canonical());
        }
    }
}

fn complete_requests(spec: &Map, own: &mut Map) {
    let limits = own.map("limits").cloned().unwrap_or_default();
    let names = names(spec);
    let requests = own.map_mut("requests");
    for name in
        names.iter().filter(|name| resources::is_pod_level(name) && resources::is_overcommit_allowed(name))
    {
        let sum = sums::container_requests(spec, name);
        if sum > Quantity::ZERO {
            requests.set_default(ecow::EcoString::from(name.as_str()), sum.canonical());
        }
    }
    for (name, limit) in limits.iter().filter(|(name, _)| resources::is_pod_level(name)) {
        requests.set_default(name.clone(), limit.clone());
    }
}

/// When every container has a limit the pod has one too, and not below what it asks for.
fn complete_limits(spec: &Map, own: &mut Map) {
    let requests = own.map("requests").cloned().unwrap_or_default();
    for name in requests.keys().filter(|name| resources::is_pod_level(name)) {
        let is_limited = |container: &Map| {
            container.map_at(&["resources", "limits"]).is_some_and(|limits| limits.contains(name))
        };
        if !["containers", "initContainers"].into_iter().flat_map(|list| spec.maps(list)).all(is_limited) {
            continue;
        }
        let requested = resources::amount(own, "requests", name).unwrap_or(Quantity::ZERO);
        let limit = sums::container_limits(spec, name).max(requested);
        own.map_mut("limits").set_default(name.clone(), limit.canonical());
    }
}

/// The names of all resources that containers ask for.
fn names(spec: &Map) -> Vec<String> {
    let mut names: Vec<String> = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| spec.maps(list))
        .filter_map(|container| container.map("resources"))
        .flat_map(|own| ["requests", "limits"].into_iter().filter_map(|list| own.map(list)))
        .flat_map(Map::keys)
        .map(|key| key.as_str().to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
