//! What OpenAPI's schemas may not say in a definition. Keeps: types are known; what cannot be served (references,
//! patterns of properties, tuples) is not there; defaults stand where values are.

use super::extensions;
use crate::cel::check;
use crate::field::{FieldErrors, Path};
use crate::structural::is_true;
use crate::tree::{Map, Node};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// What is not allowed because of where a schema stands.
#[derive(Clone, Default)]
struct Place {
    /// Why there may be no default.
    no_default: Option<String>,
    /// It applies to `metadata`, `kind` or `apiVersion` of an object.
    in_metadata: bool,
}

/// Reports what is wrong with a whole schema.
pub(super) fn validate(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_below(schema, true, &Place::default(), path, errors);
}

fn validate_below(schema: &Map, is_root: bool, place: &Place, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_one(schema, place, path, errors);
    if is_true(schema, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.forbidden(&path.child("uniqueItems"), detail);
    }
    validate_additional_properties(schema, place, path, errors);
    validate_properties(schema, is_root, place, path, errors);
    for (field, value) in schema.iter() {
        let path = path.child(field);
        match (field.as_str(), value) {
            ("not" | "items", Node::Map(below)) => validate_below(below, false, place, &path, errors),
            ("allOf" | "oneOf" | "anyOf" | "items", Node::List(schemas)) => {
                for (i, below) in schemas.iter().enumerate() {
                    if let Some(below) = below.as_map() {
                        validate_below(below, false, place, &path.index(i), errors);
                    }
                }
            }
            ("definitions" | "dependencies", Node::Map(schemas)) => {
                for (name, below) in schemas.iter() {
                    if let Some(below) = below.as_map() {
                        validate_below(below, false, place, &path.key(name), errors);
                    }
                }
            }
            _ => {}
        }
    }
    let of = if is_root { check::Place::Root } else { check::Place::Below };
    extensions::validate(schema, of, path, errors);
}

fn validate_additional_properties(schema: &Map, place: &Place, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(additional) = schema.get("additionalProperties") else { return };
    let path = path.child("additionalProperties");
    let has_properties = schema.map("properties").is_some_and(|properties| !properties.is_empty());
    if has_properties && additional.as_bool() != Some(true) {
        errors.forbidden(&path, "additionalProperties and properties are mutual exclusive");
    }
    let mut place = place.clone();
    if place.in_metadata {
        place.no_default = Some("inside additionalProperties applying to object metadata".to_owned());
    }
    if let Some(below) = additional.as_map() {
        validate_below(below, false, &place, &path, errors);
    }
}

fn validate_properties(
    schema: &Map,
    is_root: bool,
    place: &Place,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let is_object = is_root || is_true(schema, "x-kubernetes-embedded-resource");
    let path = path.child("properties");
    for (name, property) in schema.map("properties").into_iter().flat_map(Map::iter) {
        let Some(property) = property.as_map() else { continue };
        let mut place = place.clone();
        if is_object && matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
            place.in_metadata = true;
            if is_root {
                place.no_default = Some(format!("in top-level {name}"));
            }
        }
        validate_below(property, false, &place, &path.key(name), errors);
    }
}

fn validate_one(schema: &Map, place: &Place, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = schema.str("type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.not_supported(&path.child("type"), kind, &TYPES);
    }
    if let Some(reason) = place.no_default.as_ref().filter(|_| schema.contains("default")) {
        errors.forbidden(&path.child("default"), format!("must not be set {reason}"));
    }
    let has_entries = |field| schema.map(field).is_some_and(|map| !map.is_empty());
    for (field, present) in [
        ("id", !schema.str("id").is_empty()),
        ("additionalItems", schema.contains("additionalItems")),
        ("patternProperties", has_entries("patternProperties")),
        ("definitions", has_entries("definitions")),
        ("dependencies", schema.contains("dependencies")),
        ("$ref", schema.contains("$ref")),
    ] {
        if present {
            errors.forbidden(&path.child(field), format!("{field} is not supported"));
        }
    }
    if kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.forbidden(&path.child("type"), detail);
    }
    if !schema.list("items").is_empty() {
        errors.forbidden(&path.child("items"), "items must be a schema object and not an array");
    }
    if place.in_metadata && is_true(schema, "x-kubernetes-embedded-resource") {
        let detail = "must not be used inside of resource meta";
        errors.forbidden(&path.child("x-kubernetes-embedded-resource"), detail);
    }
}
