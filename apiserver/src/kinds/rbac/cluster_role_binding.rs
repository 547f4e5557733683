//! ClusterRoleBinding: who has a ClusterRole everywhere. Keeps: `roleRef` never changes.

use crate::kind::{self, Kind, NameRule, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "rbac.authorization.k8s.io",
        kind: "ClusterRoleBinding",
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("rbac.authorization.k8s.io", "v1", "io.k8s.api.rbac.v1.ClusterRoleBinding")],
    columns: &[kind::NAME, kind::AGE],
    name_rule: NameRule::PathSegment,
    creates_on_update: true,
    ..Kind::DEFAULT
};
