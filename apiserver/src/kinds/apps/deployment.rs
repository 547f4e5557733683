//! Deployment: replicated pods with rollouts. Keeps: the selector never changes and matches the template.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};
use crate::kinds::selector;
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apps",
        kind: "Deployment",
        plural: "deployments",
        singular: "deployment",
        short: &["deploy"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("apps", "v1", "io.k8s.api.apps.v1.Deployment")],
    categories: &["all"],
    subresources: &[kind::scale(scale_selector), kind::STATUS],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    prepare_for_create: kind::clear_status,
    ..Kind::DEFAULT
};

fn scale_selector(object: &Map) -> String {
    selector::text(object.map_at(&["spec", "selector"]))
}
