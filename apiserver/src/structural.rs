//! Structural schemas: what the definition of a custom resource says of its objects.
//!
//! Keeps: a schema is the tree of its `JSONSchemaProps` as stored, made ready once by [`ready`]; nothing here changes a
//! value that is as it should be, so what an object shares with the stored one stays shared.

use crate::codec::json;
use crate::tree::{Key, Map, Node};

pub(crate) mod defaults;
pub(crate) mod embedded;
pub(crate) mod formats;
pub(crate) mod lists;
pub(crate) mod prune;
pub mod rules;
pub(crate) mod types;
pub(crate) mod value;

/// Keeps what the schema does not know.
pub(crate) const PRESERVES_UNKNOWN: &str = "x-kubernetes-preserve-unknown-fields";
/// Is an object of its own, with `apiVersion`, `kind` and `metadata`.
pub(crate) const EMBEDDED: &str = "x-kubernetes-embedded-resource";
/// Takes an integer or a string.
pub(crate) const INT_OR_STRING: &str = "x-kubernetes-int-or-string";

/// Whether a flag of a schema is set.
pub(crate) fn is_true(schema: &Map, field: &str) -> bool {
    schema.bool(field) == Some(true)
}

/// Whether a field belongs to every object, so that no schema has to know it.
pub(crate) fn is_of_every_object(field: &str) -> bool {
    matches!(field, "metadata" | "kind" | "apiVersion")
}

/// The value of free JSON.
pub(crate) fn parsed(node: &Node) -> Option<Node> {
    match node {
        Node::Raw(text) => json::decode_untyped(text.as_bytes()).ok(),
        other => Some(other.clone()),
    }
}

/// The schema below a map's entry.
pub(crate) fn below<'a>(schema: &'a Map, name: &str) -> Option<&'a Map> {
    property(schema, name).or_else(|| schema.map("additionalProperties"))
}

/// The schema of a declared property.
pub(crate) fn property<'a>(schema: &'a Map, name: &str) -> Option<&'a Map> {
    schema.map("properties").and_then(|properties| properties.map(name))
}

/// A schema with its free JSON parsed.
pub(crate) fn ready(schema: &Map) -> Map {
    let ready_node = |node: &Node| match node {
        Node::Map(below) => Node::Map(ready(below)),
        other => other.clone(),
    };
    schema
        .iter()
        .map(|(field, node)| {
            let node = match (field.as_str(), node) {
                ("default", node) => parsed(node).unwrap_or_default(),
                ("enum", Node::List(values)) => values.iter().filter_map(parsed).collect(),
                ("properties", Node::Map(properties)) => Node::Map(
                    properties.iter().map(|(name, node)| (name.clone(), ready_node(node))).collect(),
                ),
                ("items" | "additionalProperties" | "not", node) => ready_node(node),
                ("allOf" | "anyOf" | "oneOf", Node::List(schemas)) => {
                    schemas.iter().map(ready_node).collect()
                }
                (_, node) => node.clone(),
            };
            (field.clone(), node)
        })
        .collect::<Vec<(Key, Node)>>()
        .into_iter()
        .collect()
}
