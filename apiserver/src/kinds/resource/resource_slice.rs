//! ResourceSlice: devices that a driver offers. Keeps: driver and pool never change.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "resource.k8s.io",
        kind: "ResourceSlice",
        plural: "resourceslices",
        singular: "resourceslice",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("resource.k8s.io", "v1", "io.k8s.api.resource.v1.ResourceSlice")],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    delete_returns_object: true,
    ..Kind::DEFAULT
};
