//! ResourceClaim: a wish for devices. Keeps: the spec never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "resource.k8s.io",
        kind: "ResourceClaim",
        plural: "resourceclaims",
        singular: "resourceclaim",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("resource.k8s.io", "v1", "io.k8s.api.resource.v1.ResourceClaim")],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    delete_returns_object: true,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
