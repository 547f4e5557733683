//! Which operations on which resources somebody has a say in. Keeps: `*` stands alone.

use std::collections::HashSet;

use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules::choice;
use crate::names;
use crate::tree::{Map, Node};

const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];

/// A rule without a scope applies to both.
pub(super) fn set_defaults(owner: &mut Map, list: &str) {
    for rule in owner.existing_list_mut(list).into_iter().flatten().filter_map(Node::as_map_mut) {
        rule.set_default("scope", "*");
    }
}

/// Reports what is wrong with the rules in `list` of `owner`.
pub(super) fn validate(owner: &Map, list: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child(list);
    for (i, rule) in owner.maps(list).enumerate() {
        validate_rule(rule, &path.index(i), errors);
    }
}

fn validate_rule(rule: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_names(rule, &path.child("resourceNames"), errors);
    validate_values(rule, "operations", "operations", path, errors);
    let operations = path.child("operations");
    for (i, operation) in rule.texts("operations").enumerate() {
        if !OPERATIONS.contains(&operation) {
            errors.not_supported(&operations.index(i), operation, &OPERATIONS);
        }
    }
    validate_values(rule, "apiGroups", "API groups", path, errors);
    validate_values(rule, "apiVersions", "API versions", path, errors);
    require_each(rule, "apiVersions", path, errors);
    validate_resources(rule, path, errors);
    choice(rule, "scope", &SCOPES, path, errors);
}

fn validate_names(rule: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = HashSet::new();
    for (i, name) in rule.texts("resourceNames").enumerate() {
        names::report(errors, &path.index(i), name, names::path_segment(name, false));
        if !seen.insert(name) {
            errors.duplicate(&path.index(i), name);
        }
    }
}

fn validate_values(rule: &Map, field: &str, noun: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let count = rule.list(field).len();
    if count == 0 {
        errors.required(&path.child(field), "");
    }
    if count > 1 && rule.texts(field).any(|value| value == "*") {
        let value: Node = rule.texts(field).collect();
        errors.invalid(
            &path.child(field),
            value,
            format!("if '*' is present, must not specify other {noun}"),
        );
    }
}

fn require_each(rule: &Map, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child(field);
    for (i, value) in rule.texts(field).enumerate() {
        if value.is_empty() {
            errors.required(&path.index(i), "");
        }
    }
}

/// Resources may be followed by subresources, and either may be `*`.
fn validate_resources(rule: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let resources: Vec<&str> = rule.texts("resources").collect();
    if resources.is_empty() {
        errors.required(&path.child("resources"), "");
    }
    require_each(rule, "resources", path, errors);
    let path = path.child("resources");
    let mut last_is_whole = false;
    let mut seen = HashSet::new();
    for (i, resource) in resources.iter().enumerate().filter(|(_, resource)| !resource.is_empty()) {
        let Some((name, subresource)) = resource.split_once('/') else {
            last_is_whole = *resource != "*";
            continue;
        };
        for wildcard in [format!("{name}/*"), format!("*/{subresource}")] {
            if seen.contains(wildcard.as_str()) {
                let detail = format!("if '{wildcard}' is present, must not specify {resource}");
                errors.invalid(&path.index(i), *resource, detail);
            }
        }
        seen.insert(*resource);
    }
    let whole = || resources.iter().copied().collect::<Node>();
    if resources.len() > 1 && resources.contains(&"*/*") {
        errors.invalid(&path, whole(), "if '*/*' is present, must not specify other resources");
    }
    if resources.contains(&"*") && last_is_whole {
        let detail = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(&path, whole(), detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(field: &'static str, values: &[&str]) -> Vec<String> {
        let mut rule = Map::new();
        for (field, value) in
            [("operations", "CREATE"), ("apiGroups", ""), ("apiVersions", "v1"), ("resources", "pods")]
        {
            rule.set(field, [value].into_iter().collect::<Node>());
        }
        rule.set(field, values.iter().copied().collect::<Node>());
        let owner = Map::from([("rules", [rule].into_iter().collect::<Node>())]);
        let mut errors = FieldErrors::new();
        validate(&owner, "rules", &Path::new("hook"), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_wildcard_stands_alone() {
        assert_eq!(refusals("resources", &["pods", "pods/status", "*/scale"]), Vec::<String>::new());
        assert_eq!(
            refusals("apiGroups", &["*", "apps"]),
            [
                "hook.rules[0].apiGroups: Invalid value: [\"*\",\"apps\"]: if '*' is present, must not specify other API groups"
            ]
        );
        assert_eq!(
            refusals("resources", &["pods/*", "pods/status"]),
            [
                "hook.rules[0].resources[1]: Invalid value: \"pods/status\": if 'pods/*' is present, must not specify pods/status"
            ]
        );
        assert_eq!(
            refusals("resources", &["*", "pods"]),
            [
                "hook.rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must not specify other resources without subresources"
            ]
        );
    }

    #[test]
    fn names_of_resources_are_unique_and_can_stand_in_a_path() {
        assert_eq!(
            refusals("resourceNames", &["a", "a", "b/c"]),
            [
                "hook.rules[0].resourceNames[1]: Duplicate value: \"a\"",
                "hook.rules[0].resourceNames[2]: Invalid value: \"b/c\": may not contain '/'",
            ]
        );
    }
}
