//! RuntimeClass: a container runtime's handler. Keeps: the handler never changes.

use std::collections::HashSet;

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::kinds::core::node_labels;
use crate::kinds::core::pod::{resources, tolerations};
use crate::metadata;
use crate::names::{self, dns};
use crate::tree::Map;
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "node.k8s.io",
        kind: "RuntimeClass",
        plural: "runtimeclasses",
        singular: "runtimeclass",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("node.k8s.io", "v1", "io.k8s.api.node.v1.RuntimeClass")],
    columns: &[kind::NAME, column("Handler", "string", |it, _| it.str("handler").into()), kind::AGE],
    creates_on_update: true,
    unconditional_update: false,
    validate,
    validate_update,
    warnings,
    ..Kind::DEFAULT
};

fn validate(class: &Map, errors: &mut FieldErrors) {
    let handler = class.str("handler");
    if handler.is_empty() {
        errors.required(&Path::new("handler"), "");
    } else {
        names::report(errors, &Path::new("handler"), handler, dns::short_name(handler));
    }
    if let Some(amounts) = class.map_at(&["overhead", "podFixed"]) {
        resources::validate_limits(amounts, &Path::new("overhead"), errors);
    }
    if let Some(scheduling) = class.map("scheduling") {
        validate_scheduling(scheduling, errors);
    }
}

fn validate_scheduling(scheduling: &Map, errors: &mut FieldErrors) {
    let path = Path::new("scheduling");
    metadata::validate_labels(scheduling.map("nodeSelector"), &path.child("nodeSelector"), errors);
    let path = path.child("tolerations");
    tolerations::validate(scheduling, &path, errors);
    let listed =
        |toleration: &Map| ["key", "operator", "value", "effect"].map(|it| toleration.str(it).to_owned());
    let mut seen = HashSet::new();
    for (i, toleration) in scheduling.maps("tolerations").enumerate() {
        if !seen.insert(listed(toleration)) {
            errors.duplicate(&path.index(i), toleration.clone());
        }
    }
}

fn validate_update(class: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.fixed(&Path::new("handler"), class.get("handler"), old.get("handler"));
}

fn warnings(class: &Map, _: Option<&Map>, warnings: &mut Warnings) {
    let path = Path::new("scheduling");
    let path = path.child("nodeSelector");
    for key in class.map_at(&["scheduling", "nodeSelector"]).into_iter().flat_map(Map::keys) {
        node_labels::warn(key, &path, warnings);
    }
}
