//! DeviceClass: a sort of device.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "resource.k8s.io",
        kind: "DeviceClass",
        plural: "deviceclasses",
        singular: "deviceclass",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("resource.k8s.io", "v1", "io.k8s.api.resource.v1.DeviceClass")],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    delete_returns_object: true,
    ..Kind::DEFAULT
};
