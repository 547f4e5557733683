//! Ingress: HTTP routes to services. Keeps: every path has a type and one backend.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "Ingress",
        plural: "ingresses",
        singular: "ingress",
        short: &["ing"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.Ingress")],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
