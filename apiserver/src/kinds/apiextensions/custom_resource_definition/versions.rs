//! The versions of a defined kind. Keeps: names are unique, one version is stored, and what all versions say alike is
//! reported once, at the path where upstream keeps it (`spec.validation` for `spec.versions[*].schema`).

use std::collections::HashSet;

use super::{SPEC, schema};
use crate::field::{FieldErrors, Path};
use crate::names::dns;
use crate::tree::{Map, Node};

mod columns;
mod selectable;
mod subresources;

/// Fields of a version, and what they are called in the spec when all versions have the same.
const SHARED: [(&str, &str); 4] = [
    ("subresources", "subresources"),
    ("schema", "validation"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];

/// The versions without what they all have, and that.
pub(super) fn split(spec: &Map) -> (Vec<Map>, Map) {
    let mut versions: Vec<Map> = spec.maps("versions").cloned().collect();
    let mut shared = Map::new();
    let Some(first) = versions.first().cloned() else { return (versions, shared) };
    shared.set("version", first.str("name"));
    for (field, name) in SHARED {
        let own = first.get(field);
        if versions.iter().any(|version| version.get(field) != own) {
            continue;
        }
        for version in &mut versions {
            version.remove(field);
        }
        if let Some(own) = own {
            shared.set(name, own.clone());
        }
    }
    (versions, shared)
}

/// Reports what is wrong with the versions by themselves and with their number.
pub(super) fn validate(versions: &[Map], shared: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("versions");
    if shared.at(&["validation", "openAPIV3Schema"]).is_none() {
        for (i, version) in versions.iter().enumerate() {
            if version.at(&["schema", "openAPIV3Schema"]).is_none() {
                errors.required(&path.index(i).child("schema").child("openAPIV3Schema"), "");
            }
        }
    }
    for (i, version) in versions.iter().enumerate() {
        validate_version(version, shared, &path.index(i), errors);
    }
    let whole = || versions.iter().cloned().collect::<Node>();
    let names: Vec<&str> = versions.iter().map(|version| version.str("name")).collect();
    if names.iter().collect::<HashSet<_>>().len() < names.len() {
        errors.invalid(&path, whole(), "must contain unique version names");
    }
    if versions.iter().filter(|version| version.bool("storage") == Some(true)).count() != 1 {
        errors.invalid(&path, whole(), "must have exactly one version marked as storage version");
    }
    if let Some(name) = names.first().filter(|name| !name.is_empty()) {
        validate_name(name, &SPEC.child("version"), errors);
    }
}

/// Reports what is wrong with what all versions have.
pub(super) fn validate_shared(versions: &[Map], shared: &Map, errors: &mut FieldErrors) {
    let has_status = has_status(shared) || versions.iter().any(has_status);
    let path = SPEC.child("validation");
    schema::validate(shared.map("validation"), has_status, &path, errors);
    validate_views(shared, &SPEC, errors);
    let schema = shared.map_at(&["validation", "openAPIV3Schema"]);
    let without_schema = "may only be set when validations.schema is included";
    selectable::validate(shared, schema, without_schema, &SPEC.child("selectableFields"), errors);
}

fn has_status(owner: &Map) -> bool {
    owner.at(&["subresources", "status"]).is_some()
}

fn validate_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let faults = dns::label_1035(name);
    if !faults.is_empty() {
        errors.invalid(path, name, faults.join(","));
    }
}

fn validate_version(version: &Map, shared: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_name(version.str("name"), &path.child("name"), errors);
    validate_deprecation(version, &path.child("deprecationWarning"), errors);
    let has_status = has_status(if shared.contains("subresources") { shared } else { version });
    schema::validate(version.map("schema"), has_status, &path.child("schema"), errors);
    validate_views(version, path, errors);
    let schema = version.map_at(&["schema", "openAPIV3Schema"]);
    let without_schema = "may only be set when `version.schema.openAPIV3Schema` is not included";
    selectable::validate(version, schema, without_schema, &path.child("selectableFields"), errors);
}

/// How objects are seen: at other endpoints, in tables.
fn validate_views(owner: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(scale) = owner.map_at(&["subresources", "scale"]) {
        subresources::validate_scale(scale, &path.child("subresources"), errors);
    }
    let columns = path.child("additionalPrinterColumns");
    for (i, column) in owner.maps("additionalPrinterColumns").enumerate() {
        columns::validate(column, &columns.index(i), errors);
    }
}

fn validate_deprecation(version: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const BYTES_MAX: usize = 256;
    let Some(warning) = version.get("deprecationWarning").and_then(Node::as_str) else { return };
    if version.bool("deprecated") != Some(true) {
        return errors.invalid(path, warning, "can only be set for deprecated versions");
    }
    if warning.len() > BYTES_MAX {
        errors.invalid(path, warning, format!("must be <= {BYTES_MAX} characters long"));
    }
    if warning.is_empty() {
        errors.invalid(path, warning, "must not be an empty string");
    }
    if let Some((i, _)) = warning.char_indices().find(|(_, char)| char.is_control()) {
        let detail = format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {i}"
        );
        errors.invalid(path, warning, detail);
    }
}

/// Reports a path that does not begin with a dot; answers whether it does.
fn validate_json_path(owner: &Map, field: &str, path: &Path<'_>, errors: &mut FieldErrors) -> bool {
    let text = owner.str(field);
    let is_simple = text.starts_with('.');
    if !is_simple {
        errors.invalid(path, text, "must be a simple json path starting with .");
    }
    is_simple
}
