//! FlowSchema: which requests belong together. Keeps: it names a priority level and who and what it matches.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "flowcontrol.apiserver.k8s.io",
        kind: "FlowSchema",
        plural: "flowschemas",
        singular: "flowschema",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "io.k8s.api.flowcontrol.v1.FlowSchema",
    )],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
