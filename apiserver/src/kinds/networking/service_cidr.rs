//! ServiceCIDR: a range for cluster IPs. Keeps: at most one range per family, and never another one.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "ServiceCIDR",
        plural: "servicecidrs",
        singular: "servicecidr",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.ServiceCIDR")],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
