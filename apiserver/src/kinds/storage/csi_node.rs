//! CSINode: the drivers of a node. Keeps: a driver's identity on a node never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "CSINode",
        plural: "csinodes",
        singular: "csinode",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.CSINode")],
    columns: &[kind::NAME, kind::AGE],
    unconditional_update: false,
    delete_returns_object: true,
    ..Kind::DEFAULT
};
