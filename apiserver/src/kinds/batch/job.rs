//! Job: pods that run to completion. Keeps: the selector is generated from the uid unless the user insists, and never
//! changes.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "batch",
        kind: "Job",
        plural: "jobs",
        singular: "job",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("batch", "v1", "io.k8s.api.batch.v1.Job")],
    categories: &["all"],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
