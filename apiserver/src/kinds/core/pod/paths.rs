//! Paths inside containers and volumes: relative ones that stay below where they begin.

use crate::field::{FieldErrors, Path};

/// Reports a path that is absolute or goes up.
pub(super) fn descending(target: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if target.starts_with('/') {
        errors.invalid(path, target, "must be a relative path");
    }
    no_backsteps(target, path, errors);
}

/// Reports a path that goes up.
pub(in crate::kinds::core) fn no_backsteps(target: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if has_backsteps(target) {
        errors.invalid(path, target, "must not contain '..'");
    }
}

/// Whether a path goes up.
pub(super) fn has_backsteps(target: &str) -> bool {
    target.split('/').any(|part| part == "..")
}

/// Reports a path that a volume's own files could collide with.
pub(super) fn not_reserved(target: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    descending(target, path, errors);
    if target.starts_with("..") && !target.starts_with("../") {
        errors.invalid(path, target, "must not start with '..'");
    }
}
