//! Objects inside of objects: they say what they are.

use super::{EMBEDDED, below, is_true};
use crate::field::{FieldErrors, Path};
use crate::tree::{Map, Node};

/// Reports objects inside of `object` that do not say their kind.
pub(crate) fn validate(object: &Map, schema: &Map, errors: &mut FieldErrors) {
    for (name, value) in object.iter() {
        if let Some(below) = below(schema, name) {
            validate_value(value, below, &Path::new(name), errors);
        }
    }
}

fn validate_value(value: &Node, schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    match value {
        Node::Map(map) => {
            if is_true(schema, EMBEDDED) {
                for field in ["apiVersion", "kind"] {
                    match map.get(field) {
                        None | Some(Node::Null) => errors.required(&path.child(field), "must not be empty"),
                        Some(Node::Str(text)) if text.is_empty() => {
                            errors.invalid(&path.child(field), "", "must not be empty")
                        }
                        Some(Node::Str(_)) => {}
                        Some(other) => errors.invalid(&path.child(field), other.clone(), "must be a string"),
                    }
                }
            }
            let is_additional = schema.map("properties").is_none();
            for (name, value) in map.iter() {
                if let Some(below) = below(schema, name) {
                    let path = if is_additional { path.key(name) } else { path.child(name) };
                    validate_value(value, below, &path, errors);
                }
            }
        }
        Node::List(list) => {
            if let Some(items) = schema.map("items") {
                for (index, item) in list.iter().enumerate() {
                    validate_value(item, items, &path.index(index), errors);
                }
            }
        }
        _ => {}
    }
}
