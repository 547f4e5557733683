//! Bindings of roles: whom they name and which role. Keeps: `roleRef` never changes.

use crate::field::{FieldErrors, Path};
use crate::kind::{Column, column, wide};
use crate::names::{self, dns};
use crate::tree::{Map, Node};

const GROUP: &str = "rbac.authorization.k8s.io";

/// `ClusterRole/view`
pub(super) const ROLE: Column = column("Role", "string", |it, _| {
    format!("{}/{}", it.str_at(&["roleRef", "kind"]), it.str_at(&["roleRef", "name"])).into()
});
/// Users among the subjects.
pub(super) const USERS: Column = wide("Users", "string", |it, _| of_kind(it, "User"));
/// Groups among the subjects.
pub(super) const GROUPS: Column = wide("Groups", "string", |it, _| of_kind(it, "Group"));
/// Service accounts among the subjects, as `namespace/name`.
pub(super) const SERVICE_ACCOUNTS: Column =
    wide("ServiceAccounts", "string", |it, _| of_kind(it, "ServiceAccount"));

fn of_kind(binding: &Map, kind: &str) -> Node {
    let named = |subject: &Map| match kind {
        "ServiceAccount" => format!("{}/{}", subject.str("namespace"), subject.str("name")),
        _ => subject.str("name").to_owned(),
    };
    let subjects = binding.maps("subjects").filter(|subject| subject.str("kind") == kind);
    subjects.map(named).collect::<Vec<_>>().join(", ").into()
}

/// Fills in the API groups that a binding means.
pub(super) fn set_defaults(binding: &mut Map) {
    let role = binding.map_mut("roleRef");
    if role.str("apiGroup").is_empty() {
        role.set("apiGroup", GROUP);
    }
    for subject in binding.existing_list_mut("subjects").into_iter().flatten().filter_map(Node::as_map_mut) {
        if matches!(subject.str("kind"), "User" | "Group") && subject.str("apiGroup").is_empty() {
            subject.set("apiGroup", GROUP);
        }
    }
}

/// Reports what is wrong with a binding whose role may be one of `role_kinds`.
pub(super) fn validate(binding: &Map, namespaced: bool, role_kinds: &[&str], errors: &mut FieldErrors) {
    let empty = Map::new();
    let role = binding.map("roleRef").unwrap_or(&empty);
    let path = Path::new("roleRef");
    if role.str("apiGroup") != GROUP {
        errors.not_supported(&path.child("apiGroup"), role.str("apiGroup"), &[GROUP]);
    }
    if !role_kinds.contains(&role.str("kind")) {
        errors.not_supported(&path.child("kind"), role.str("kind"), role_kinds);
    }
    let name = role.str("name");
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    } else {
        names::report(errors, &path.child("name"), name, names::path_segment(name, false));
    }
    let path = Path::new("subjects");
    for (i, subject) in binding.maps("subjects").enumerate() {
        validate_subject(subject, namespaced, &path.index(i), errors);
    }
}

fn validate_subject(subject: &Map, namespaced: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let (name, group) = (subject.str("name"), subject.str("apiGroup"));
    let mut only_group = |supported: &str| {
        if group != supported {
            errors.not_supported(&path.child("apiGroup"), group, &[supported]);
        }
    };
    match subject.str("kind") {
        "ServiceAccount" => {
            only_group("");
            if !name.is_empty() {
                names::report(errors, &path.child("name"), name, dns::subdomain(name));
            }
            if !namespaced && subject.str("namespace").is_empty() {
                errors.required(&path.child("namespace"), "");
            }
        }
        "User" | "Group" => only_group(GROUP),
        kind => errors.not_supported(&path.child("kind"), kind, &["Group", "ServiceAccount", "User"]),
    }
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    }
}

/// Reports a role that is not the old one.
pub(super) fn validate_update(binding: &Map, old: &Map, errors: &mut FieldErrors) {
    let role = |binding: &Map| {
        let text = |field| Node::from(binding.str_at(&["roleRef", field]));
        Map::from([("APIGroup", text("apiGroup")), ("Kind", text("kind")), ("Name", text("name"))])
    };
    if role(binding) != role(old) {
        errors.invalid(&Path::new("roleRef"), role(binding), "field is immutable");
    }
}
