//! IPAddress: one allocated address. Keeps: its name is a canonical IP; the parent never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "IPAddress",
        plural: "ipaddresses",
        singular: "ipaddress",
        short: &["ip"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.IPAddress")],
    columns: &[kind::NAME, kind::AGE],
    ..Kind::DEFAULT
};
