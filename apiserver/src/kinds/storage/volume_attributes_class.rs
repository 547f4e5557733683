//! VolumeAttributesClass: attributes of a volume that can change. Keeps: driver and parameters never change.

use super::storage_class::validate_parameters;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Column, Kind, Names, Scope, Version, column};
use crate::names::{self, dns};
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
        Column { cell: name, ..kind::NAME },
        column("DriverName", "string", |it, _| it.str("driverName").into()),
        kind::AGE,
    ],
    delete_returns_object: true,
    validate,
    validate_update,
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
    validate_driver(class.str("driverName"), &Path::new("driverName"), errors);
    if class.map("parameters").is_none_or(Map::is_empty) {
        errors.required(&Path::new("parameters"), "must contain at least one key/value pair");
    }
    validate_parameters(class.map("parameters"), errors);
}

/// The name of a storage driver: a DNS subdomain in any case, up to 63 characters.
pub(super) fn validate_driver(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const NAME_BYTES_MAX: usize = 63;
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name.len() > NAME_BYTES_MAX {
        errors.too_long(path, NAME_BYTES_MAX);
    }
    names::report(errors, path, name, dns::subdomain(&name.to_lowercase()));
}

fn validate_update(class: &Map, old: &Map, errors: &mut FieldErrors) {
    for field in ["driverName", "parameters"] {
        errors.immutable(&Path::new(field), class.get(field), old.get(field));
    }
}
