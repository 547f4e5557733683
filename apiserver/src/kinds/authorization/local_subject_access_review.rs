//! LocalSubjectAccessReview: whether a user may do something in one namespace. Keeps: never stored; the answer is made by `reviews`.

use crate::kind::{Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "authorization.k8s.io",
        kind: "LocalSubjectAccessReview",
        plural: "localsubjectaccessreviews",
        singular: "localsubjectaccessreview",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage(
        "authorization.k8s.io",
        "v1",
        "io.k8s.api.authorization.v1.LocalSubjectAccessReview",
    )],
    verbs: &["create"],
    ..Kind::DEFAULT
};
