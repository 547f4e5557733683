//! PodDisruptionBudget: how many pods may be away at once. Keeps: only one of its two limits is set.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "policy",
        kind: "PodDisruptionBudget",
        plural: "poddisruptionbudgets",
        singular: "poddisruptionbudget",
        short: &["pdb"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("policy", "v1", "io.k8s.api.policy.v1.PodDisruptionBudget")],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    unconditional_update: false,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
