//! StorageClass: how volumes are made. Keeps: what made a volume never changes.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Column, Kind, Names, Scope, Version, column};
use crate::names::{self, label};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "StorageClass",
        plural: "storageclasses",
        singular: "storageclass",
        short: &["sc"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.StorageClass")],
    columns: &[
        Column { cell: name, ..kind::NAME },
        column("Provisioner", "string", |it, _| it.str("provisioner").into()),
        column("ReclaimPolicy", "string", |it, _| or(it, "reclaimPolicy", "Delete")),
        column("VolumeBindingMode", "string", |it, _| or(it, "volumeBindingMode", "Immediate")),
        column("AllowVolumeExpansion", "string", |it, _| {
            it.bool("allowVolumeExpansion").unwrap_or(false).into()
        }),
        kind::AGE,
    ],
    delete_returns_object: true,
    set_defaults: |class| {
        class.set_default("reclaimPolicy", "Delete");
        class.set_default("volumeBindingMode", "Immediate");
    },
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const DEFAULT_ANNOTATIONS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
const PARAMETERS_MAX: usize = 512;
const PARAMETER_BYTES_MAX: usize = 256 * 1024;

fn name(class: &Map, _: i64) -> Node {
    if DEFAULT_ANNOTATIONS.iter().any(|key| class.annotation(key) == Some("true")) {
        format!("{} (default)", class.name()).into()
    } else {
        class.name().into()
    }
}

fn or(class: &Map, field: &str, absent: &str) -> Node {
    class.get(field).cloned().unwrap_or(absent.into())
}

fn validate(class: &Map, errors: &mut FieldErrors) {
    let provisioner = class.str("provisioner");
    let path = Path::new("provisioner");
    if provisioner.is_empty() {
        errors.required(&path, "");
    } else {
        names::report(errors, &path, provisioner, label::key(&provisioner.to_lowercase()));
    }
    validate_parameters(class.map("parameters"), errors);
    let policy = class.str("reclaimPolicy");
    if !matches!(policy, "" | "Delete" | "Retain") {
        errors.not_supported(&Path::new("reclaimPolicy"), policy, &["Delete", "Retain"]);
    }
    match class.str("volumeBindingMode") {
        "Immediate" | "WaitForFirstConsumer" => {}
        "" => errors.required(&Path::new("volumeBindingMode"), ""),
        mode => {
            errors.not_supported(
                &Path::new("volumeBindingMode"),
                mode,
                &["Immediate", "WaitForFirstConsumer"],
            );
        }
    }
}

/// Parameters of a class: a limited number of keys, of limited size together.
pub(super) fn validate_parameters(parameters: Option<&Map>, errors: &mut FieldErrors) {
    let Some(parameters) = parameters else { return };
    let path = Path::new("parameters");
    if parameters.len() > PARAMETERS_MAX {
        errors.too_long(&path, PARAMETERS_MAX);
        return;
    }
    let mut bytes = 0;
    for (key, value) in parameters.iter() {
        if key.is_empty() {
            errors.invalid(&path, "", "field can not be empty.");
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > PARAMETER_BYTES_MAX {
        errors.too_long(&path, PARAMETER_BYTES_MAX);
    }
}

fn validate_update(class: &Map, old: &Map, errors: &mut FieldErrors) {
    for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
        errors.immutable(&Path::new(field), class.get(field), old.get(field));
    }
}
