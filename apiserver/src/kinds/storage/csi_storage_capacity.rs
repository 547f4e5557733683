//! CSIStorageCapacity: what is left for a storage class in a topology. Keeps: topology and class never change.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "CSIStorageCapacity",
        plural: "csistoragecapacities",
        singular: "csistoragecapacity",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.CSIStorageCapacity")],
    columns: &[kind::NAME, kind::AGE],
    unconditional_update: false,
    ..Kind::DEFAULT
};
