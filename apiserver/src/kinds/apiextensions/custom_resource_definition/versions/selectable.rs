//! Fields that objects of a defined kind can be selected by. Keeps: each leads to one scalar outside of metadata.

use std::collections::HashSet;

use crate::field::{FieldErrors, Path};
use crate::kinds::apiextensions::custom_resource_definition::schema::field_path::{self, Notation};
use crate::tree::Map;

const FIELDS_MAX: usize = 8;

/// Reports what is wrong with the selectable fields of a version with this schema; what to say without one is given.
pub(super) fn validate(
    owner: &Map,
    schema: Option<&Map>,
    without_schema: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if owner.list("selectableFields").is_empty() {
        return;
    }
    let Some(schema) = schema else {
        return errors.invalid(path, "", without_schema);
    };
    let mut seen: HashSet<Vec<String>> = HashSet::new();
    for (i, field) in owner.maps("selectableFields").enumerate() {
        let path = path.index(i);
        let path = path.child("jsonPath");
        let text = field.str("jsonPath");
        if text.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let (steps, found) = match field_path::resolve(text, schema, Notation::Dots) {
            Ok(found) => found,
            Err(fault) => {
                errors.invalid(&path, text, format!("is an invalid path: {fault}"));
                continue;
            }
        };
        if steps.first().is_some_and(|step| step == "metadata") {
            errors.invalid(&path, text, "must not point to fields in metadata");
        }
        if !found.is_some_and(|schema| matches!(schema.str("type"), "string" | "boolean" | "integer")) {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.invalid(&path, text, detail);
        }
        if !seen.insert(steps) {
            errors.duplicate(&path, text);
        }
    }
    if seen.len() > FIELDS_MAX {
        errors.too_many(path, seen.len(), FIELDS_MAX);
    }
}
