//! APIService: who serves a group's version. Keeps: its name is `<version>.<group>`; a local one is available.

use crate::kind::{self, Kind, NameRule, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apiregistration.k8s.io",
        kind: "APIService",
        plural: "apiservices",
        singular: "apiservice",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "apiregistration.k8s.io",
        "v1",
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
    )],
    categories: &["api-extensions"],
    subresources: &[kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    name_rule: NameRule::PathSegment,
    unconditional_update: false,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};
