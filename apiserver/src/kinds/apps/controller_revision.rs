//! ControllerRevision: one recorded state of a DaemonSet or StatefulSet. Keeps: `data` never changes.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::kinds::workload;
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apps",
        kind: "ControllerRevision",
        plural: "controllerrevisions",
        singular: "controllerrevision",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("apps", "v1", "io.k8s.api.apps.v1.ControllerRevision")],
    columns: &[
        kind::NAME,
        column("Controller", "string", controller),
        column("Revision", "string", |it, _| workload::number_cell(it, &["revision"])),
        kind::AGE,
    ],
    validate,
    validate_update,
    validate_request: |_, revision, old, errors| {
        if old.is_none() {
            validate_data(revision, errors);
        }
    },
    ..Kind::DEFAULT
};

/// `daemonset.apps/name` of the owner that controls it.
fn controller(revision: &Map, _: i64) -> Node {
    let owner = revision.metadata().and_then(|metadata| {
        metadata.maps("ownerReferences").find(|owner| owner.bool("controller") == Some(true))
    });
    let Some(owner) = owner else { return "<none>".into() };
    let kind = owner.str("kind").to_lowercase();
    let dotted_group =
        owner.str("apiVersion").split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
    format!("{kind}{dotted_group}/{}", owner.str("name")).into()
}

fn validate(revision: &Map, errors: &mut FieldErrors) {
    if let Some(number) = revision.int("revision").filter(|number| *number < 0) {
        errors.invalid(&Path::new("revision"), number, "must be greater than or equal to 0");
    }
}

/// What a controller records is an object.
fn validate_data(revision: &Map, errors: &mut FieldErrors) {
    match revision.get("data") {
        Some(Node::Raw(text)) if text.starts_with('{') => {}
        Some(Node::Raw(text)) if text != "null" => {
            errors.required(&Path::new("data"), "data must be a valid JSON object");
        }
        _ => errors.required(&Path::new("data"), "data is mandatory"),
    }
}

fn validate_update(revision: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.immutable(&Path::new("data"), revision.get("data"), old.get("data"));
}
