//! Structural schemas. Keeps: types and properties are said outside of `allOf`, `anyOf`, `oneOf` and `not`, which only
//! judge values; metadata stays what it is for every object.

use super::is_set;
use crate::field::{FieldErrors, Path};
use crate::structural::is_true;
use crate::tree::{Map, Node};

mod junctors;

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What keeps a schema from being judged as structural; the rules of OpenAPI tell most of it better.
pub(super) fn unsupported(schema: &Map) -> Option<&'static str> {
    let mut fault = None;
    super::visit_schema(schema, &mut |schema| {
        let has_entries = |field| schema.map(field).is_some_and(|map| !map.is_empty());
        fault = fault.or(if !schema.str("id").is_empty() {
            Some("OpenAPIV3Schema 'id' is not supported")
        } else if !schema.str("$schema").is_empty() {
            Some("OpenAPIV3Schema 'schema' is not supported")
        } else if !schema.str("$ref").is_empty() {
            Some("OpenAPIV3Schema '$ref' is not supported")
        } else if has_entries("patternProperties") {
            Some("OpenAPIV3Schema 'patternProperties' is not supported")
        } else if has_entries("dependencies") {
            Some("OpenAPIV3Schema 'dependencies' is not supported")
        } else if schema.contains("additionalItems") {
            Some("OpenAPIV3Schema 'additionalItems' is not supported")
        } else if has_entries("definitions") {
            Some("OpenAPIV3Schema 'definitions' is not supported")
        } else if schema.bool("x-kubernetes-preserve-unknown-fields") == Some(false) {
            Some("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined")
        } else if !schema.list("items").is_empty() {
            Some("OpenAPIV3Schema 'items' must be a schema, but is an array")
        } else {
            None
        });
    });
    fault
}

/// Reports what is not structural, sorted by text.
pub(super) fn validate(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut found = FieldErrors::new();
    validate_invariants(schema, Level::Root, path, &mut found);
    junctors::validate_completeness(schema, Some(schema), path, path, &mut found);
    found.sort();
    errors.append(found);
}

fn validate_invariants(schema: &Map, level: Level, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = schema.str("type");
    match schema.map("items") {
        Some(items) => validate_invariants(items, Level::Item, &path.child("items"), errors),
        None if kind == "array" => errors.required(&path.child("items"), "must be specified"),
        None => {}
    }
    let properties_path = path.child("properties");
    for (name, property) in schema.map("properties").into_iter().flat_map(Map::iter) {
        if let Some(property) = property.as_map() {
            validate_invariants(property, Level::Field, &properties_path.key(name), errors);
        }
    }
    let additional = path.child("additionalProperties");
    if level == Level::Root && schema.contains("additionalProperties") {
        errors.forbidden(&additional, "must not be used at the root");
    }
    if let Some(below) = schema.map("additionalProperties") {
        validate_invariants(below, Level::Field, &additional, errors);
    }
    validate_extensions(schema, path, errors);
    junctors::validate(schema, path, errors);
    validate_type(schema, level, path, errors);
    validate_object(schema, level, path, errors);
}

/// An int-or-string is nothing else.
fn validate_extensions(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if !is_true(schema, "x-kubernetes-int-or-string") {
        return;
    }
    for field in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if is_true(schema, field) {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.invalid(&path.child(field), true, detail);
        }
    }
}

fn validate_type(schema: &Map, level: Level, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = schema.str("type");
    let path = path.child("type");
    if is_true(schema, "x-kubernetes-embedded-resource") && kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        match kind {
            "" => errors.required(&path, detail),
            _ => errors.invalid(&path, kind, detail),
        }
    } else if kind.is_empty()
        && !is_true(schema, "x-kubernetes-int-or-string")
        && !is_true(schema, "x-kubernetes-preserve-unknown-fields")
    {
        errors.required(
            &path,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        );
    }
    if level == Level::Root && !matches!(kind, "" | "object") {
        errors.invalid(&path, kind, "must be object at the root");
    }
}

/// What is particular to objects of the API: the root, and embedded resources.
fn validate_object(schema: &Map, level: Level, path: &Path<'_>, errors: &mut FieldErrors) {
    let embedded = is_true(schema, "x-kubernetes-embedded-resource");
    if embedded && schema.contains("additionalProperties") {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&path.child("additionalProperties"), detail);
    }
    let is_object = level == Level::Root || embedded;
    let properties_path = path.child("properties");
    let property = |name| schema.map("properties").and_then(|properties| properties.map(name));
    if is_object {
        for (name, kind, detail) in [
            ("kind", "string", "must be string"),
            ("apiVersion", "string", "must be string"),
            ("metadata", "object", "must be object"),
        ] {
            if let Some(found) = property(name).map(|property| property.str("type"))
                && found != kind
            {
                errors.invalid(&properties_path.key(name).child("type"), found, detail);
            }
        }
    }
    if level == Level::Root && property("metadata").is_some_and(says_more_than_names) {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.forbidden(&properties_path.key("metadata"), detail);
    }
    if embedded
        && !is_true(schema, "x-kubernetes-preserve-unknown-fields")
        && schema.map("properties").is_none_or(Map::is_empty)
    {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.required(&properties_path, detail);
    }
}

fn says_more_than_names(metadata: &Map) -> bool {
    metadata.iter().any(|(field, value)| match (field.as_str(), value) {
        ("type" | "default", _) => false,
        ("properties", Node::Map(properties)) => {
            properties.keys().any(|name| !matches!(name.as_str(), "name" | "generateName"))
        }
        _ => is_set(value),
    })
}
