//! DeviceClass: a sort of device. Keeps: its selectors have expressions.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version};
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "resource.k8s.io",
        kind: "DeviceClass",
        plural: "deviceclasses",
        singular: "deviceclass",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("resource.k8s.io", "v1", "io.k8s.api.resource.v1.DeviceClass")],
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    delete_returns_object: true,
    validate,
    ..Kind::DEFAULT
};

const SELECTORS_MAX: usize = 32;

fn validate(class: &Map, errors: &mut FieldErrors) {
    let Some(spec) = class.map("spec") else { return };
    let spec_path = Path::new("spec");
    let path = spec_path.child("selectors");
    let count = spec.list("selectors").len();
    if count > SELECTORS_MAX {
        errors.too_many(&path, count, SELECTORS_MAX);
    }
    for (i, chosen) in spec.maps("selectors").enumerate() {
        if chosen.str_at(&["cel", "expression"]).is_empty() {
            errors.required(&path.index(i).child("cel").child("expression"), "");
        }
    }
}
