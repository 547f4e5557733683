//! IngressClass: who serves Ingresses. Keeps: the controller never changes.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "IngressClass",
        plural: "ingressclasses",
        singular: "ingressclass",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.IngressClass")],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    ..Kind::DEFAULT
};
