//! StorageVersionMigration: the wish to write a resource's objects anew. Keeps: the resource never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storagemigration.k8s.io",
        kind: "StorageVersionMigration",
        plural: "storageversionmigrations",
        singular: "storageversionmigration",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "storagemigration.k8s.io",
        "v1",
        "io.k8s.api.storagemigration.v1.StorageVersionMigration",
    )],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    unconditional_update: false,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
