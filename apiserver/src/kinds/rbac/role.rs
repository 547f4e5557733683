//! Role: rules within a namespace. Keeps: every rule names verbs and something that they apply to.

use super::rules;
use crate::field::FieldErrors;
use crate::kind::{Kind, NameRule, Names, Scope, Version};
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "rbac.authorization.k8s.io",
        kind: "Role",
        plural: "roles",
        singular: "role",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("rbac.authorization.k8s.io", "v1", "io.k8s.api.rbac.v1.Role")],
    name_rule: NameRule::PathSegment,
    creates_on_update: true,
    validate,
    ..Kind::DEFAULT
};

fn validate(role: &Map, errors: &mut FieldErrors) {
    rules::validate(role, true, errors);
}
