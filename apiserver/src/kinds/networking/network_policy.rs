//! NetworkPolicy: which pods may talk. Keeps: selectors, ports and blocks can be read.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "NetworkPolicy",
        plural: "networkpolicies",
        singular: "networkpolicy",
        short: &["netpol"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.NetworkPolicy")],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    ..Kind::DEFAULT
};
