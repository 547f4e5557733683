//! VolumeAttributesClass: attributes of a volume that can change. Keeps: driver and parameters never change.

use super::storage_class::{validate_parameters, validate_provisioner};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Column, Kind, Names, Scope, Version, column};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "VolumeAttributesClass",
        plural: "volumeattributesclasses",
        singular: "volumeattributesclass",
        short: &["vac"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.VolumeAttributesClass")],
    columns: &[
        Column { cell: kind::Cell::Of(name), ..kind::NAME },
        column("DriverName", "string", |it, _| it.str("driverName").into()),
        kind::AGE,
    ],
    delete_returns_object: true,
    validate_request: |_, class, old, errors| {
        // As upstream: first what has changed, then what is wrong.
        if let Some(old) = old {
            validate_update(class, old, errors);
        }
        validate(class, errors);
    },
    ..Kind::DEFAULT
};

const DEFAULT_ANNOTATION: &str = "volumeattributesclass.alpha.kubernetes.io/is-default-class";

fn name(class: &Map, _: i64) -> Node {
    if class.annotation(DEFAULT_ANNOTATION) == Some("true") {
        format!("{} (default)", class.name()).into()
    } else {
        class.name().into()
    }
}

fn validate(class: &Map, errors: &mut FieldErrors) {
    validate_provisioner(class.str("driverName"), &Path::new("driverName"), errors);
    validate_parameters(class.map("parameters"), errors);
    if class.map("parameters").is_none_or(Map::is_empty) {
        errors.required(&Path::new("parameters"), "must contain at least one key/value pair");
    }
}

fn validate_update(class: &Map, old: &Map, errors: &mut FieldErrors) {
    for field in ["driverName", "parameters"] {
        if class.get(field) != old.get(field) {
            errors.forbidden(&Path::new(field), format!("updates to {field} are forbidden."));
        }
    }
}
