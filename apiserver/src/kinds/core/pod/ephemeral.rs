//! The `ephemeralcontainers` endpoint: containers that are added to a running pod to look at it.

use super::{METADATA, SPEC, annotations, containers};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context};
use crate::kinds::core::difference;
use crate::tree::Map;

/// Puts back everything but the ephemeral containers.
pub(super) fn prepare(pod: &mut Map, old: &Map, _: &Context<'_>) {
    let containers = pod.map("spec").and_then(|spec| spec.get("ephemeralContainers")).cloned();
    keep_all_but_spec(pod, old);
    let mut spec = old.map("spec").cloned().unwrap_or_default();
    match containers {
        Some(containers) => spec.set("ephemeralContainers", containers),
        None => {
            spec.remove("ephemeralContainers");
        }
    }
    pod.set("spec", spec);
}

/// Puts back the status and the metadata that users write.
pub(super) fn keep_all_but_spec(pod: &mut Map, old: &Map) {
    match old.get("status") {
        Some(status) => pod.set("status", status.clone()),
        None => {
            pod.remove("status");
        }
    }
    kind::keep_metadata(pod, old, &["labels", "annotations", "finalizers", "ownerReferences"]);
}

/// Reports containers that are wrong, gone or changed.
pub(super) fn validate(pod: &Map, old: &Map, errors: &mut FieldErrors) {
    if old.annotation(annotations::MIRROR).is_some() {
        errors.forbidden(&Path::new(""), "static pods do not support ephemeral containers");
        return;
    }
    super::validate(pod, errors);
    let annotations_of = |object: &Map| object.map_at(&["metadata", "annotations"]).cloned();
    let path = METADATA.child("annotations");
    annotations::validate_update(annotations_of(pod).as_ref(), annotations_of(old).as_ref(), &path, errors);
    let path = SPEC.child("ephemeralContainers");
    let empty = Map::new();
    let spec = pod.map("spec").unwrap_or(&empty);
    let containers = containers::first_of_each_name(spec.maps("ephemeralContainers"));
    for before in old.map("spec").into_iter().flat_map(|spec| spec.maps("ephemeralContainers")) {
        let name = before.str("name");
        match containers.get(name).copied() {
            None => {
                errors
                    .forbidden(&path, format!("existing ephemeral containers {name:?} may not be removed\n"));
            }
            Some(after) if after != before => {
                let difference = difference::between(before, after);
                let detail =
                    format!("existing ephemeral containers {name:?} may not be changed\n{difference}");
                errors.forbidden(&path, detail);
            }
            Some(_) => {}
        }
    }
}
