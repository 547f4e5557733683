//! TokenReview: whose a token is. Keeps: never stored; the answer is made by `reviews`.

use crate::kind::{Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "authentication.k8s.io",
        kind: "TokenReview",
        plural: "tokenreviews",
        singular: "tokenreview",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("authentication.k8s.io", "v1", "io.k8s.api.authentication.v1.TokenReview")],
    verbs: &["create"],
    ..Kind::DEFAULT
};
