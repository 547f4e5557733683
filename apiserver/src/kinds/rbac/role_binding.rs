//! RoleBinding: who has a role within a namespace. Keeps: `roleRef` never changes.

use super::subjects;
use crate::field::FieldErrors;
use crate::kind::{self, Kind, NameRule, Names, Scope, Version};
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "rbac.authorization.k8s.io",
        kind: "RoleBinding",
        plural: "rolebindings",
        singular: "rolebinding",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("rbac.authorization.k8s.io", "v1", "io.k8s.api.rbac.v1.RoleBinding")],
    columns: &[
        kind::NAME,
        subjects::ROLE,
        kind::AGE,
        subjects::USERS,
        subjects::GROUPS,
        subjects::SERVICE_ACCOUNTS,
    ],
    name_rule: NameRule::PathSegment,
    creates_on_update: true,
    set_defaults: subjects::set_defaults,
    validate,
    validate_update: subjects::validate_update,
    ..Kind::DEFAULT
};

fn validate(binding: &Map, errors: &mut FieldErrors) {
    subjects::validate(binding, true, &["Role", "ClusterRole"], errors);
}
