//! CSIDriver: what a storage driver can do. Keeps: what attaching rests on never changes.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "CSIDriver",
        plural: "csidrivers",
        singular: "csidriver",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.CSIDriver")],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    unconditional_update: false,
    delete_returns_object: true,
    ..Kind::DEFAULT
};
