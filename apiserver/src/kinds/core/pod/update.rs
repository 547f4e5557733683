//! What of a pod may change after it was made: images, deadlines, tolerations; gates go, and while there are some the
//! choice of nodes may narrow.

use std::collections::HashSet;

use super::{METADATA, SPEC, annotations, containers};
use crate::field::FieldErrors;
use crate::kinds::core::difference;
use crate::tree::{Map, Node};

const SENTENCE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Reports what may not change from `old`.
pub(super) fn validate(pod: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = pod.map("spec").unwrap_or(&empty);
    let old_spec = old.map("spec").unwrap_or(&empty);
    let annotations_of = |object: &Map| object.map_at(&["metadata", "annotations"]).cloned();
    let path = METADATA.child("annotations");
    annotations::validate_update(annotations_of(pod).as_ref(), annotations_of(old).as_ref(), &path, errors);
    if pod.shares("spec", old) {
        return;
    }
    for list in ["containers", "initContainers"] {
        if spec.list(list).len() != old_spec.list(list).len() {
            errors.forbidden(&SPEC.child(list), "pod updates may not add or remove containers");
            return;
        }
        for (i, container) in spec.maps(list).enumerate() {
            containers::validate_image_padding(container, &SPEC.child(list).index(i), errors);
        }
    }
    if !validate_deadline(spec, old_spec, errors) {
        return;
    }
    validate_tolerations(spec, old_spec, errors);
    validate_gates(spec, old_spec, errors);
    if spec == old_spec {
        return;
    }
    let mut munged = spec.clone();
    take_back_images(&mut munged, old_spec);
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        take_back(&mut munged, old_spec, field);
    }
    let old_grace = old_spec.int("terminationGracePeriodSeconds");
    if old_grace.is_some_and(|seconds| seconds < 0) && munged.int("terminationGracePeriodSeconds") == Some(1)
    {
        take_back(&mut munged, old_spec, "terminationGracePeriodSeconds");
    }
    if !old_spec.list("schedulingGates").is_empty() {
        allow_narrower_nodes(&mut munged, old_spec, errors);
    }
    if munged != *old_spec {
        errors.forbidden(&SPEC, format!("{SENTENCE}\n{}", difference::between(old_spec, &munged)));
    }
}

fn take_back(spec: &mut Map, old: &Map, field: &'static str) {
    match old.get(field) {
        Some(value) => spec.set(field, value.clone()),
        None => {
            spec.remove(field);
        }
    }
}

fn take_back_images(spec: &mut Map, old: &Map) {
    for list in ["containers", "initContainers"] {
        for (container, old) in super::defaults::maps_mut(spec, list).zip(old.maps(list)) {
            if container.get("image") != old.get("image") {
                take_back(container, old, "image");
            }
        }
    }
}

/// The deadline may be set, and shortened. Answers whether the rest is worth looking at.
fn validate_deadline(spec: &Map, old: &Map, errors: &mut FieldErrors) -> bool {
    let path = SPEC.child("activeDeadlineSeconds");
    let before = old.int("activeDeadlineSeconds");
    match (spec.int("activeDeadlineSeconds"), before) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            errors.invalid(&path, seconds, crate::names::outside(0, i64::from(i32::MAX)));
            false
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.invalid(&path, seconds, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            errors.invalid(&path, Node::Null, "must not update from a positive integer to nil value");
            true
        }
        _ => true,
    }
}

fn validate_tolerations(spec: &Map, old: &Map, errors: &mut FieldErrors) {
    let without_seconds = |toleration: &'_ Map| {
        ["key", "operator", "value", "effect"].map(|field| toleration.str(field).to_owned())
    };
    let new: HashSet<[String; 4]> = spec.maps("tolerations").map(without_seconds).collect();
    if old.maps("tolerations").map(without_seconds).any(|toleration| !new.contains(&toleration)) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.forbidden(&SPEC.child("tolerations"), detail);
    }
}

fn validate_gates(spec: &Map, old: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("schedulingGates");
    let known: HashSet<&str> = old.maps("schedulingGates").map(|gate| gate.str("name")).collect();
    for (i, gate) in spec.maps("schedulingGates").enumerate() {
        let name = gate.str("name");
        if !known.contains(name) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.forbidden(&path.index(i).child("name"), detail);
        }
    }
}

/// While a pod is held back its node selector and required node affinity may get stricter.
fn allow_narrower_nodes(munged: &mut Map, old: &Map, errors: &mut FieldErrors) {
    let selector = munged.map("nodeSelector").cloned().unwrap_or_default();
    let is_kept = |(key, value): (&crate::tree::Key, &Node)| selector.get(key) == Some(value);
    if !old.map("nodeSelector").into_iter().flat_map(Map::iter).all(is_kept) {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.invalid(&SPEC.child("nodeSelector"), selector, detail);
    }
    take_back(munged, old, "nodeSelector");
    let node_affinity = |spec: &Map| spec.map_at(&["affinity", "nodeAffinity"]).cloned();
    let (new_affinity, old_affinity) = (node_affinity(munged), node_affinity(old));
    if new_affinity == old_affinity {
        return;
    }
    validate_affinity(new_affinity.as_ref(), old_affinity.as_ref(), errors);
    let affinity = munged.map_mut("affinity");
    match old_affinity {
        Some(old) => affinity.set("nodeAffinity", old),
        None => {
            affinity.remove("nodeAffinity");
        }
    }
    if affinity.is_empty() && !old.contains("affinity") {
        munged.remove("affinity");
    }
}

fn validate_affinity(new: Option<&Map>, old: Option<&Map>, errors: &mut FieldErrors) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = |affinity: Option<&Map>| {
        affinity
            .and_then(|it| it.map(REQUIRED))
            .map(|it| it.list("nodeSelectorTerms").to_vec())
            .unwrap_or_default()
    };
    let (new_terms, old_terms) = (terms(new), terms(old));
    let path = SPEC.child("affinity");
    let path = path.child("nodeAffinity");
    let path = path.child(REQUIRED);
    let path = path.child("nodeSelectorTerms");
    if !old_terms.is_empty() && new_terms.len() != old_terms.len() {
        let value: Node = new_terms.into_iter().collect();
        errors.invalid(
            &path,
            value,
            "no additions/deletions to non-empty NodeSelectorTerms list are allowed",
        );
        return;
    }
    for (i, (new, old)) in new_terms.iter().zip(&old_terms).enumerate() {
        let (Some(new), Some(old)) = (new.as_map(), old.as_map()) else { continue };
        if !only_adds(new, old) {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.invalid(&path.index(i), new.clone(), detail);
        }
    }
}

/// An empty term matches nothing, so adding to it would widen it.
fn only_adds(new: &Map, old: &Map) -> bool {
    let lists = ["matchExpressions", "matchFields"];
    if lists.iter().all(|list| old.list(list).is_empty()) {
        return lists.iter().all(|list| new.list(list).is_empty());
    }
    lists.iter().all(|list| new.list(list).starts_with(old.list(list)))
}
