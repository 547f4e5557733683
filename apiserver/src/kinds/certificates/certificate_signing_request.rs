//! CertificateSigningRequest: a wish for a certificate. Keeps: the requester is who really asked; an approval or denial
//! is never taken back.

use crate::kind::{self, Kind, NameRule, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "certificates.k8s.io",
        kind: "CertificateSigningRequest",
        plural: "certificatesigningrequests",
        singular: "certificatesigningrequest",
        short: &["csr"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "certificates.k8s.io",
        "v1",
        "io.k8s.api.certificates.v1.CertificateSigningRequest",
    )],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    name_rule: NameRule::PathSegment,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
