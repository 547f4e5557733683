//! What a claim asks of a volume: the spec of PersistentVolumeClaims and of the claims that pods bring along.

use super::{pod::resources, rules};
use crate::field::{FieldErrors, Path};
use crate::kinds::selector;
use crate::tree::Map;

/// Every access mode, sorted.
pub(super) const ACCESS_MODES: &[&str] =
    &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// Reports what is wrong with a PersistentVolumeClaimSpec.
pub(in crate::kinds) fn validate(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if spec.list("accessModes").is_empty() {
        errors.required(&path.child("accessModes"), "at least 1 access mode is required");
    }
    selector::validate(spec.map("selector"), &path.child("selector"), errors);
    validate_access_modes(spec, path, errors);
    validate_storage(spec, &path.child("resources").key("storage"), errors);
    for field in ["storageClassName", "volumeAttributesClassName"] {
        let class = spec.str(field);
        if !class.is_empty() {
            rules::dns_subdomain(class, &path.child(field), errors);
        }
    }
    rules::choice(spec, "volumeMode", &["Block", "Filesystem"], path, errors);
    for field in ["dataSource", "dataSourceRef"] {
        if let Some(source) = spec.map(field) {
            validate_data_source(source, &path.child(field), errors);
        }
    }
    validate_both_sources(spec, path, errors);
}

/// Reports access modes that do not exist or exclude each other.
pub(super) fn validate_access_modes(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("accessModes");
    let mut once_pod = false;
    let mut other = false;
    for mode in spec.texts("accessModes") {
        if !ACCESS_MODES.contains(&mode) {
            errors.not_supported(&path, mode, ACCESS_MODES);
        } else if mode == "ReadWriteOncePod" {
            once_pod = true;
        } else {
            other = true;
        }
    }
    if once_pod && other {
        errors.forbidden(&path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn validate_storage(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    match spec.map("resources").and_then(|it| resources::amount(it, "requests", "storage")) {
        None => errors.required(path, ""),
        Some(storage) if storage.sign() <= 0 => {
            errors.invalid(path, storage.canonical(), "must be greater than zero");
        }
        Some(_) => {}
    }
}

fn validate_data_source(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    rules::require_text(source, "name", path, errors);
    rules::require_text(source, "kind", path, errors);
    let group = source.str("apiGroup");
    if group.is_empty() {
        let kind = source.str("kind");
        if kind != "PersistentVolumeClaim" {
            let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            errors.invalid(path, kind, detail);
        }
    } else {
        rules::dns_subdomain(group, &path.child("apiGroup"), errors);
    }
    let namespace = source.str("namespace");
    if !namespace.is_empty() {
        rules::dns_label(namespace, &path.child("namespace"), errors);
    }
}

fn validate_both_sources(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let (Some(source), Some(reference)) = (spec.map("dataSource"), spec.map("dataSourceRef")) else { return };
    let shown = path.child("dataSource").to_string();
    if !reference.str("namespace").is_empty() {
        errors.invalid(path, shown, "may not be specified when dataSourceRef.namespace is specified");
    } else if ["apiGroup", "kind", "name"].iter().any(|field| source.get(field) != reference.get(field)) {
        errors.invalid(path, shown, "must match dataSourceRef");
    }
}
