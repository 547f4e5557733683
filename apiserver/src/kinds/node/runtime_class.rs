//! RuntimeClass: a container runtime's handler. Keeps: the handler never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "node.k8s.io",
        kind: "RuntimeClass",
        plural: "runtimeclasses",
        singular: "runtimeclass",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("node.k8s.io", "v1", "io.k8s.api.node.v1.RuntimeClass")],
    columns: &[kind::NAME, kind::AGE],
    creates_on_update: true,
    unconditional_update: false,
    ..Kind::DEFAULT
};
