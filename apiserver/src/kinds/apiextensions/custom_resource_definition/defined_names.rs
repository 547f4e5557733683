//! The names of a defined kind, wished for and accepted alike. Keeps: each can stand in a path; a kind and its list
//! are told apart.

use super::SPEC;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::names::{Faults, dns};
use crate::tree::{Map, Node};

/// Reports what is wrong with `spec.names`, where all but the short ones must be given.
pub(super) fn validate_defined(names: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("names");
    for field in ["plural", "singular", "kind", "listKind"] {
        rules::require_text(names, field, &path, errors);
    }
    validate(names, &path, errors);
}

/// Reports what is wrong with the names that are given.
pub(super) fn validate(names: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["plural", "singular"] {
        report(names.str(field), dns::label_1035(names.str(field)), "", &path.child(field), errors);
    }
    for field in ["kind", "listKind"] {
        let faults = dns::label_1035(&names.str(field).to_lowercase());
        let introduction = "may have mixed case, but should otherwise match: ";
        report(names.str(field), faults, introduction, &path.child(field), errors);
    }
    validate_list(names, "shortNames", path, errors);
    let kind = names.str("kind");
    if !kind.is_empty() && kind == names.str("listKind") {
        errors.invalid(&path.child("listKind"), kind, "kind and listKind may not be the same");
    }
    validate_list(names, "categories", path, errors);
}

fn report(name: &str, faults: Faults, introduction: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if !name.is_empty() && !faults.is_empty() {
        errors.invalid(path, name, format!("{introduction}{}", faults.join(",")));
    }
}

fn validate_list(names: &Map, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child(field);
    for (i, name) in names.list(field).iter().map(|name| Node::as_str(name).unwrap_or_default()).enumerate() {
        let faults = dns::label_1035(name);
        if !faults.is_empty() {
            errors.invalid(&path.index(i), name, faults.join(","));
        }
    }
}
