//! RoleBinding: who has a role within a namespace. Keeps: `roleRef` never changes.

use crate::kind::{self, Kind, NameRule, Names, Scope, Version};

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
    columns: &[kind::NAME, kind::AGE],
    name_rule: NameRule::PathSegment,
    creates_on_update: true,
    ..Kind::DEFAULT
};
