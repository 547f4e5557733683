//! StorageClass: how volumes are made. Keeps: what made a volume never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "StorageClass",
        plural: "storageclasses",
        singular: "storageclass",
        short: &["sc"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.StorageClass")],
    columns: &[kind::NAME, kind::AGE],
    delete_returns_object: true,
    ..Kind::DEFAULT
};
