//! CustomResourceDefinition: a kind that a user defines. Keeps: its name is `<plural>.<group>`; exactly one version is
//! stored, and a version that was stored once stays listed.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apiextensions.k8s.io",
        kind: "CustomResourceDefinition",
        plural: "customresourcedefinitions",
        singular: "customresourcedefinition",
        short: &["crd", "crds"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "apiextensions.k8s.io",
        "v1",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    )],
    categories: &["api-extensions"],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    unconditional_update: false,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
