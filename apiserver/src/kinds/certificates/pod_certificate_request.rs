//! PodCertificateRequest: a pod's wish for a certificate. Keeps: the spec never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "certificates.k8s.io",
        kind: "PodCertificateRequest",
        plural: "podcertificaterequests",
        singular: "podcertificaterequest",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage(
        "certificates.k8s.io",
        "v1",
        "io.k8s.api.certificates.v1.PodCertificateRequest",
    )],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    unconditional_update: false,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
