//! ClusterTrustBundle: trust anchors. Keeps: the name fits the signer, which never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "certificates.k8s.io",
        kind: "ClusterTrustBundle",
        plural: "clustertrustbundles",
        singular: "clustertrustbundle",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "certificates.k8s.io",
        "v1",
        "io.k8s.api.certificates.v1.ClusterTrustBundle",
    )],
    columns: &[kind::NAME, kind::AGE],
    unconditional_update: false,
    ..Kind::DEFAULT
};
