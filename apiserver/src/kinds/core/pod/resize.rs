//! The `resize` endpoint: CPU and memory of running containers change in place.
//!
//! Keeps: amounts may change, not appear or vanish; the quality-of-service class stays.

use super::ephemeral::keep_all_but_spec;
use super::sums::is_sidecar;
use super::{SPEC, annotations, pod_resources, qos};
use crate::field::{FieldErrors, Path};
use crate::kind::Context;
use crate::tree::{Map, Node};

const LISTS: [&str; 2] = ["containers", "initContainers"];

/// Puts back everything but resources and resize policies.
pub(super) fn prepare(pod: &mut Map, old: &Map, _: &Context<'_>) {
    let empty = Map::new();
    let new_spec = pod.map("spec").cloned().unwrap_or_default();
    let old_spec = old.map("spec").unwrap_or(&empty);
    // Added or removed containers are left for validation to see.
    if LISTS.iter().any(|list| new_spec.list(list).len() != old_spec.list(list).len()) {
        return;
    }
    let mut spec = old_spec.clone();
    for list in LISTS {
        let names = |spec: &Map| spec.maps(list).map(|it| it.str("name").to_owned()).collect::<Vec<_>>();
        if names(&new_spec) != names(old_spec) {
            if let Some(containers) = new_spec.get(list) {
                spec.set(list, containers.clone());
            }
            continue;
        }
        for (container, new) in super::defaults::maps_mut(&mut spec, list).zip(new_spec.maps(list)) {
            for field in ["resources", "resizePolicy"] {
                if container.get(field) == new.get(field) {
                    continue;
                }
                match new.get(field) {
                    Some(value) => container.set(field, value.clone()),
                    None => {
                        container.remove(field);
                    }
                }
            }
        }
    }
    if let Some(resources) = new_spec.get("resources") {
        spec.set("resources", resources.clone());
        pod_resources::complete(&mut spec);
    }
    pod.set("spec", spec);
    keep_all_but_spec(pod, old);
}

/// Reports changes that a running pod cannot take.
pub(super) fn validate(pod: &Map, old: &Map, errors: &mut FieldErrors) {
    if old.annotation(annotations::MIRROR).is_some() {
        errors.forbidden(&Path::new(""), "static pods cannot be resized");
        return;
    }
    if old.str_at(&["spec", "os", "name"]) == "windows" {
        errors.forbidden(&Path::new(""), "windows pods cannot be resized");
        return;
    }
    super::validate(pod, errors);
    let empty = Map::new();
    let spec = pod.map("spec").unwrap_or(&empty);
    let old_spec = old.map("spec").unwrap_or(&empty);
    if qos::class(spec) != qos::class(old_spec) {
        let class = pod.str_at(&["status", "qosClass"]);
        errors.invalid(&SPEC, class, "Pod QOS Class may not change as a result of resizing");
    }
    if !is_supported(old) {
        errors.forbidden(&SPEC, "Pod running on node without support for resize");
    }
    if !validate_order(spec, old_spec, errors) {
        return;
    }
    if let Some(before) = old_spec.map("resources") {
        let after = spec.map("resources").unwrap_or(&empty);
        validate_kept(after, before, "pod-level resource", &SPEC.child("resources"), errors);
        if munged(after, before) != *before {
            errors.forbidden(&SPEC, "only cpu and memory resources are mutable at pod-level");
        }
    }
    for list in LISTS {
        let list_path = SPEC.child(list);
        for (i, (container, before)) in spec.maps(list).zip(old_spec.maps(list)).enumerate() {
            validate_container(container, before, list == "containers", &list_path.index(i), errors);
        }
    }
}

/// A kubelet that can resize reports the resources of running containers.
fn is_supported(pod: &Map) -> bool {
    let statuses = pod.map("status").into_iter().flat_map(|status| status.maps("containerStatuses"));
    statuses
        .filter(|status| status.map_at(&["state", "running"]).is_some())
        .map(|status| status.contains("resources"))
        .next()
        .unwrap_or(true)
}

fn validate_order(spec: &Map, old: &Map, errors: &mut FieldErrors) -> bool {
    let before = errors.iter().count();
    for list in LISTS {
        let path = SPEC.child(list);
        if spec.list(list).len() != old.list(list).len() {
            errors.forbidden(&path, format!("{list} may not be added or removed on resize"));
            continue;
        }
        for (i, (new, old)) in spec.maps(list).zip(old.maps(list)).enumerate() {
            if new.str("name") != old.str("name") {
                let detail = format!("{list} may not be renamed or reordered on resize");
                errors.forbidden(&path.index(i).child("name"), detail);
            }
        }
    }
    errors.iter().count() == before
}

fn validate_container(
    container: &Map,
    old: &Map,
    is_regular: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let empty = Map::new();
    let (after, before) =
        (container.map("resources").unwrap_or(&empty), old.map("resources").unwrap_or(&empty));
    validate_kept(after, before, "resource", &path.child("resources"), errors);
    if munged(after, before) != without_empty(before) {
        if is_regular {
            errors.forbidden(&SPEC, "only cpu and memory resources are mutable");
        } else {
            errors
                .forbidden(path, "only cpu and memory resources for init or sidecar containers are mutable");
        }
    }
    let restarts =
        container.maps("resizePolicy").any(|policy| policy.str("restartPolicy") == "RestartContainer");
    if !is_regular && after != before && !is_sidecar(container) && restarts {
        let detail = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
        errors.forbidden(path, detail);
    }
}

fn validate_kept(new: &Map, old: &Map, what: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    for list in ["requests", "limits"] {
        let is_gone = |name: &str| new.map(list).is_none_or(|new| !new.contains(name));
        if old.map(list).into_iter().flat_map(Map::keys).any(|name| is_gone(name)) {
            errors.forbidden(&path.child(list), format!("{what} {list} cannot be removed"));
        }
    }
}

/// The resources with CPU and memory as they were.
fn munged(new: &Map, old: &Map) -> Map {
    let mut munged = new.clone();
    for list in ["requests", "limits"] {
        if !new.contains(list) && !old.contains(list) {
            continue;
        }
        let target = munged.map_mut(list);
        for name in ["cpu", "memory"] {
            match old.map(list).and_then(|old| old.get(name)) {
                Some(amount) => target.set(name, amount.clone()),
                None => {
                    target.remove(name);
                }
            }
        }
    }
    without_empty(&munged)
}

fn without_empty(resources: &Map) -> Map {
    let mut resources = resources.clone();
    resources.retain(|_, node| !matches!(node, Node::Map(map) if map.is_empty()));
    resources
}
