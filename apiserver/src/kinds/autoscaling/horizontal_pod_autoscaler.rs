//! HorizontalPodAutoscaler: replicas by metrics. Keeps: v1 is a view of v2 that loses nothing (annotations carry what
//! v1 has no field for).

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "autoscaling",
        kind: "HorizontalPodAutoscaler",
        plural: "horizontalpodautoscalers",
        singular: "horizontalpodautoscaler",
        short: &["hpa"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("autoscaling", "v2", "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler")],
    categories: &["all"],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
