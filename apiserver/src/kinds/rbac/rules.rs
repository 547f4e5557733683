//! Policy rules of roles. Keeps: a rule is about resources or about other paths, never about both.

use crate::field::{FieldErrors, Path};
use crate::tree::{Map, Node};

/// Reports what is wrong with the rules of a role.
pub(super) fn validate(role: &Map, namespaced: bool, errors: &mut FieldErrors) {
    let path = Path::new("rules");
    for (i, rule) in role.maps("rules").enumerate() {
        validate_rule(rule, namespaced, &path.index(i), errors);
    }
}

fn validate_rule(rule: &Map, namespaced: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let given = |field: &str| !rule.list(field).is_empty();
    validate_target(rule, namespaced, given, path, errors);
    if !given("verbs") {
        errors.required(&path.child("verbs"), "");
    }
}

fn validate_target(
    rule: &Map,
    namespaced: bool,
    given: impl Fn(&str) -> bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if given("nonResourceURLs") {
        let urls_path = path.child("nonResourceURLs");
        let urls = || rule.get("nonResourceURLs").cloned().unwrap_or(Node::Null);
        if namespaced {
            errors.invalid(&urls_path, urls(), "namespaced rules cannot apply to non-resource URLs");
        }
        if given("apiGroups") || given("resources") || given("resourceNames") {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.invalid(&urls_path, urls(), detail);
        }
        return;
    }
    if !given("apiGroups") {
        errors.required(&path.child("apiGroups"), "resource rules must supply at least one api group");
    }
    if !given("resources") {
        errors.required(&path.child("resources"), "resource rules must supply at least one resource");
    }
}
