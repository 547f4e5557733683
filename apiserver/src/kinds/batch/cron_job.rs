//! CronJob: Jobs by the clock. Keeps: the schedule can be read and leaves room for the Jobs' names.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "batch",
        kind: "CronJob",
        plural: "cronjobs",
        singular: "cronjob",
        short: &["cj"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("batch", "v1", "io.k8s.api.batch.v1.CronJob")],
    categories: &["all"],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
