//! SelfSubjectReview: who the one who asks is, as the server sees it. Keeps: never stored; the answer is made by `reviews`.

use crate::kind::{Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "authentication.k8s.io",
        kind: "SelfSubjectReview",
        plural: "selfsubjectreviews",
        singular: "selfsubjectreview",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "authentication.k8s.io",
        "v1",
        "io.k8s.api.authentication.v1.SelfSubjectReview",
    )],
    verbs: &["create"],
    ..Kind::DEFAULT
};
