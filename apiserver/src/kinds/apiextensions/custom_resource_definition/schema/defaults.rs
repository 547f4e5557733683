//! Defaults in a schema. Keeps: a default is a value that its schema allows, without fields that would be dropped.

use super::{is_true, value};
use crate::codec::json;
use crate::field::{FieldErrors, Path};
use crate::tree::{Map, Node};

/// Reports defaults that their schemas do not allow.
pub(super) fn validate(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut root = schema.clone();
    root.set("x-kubernetes-embedded-resource", true);
    validate_below(&root, false, path, errors);
}

/// Below `additionalProperties` there are none.
fn validate_below(schema: &Map, in_metadata: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let is_object = is_true(schema, "x-kubernetes-embedded-resource");
    if let Some(default) = schema.get("default").and_then(parsed) {
        let path = path.child("default");
        if (is_object || !in_metadata) && has_unknown(&default, Some(schema)) {
            errors.invalid(&path, default.clone(), "must not have unknown fields");
        }
        value::validate(&default, schema, &path, errors);
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

/// The value of free JSON.
pub(super) fn parsed(node: &Node) -> Option<Node> {
    match node {
        Node::Raw(text) => json::decode_untyped(text.as_bytes()).ok(),
        other => Some(other.clone()),
    }
}

fn is_of_every_object(field: &str) -> bool {
    matches!(field, "metadata" | "kind" | "apiVersion")
}

/// Whether a value has fields that its schema does not know.
fn has_unknown(value: &Node, schema: Option<&Map>) -> bool {
    let preserves = schema.is_some_and(|schema| is_true(schema, "x-kubernetes-preserve-unknown-fields"));
    let is_object = schema.is_some_and(|schema| is_true(schema, "x-kubernetes-embedded-resource"));
    let part = |field| schema.and_then(|schema| schema.get(field));
    match value {
        Node::Map(entries) => entries.iter().any(|(name, value)| {
            let property =
                part("properties").and_then(Node::as_map).and_then(|properties| properties.map(name));
            match (property, part("additionalProperties")) {
                _ if is_object && is_of_every_object(name) => false,
                (Some(property), _) => has_unknown(value, Some(property)),
                (None, Some(additional)) => has_unknown(value, additional.as_map()),
                (None, None) => !preserves,
            }
        }),
        Node::List(items) => match part("items").and_then(Node::as_map) {
            None if preserves => false,
            schema => items.iter().any(|item| has_unknown(item, schema)),
        },
        _ => false,
    }
}
