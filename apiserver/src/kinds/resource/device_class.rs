//! DeviceClass: a sort of device. Keeps: its selectors have expressions; its settings are for a driver.

use super::device_claim;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version};
use crate::tree::{Map, Node};

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

fn validate(class: &Map, errors: &mut FieldErrors) {
    let Some(spec) = class.map("spec") else { return };
    let spec_path = Path::new("spec");
    if let Some("") = spec.get("extendedResourceName").and_then(Node::as_str) {
        let detail = "a name must be a domain-prefixed path, such as 'example.com/my-prop'";
        errors.invalid(&spec_path.child("extendedResourceName"), "", detail);
    }
    device_claim::validate_selectors(spec, &spec_path, errors);
    let path = spec_path.child("config");
    for (i, configuration) in spec.maps("config").enumerate() {
        device_claim::validate_configuration(configuration, &path.index(i), errors);
    }
}
