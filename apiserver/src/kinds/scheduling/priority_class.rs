//! PriorityClass: a name for a priority. Keeps: value and preemption policy never change; the system's names and range
//! stay the system's.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "scheduling.k8s.io",
        kind: "PriorityClass",
        plural: "priorityclasses",
        singular: "priorityclass",
        short: &["pc"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("scheduling.k8s.io", "v1", "io.k8s.api.scheduling.v1.PriorityClass")],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::When(|_, _| false),
    ..Kind::DEFAULT
};
