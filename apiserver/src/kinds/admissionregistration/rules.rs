//! Which operations on which resources somebody has a say in. Keeps: `*` stands alone.

use crate::field::{FieldErrors, Path};
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
        let path = path.index(i);
        for field in ["operations", "apiGroups", "apiVersions", "resources"] {
            validate_values(rule, field, &path.child(field), errors);
        }
        let operations = path.child("operations");
        for (j, operation) in rule.list("operations").iter().filter_map(Node::as_str).enumerate() {
            if !OPERATIONS.contains(&operation) {
                errors.not_supported(&operations.index(j), operation, &OPERATIONS);
            }
        }
        let scope = rule.str("scope");
        if rule.contains("scope") && !SCOPES.contains(&scope) {
            errors.not_supported(&path.child("scope"), scope, &SCOPES);
        }
    }
}

fn validate_values(rule: &Map, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let values: Vec<&str> = rule.list(field).iter().filter_map(Node::as_str).collect();
    if values.is_empty() {
        errors.required(path, "");
    }
    if field != "resources" && values.len() > 1 && values.contains(&"*") {
        let detail = match field {
            "operations" => "if '*' is present, must not specify other operations",
            "apiGroups" => "if '*' is present, must not specify other API groups",
            _ => "if '*' is present, must not specify other API versions",
        };
        errors.invalid(path, values.iter().copied().collect::<Node>(), detail);
    }
    if matches!(field, "apiVersions" | "resources") {
        for (i, value) in values.iter().enumerate() {
            if value.is_empty() {
                errors.required(&path.index(i), "");
            }
        }
    }
}
