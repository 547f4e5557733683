//! ResourceClaimTemplate: claims made per pod. Keeps: the spec never changes.

use super::{device_claim, requests};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version};
use crate::metadata;
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "resource.k8s.io",
        kind: "ResourceClaimTemplate",
        plural: "resourceclaimtemplates",
        singular: "resourceclaimtemplate",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("resource.k8s.io", "v1", "io.k8s.api.resource.v1.ResourceClaimTemplate")],
    columns: &[kind::NAME, kind::AGE],
    delete_returns_object: true,
    set_defaults: |template| requests::set_defaults(template.map_mut("spec").map_mut("spec")),
    validate: |template, errors| {
        if let Some(spec) = template.map("spec") {
            validate_spec(spec, errors);
        }
    },
    validate_update,
    ..Kind::DEFAULT
};

fn validate_spec(spec: &Map, errors: &mut FieldErrors) {
    let path = Path::new("spec");
    if let Some(metadata) = spec.map("metadata") {
        let path = path.child("metadata");
        metadata::validate_labels(metadata.map("labels"), &path.child("labels"), errors);
        metadata::validate_annotations(metadata.map("annotations"), &path.child("annotations"), errors);
    }
    if let Some(claim) = spec.map("spec") {
        device_claim::validate(claim, &path.child("spec"), errors);
    }
}

fn validate_update(template: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.immutable(&Path::new("spec"), template.get("spec"), old.get("spec"));
}
