//! SubjectAccessReview: whether a user may do something. Keeps: never stored; the answer is made by `reviews`.

use crate::kind::{Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "authorization.k8s.io",
        kind: "SubjectAccessReview",
        plural: "subjectaccessreviews",
        singular: "subjectaccessreview",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "authorization.k8s.io",
        "v1",
        "io.k8s.api.authorization.v1.SubjectAccessReview",
    )],
    verbs: &["create"],
    ..Kind::DEFAULT
};
