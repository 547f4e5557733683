//! SelfSubjectRulesReview: what the one who asks may do in a namespace. Keeps: never stored; the answer is made by `reviews`.

use crate::kind::{Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "authorization.k8s.io",
        kind: "SelfSubjectRulesReview",
        plural: "selfsubjectrulesreviews",
        singular: "selfsubjectrulesreview",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "authorization.k8s.io",
        "v1",
        "io.k8s.api.authorization.v1.SelfSubjectRulesReview",
    )],
    verbs: &["create"],
    ..Kind::DEFAULT
};
