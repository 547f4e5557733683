//! VolumeAttributesClass: attributes of a volume that can change. Keeps: driver and parameters never change.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "VolumeAttributesClass",
        plural: "volumeattributesclasses",
        singular: "volumeattributesclass",
        short: &["vac"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.VolumeAttributesClass")],
    columns: &[kind::NAME, kind::AGE],
    delete_returns_object: true,
    ..Kind::DEFAULT
};
