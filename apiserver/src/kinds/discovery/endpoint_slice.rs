//! EndpointSlice: a part of a service's endpoints. Keeps: addresses are of the slice's type, which never changes.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "discovery.k8s.io",
        kind: "EndpointSlice",
        plural: "endpointslices",
        singular: "endpointslice",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("discovery.k8s.io", "v1", "io.k8s.api.discovery.v1.EndpointSlice")],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    ..Kind::DEFAULT
};
