//! VolumeAttachment: the wish to attach a volume to a node. Keeps: the spec never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "VolumeAttachment",
        plural: "volumeattachments",
        singular: "volumeattachment",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.VolumeAttachment")],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    unconditional_update: false,
    delete_returns_object: true,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
