//! ClusterRole: rules for the whole cluster. Keeps: every rule is well-formed; aggregation selectors can be read.

use crate::kind::{self, Kind, NameRule, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "rbac.authorization.k8s.io",
        kind: "ClusterRole",
        plural: "clusterroles",
        singular: "clusterrole",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("rbac.authorization.k8s.io", "v1", "io.k8s.api.rbac.v1.ClusterRole")],
    columns: &[kind::NAME, kind::AGE],
    name_rule: NameRule::PathSegment,
    creates_on_update: true,
    ..Kind::DEFAULT
};
