//! StatefulSet: pods with identity and storage. Keeps: what identity and storage rest on never changes.

use crate::kind::{self, Generation, Kind, NameRule, Names, Scope, Version};
use crate::kinds::selector;
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apps",
        kind: "StatefulSet",
        plural: "statefulsets",
        singular: "statefulset",
        short: &["sts"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("apps", "v1", "io.k8s.api.apps.v1.StatefulSet")],
    categories: &["all"],
    subresources: &[kind::scale(scale_selector), kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    name_rule: NameRule::DnsLabel,
    generation: Generation::Spec,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};

fn scale_selector(object: &Map) -> String {
    selector::text(object.map_at(&["spec", "selector"]))
}
