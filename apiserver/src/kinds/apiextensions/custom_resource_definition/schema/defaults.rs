//! Defaults in a schema. Keeps: a default is a value that its schema allows, without fields that would be dropped.

use crate::field::{FieldErrors, Path};
use crate::structural::{self, EMBEDDED, is_of_every_object, is_true, parsed, value};
use crate::tree::Map;

/// Reports defaults that their schemas do not allow.
pub(super) fn validate(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut root = schema.clone();
    root.set(EMBEDDED, true);
    validate_below(&root, false, path, errors);
}

/// Below `additionalProperties` there are none.
fn validate_below(schema: &Map, in_metadata: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let is_object = is_true(schema, EMBEDDED);
    if let Some(default) = schema.get("default").and_then(parsed) {
        let path = path.child("default");
        if (is_object || !in_metadata) && structural::prune::has_unknown(&default, schema) {
            errors.invalid(&path, default.clone(), "must not have unknown fields");
        }
        value::validate_default(&default, schema, &path, errors);
    }
    if let Some(items) = schema.map("items") {
        validate_below(items, in_metadata && !is_object, &path.child("items"), errors);
    }
    let path = path.child("properties");
    for (name, property) in schema.map("properties").into_iter().flat_map(Map::iter) {
        if let Some(property) = property.as_map() {
            let in_metadata = if is_object { is_of_every_object(name) } else { in_metadata };
            validate_below(property, in_metadata, &path.key(name), errors);
        }
    }
}
