//! ResourceClaimTemplate: claims made per pod. Keeps: the spec never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "resource.k8s.io",
        kind: "ResourceClaimTemplate",
        plural: "resourceclaimtemplates",
        singular: "resourceclaimtemplate",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("resource.k8s.io", "v1", "io.k8s.api.resource.v1.ResourceClaimTemplate")],
    columns: &[kind::NAME, kind::AGE],
    delete_returns_object: true,
    ..Kind::DEFAULT
};
