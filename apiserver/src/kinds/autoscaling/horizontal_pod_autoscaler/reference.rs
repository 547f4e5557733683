//! References to objects of any kind. Keeps: what is scaled is named by kind, name and a version with a group.

use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::tree::Map;

/// The one kind without a group that can be scaled.
const SCALABLE_WITHOUT_GROUP: &str = "ReplicationController";

/// Reports what is wrong with the `scaleTargetRef` of a spec. A version that was there before is not judged again.
pub(super) fn validate_target(spec: &Map, old: Option<&Map>, path: &Path<'_>, errors: &mut FieldErrors) {
    let empty = Map::new();
    let target = |spec: &Map| spec.map("scaleTargetRef").cloned().unwrap_or_default();
    let reference = spec.map("scaleTargetRef").unwrap_or(&empty);
    validate(reference, path, errors);
    let is_kept = |old: &Map| ["apiVersion", "kind"].iter().all(|it| old.str(it) == reference.str(it));
    if !old.is_some_and(|old| is_kept(&target(old))) {
        validate_version(reference, reference.str("kind") == SCALABLE_WITHOUT_GROUP, path, errors);
    }
}

/// Reports a reference without kind or name, or with one that cannot be in a path.
pub(super) fn validate(reference: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["kind", "name"] {
        rules::require_path_segment(reference, field, path, errors);
    }
}

/// Reports an `apiVersion` that cannot be read, or that has no group although it needs one.
pub(super) fn validate_version(
    reference: &Map,
    may_lack_group: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let version = reference.str("apiVersion");
    let path = path.child("apiVersion");
    match group(version) {
        Err(fault) => errors.invalid(&path, version, fault),
        Ok("") if !may_lack_group => errors.invalid(&path, version, "apiVersion must specify API group"),
        Ok(_) => {}
    }
}

/// The group of an `apiVersion`, or why there is none.
pub(super) fn group(version: &str) -> Result<&str, String> {
    match version.split('/').collect::<Vec<_>>()[..] {
        [_] => Ok(""),
        [group, _] => Ok(group),
        _ => Err(format!("unexpected GroupVersion string: {version}")),
    }
}
