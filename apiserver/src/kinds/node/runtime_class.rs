//! RuntimeClass: a container runtime's handler. Keeps: the handler never changes.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::names::{self, dns};
use crate::tree::Map;

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
    ..Kind::DEFAULT
};

fn validate(class: &Map, errors: &mut FieldErrors) {
    let handler = class.str("handler");
    if handler.is_empty() {
        errors.required(&Path::new("handler"), "");
    } else {
        names::report(errors, &Path::new("handler"), handler, dns::label(handler));
    }
}

fn validate_update(class: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.immutable(&Path::new("handler"), class.get("handler"), old.get("handler"));
}
