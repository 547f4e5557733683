//! `openapi.v3.Document` and the messages below it.
//!
//! Keeps: field numbers as gnostic's OpenAPIv3.proto has them.

use super::message::Message;
use super::{Section, Sections, any, extensions, named};
use crate::document::Compressor;
use crate::tree::{Map, Node};

/// An entry of a section: its field in the section's message, and the message.
pub(super) fn entry(section: Section, map: &Map) -> (u32, Message) {
    match section {
        Section::Paths => (1, path(map)),
        Section::Definitions => (1, schema_or_reference(map)),
        Section::Parameters => (1, parameter(map)),
    }
}

/// Writes the document.
pub(super) fn document(head: &Map, sections: Sections, tail: &Map, out: &mut Compressor) {
    let mut first = Message::default();
    first.texts_of(head, &[("openapi", 1)]);
    if let Some(info) = head.map("info") {
        let mut inner = Message::default();
        inner.texts_of(info, &[("title", 1), ("description", 2), ("version", 6)]);
        first.message(2, inner);
    }
    out.write(first.bytes());
    sections.paths.write(4, out);
    let mut components = Message::default();
    components.message(1, sections.definitions);
    if let Some(schemes) = tail.map("securitySchemes") {
        components.message(7, each(schemes, 1, security_scheme));
    }
    components.write(5, out);
}

/// The maps in a map, each as a named message in `field`.
fn each(map: &Map, field: u32, one: impl Fn(&Map) -> Message) -> Message {
    let mut message = Message::default();
    for (name, node) in map.iter() {
        if let Node::Map(inner) = node {
            message.message(field, named(name, one(inner)));
        }
    }
    message
}

fn security_scheme(map: &Map) -> Message {
    let mut inner = Message::default();
    inner.texts_of(map, &[("type", 1), ("description", 2), ("name", 3), ("in", 4)]);
    let mut message = Message::default();
    message.message(1, inner);
    message
}

fn path(map: &Map) -> Message {
    let mut message = Message::default();
    let methods =
        [("get", 4), ("put", 5), ("post", 6), ("delete", 7), ("options", 8), ("head", 9), ("patch", 10)];
    for (method, field) in methods {
        if let Some(operation_map) = map.map(method) {
            message.message(field, operation(operation_map));
        }
    }
    for it in map.maps("parameters") {
        message.message(13, parameter(it));
    }
    extensions(map, 14, &mut message);
    message
}

fn operation(map: &Map) -> Message {
    let mut message = Message::default();
    message.items_of(map, "tags", 1);
    message.texts_of(map, &[("description", 3), ("operationId", 5)]);
    for it in map.maps("parameters") {
        message.message(6, parameter(it));
    }
    if let Some(body) = map.map("requestBody") {
        let mut inner = Message::default();
        inner.texts_of(body, &[("description", 1)]);
        if let Some(content) = body.map("content") {
            inner.message(2, each(content, 1, media_type));
        }
        inner.boolean(3, body.bool("required") == Some(true));
        let mut either = Message::default();
        either.message(1, inner);
        message.message(7, either);
    }
    if let Some(responses) = map.map("responses") {
        message.message(8, each(responses, 2, response));
    }
    extensions(map, 13, &mut message);
    message
}

fn response(map: &Map) -> Message {
    let mut inner = Message::default();
    inner.texts_of(map, &[("description", 1)]);
    if let Some(content) = map.map("content") {
        inner.message(3, each(content, 1, media_type));
    }
    let mut message = Message::default();
    message.message(1, inner);
    message
}

fn media_type(map: &Map) -> Message {
    let mut message = Message::default();
    if let Some(schema) = map.map("schema") {
        message.message(1, schema_or_reference(schema));
    }
    message
}

fn parameter(map: &Map) -> Message {
    let mut inner = Message::default();
    inner.texts_of(map, &[("name", 1), ("in", 2), ("description", 3)]);
    inner.boolean(4, map.bool("required") == Some(true));
    if let Some(schema) = map.map("schema") {
        inner.message(10, schema_or_reference(schema));
    }
    let mut message = Message::default();
    message.message(1, inner);
    message
}

fn schema_or_reference(map: &Map) -> Message {
    let mut message = Message::default();
    match map.get("$ref").and_then(Node::as_str) {
        Some(reference) => {
            let mut inner = Message::default();
            inner.text(1, reference);
            message.message(2, inner);
        }
        None => message.message(1, schema(map)),
    }
    message
}

fn schema(map: &Map) -> Message {
    let mut message = Message::default();
    message.boolean(20, map.bool("uniqueItems") == Some(true));
    message.items_of(map, "required", 23);
    for value in map.list("enum") {
        message.message(24, any(value));
    }
    message.texts_of(map, &[("type", 25)]);
    for (key, field) in [("allOf", 26), ("oneOf", 27), ("anyOf", 28)] {
        for it in map.maps(key) {
            message.message(field, schema_or_reference(it));
        }
    }
    if let Some(items) = map.map("items") {
        let mut inner = Message::default();
        inner.message(1, schema_or_reference(items));
        message.message(30, inner);
    }
    if let Some(properties) = map.map("properties") {
        message.message(31, each(properties, 1, schema_or_reference));
    }
    match map.get("additionalProperties") {
        Some(Node::Map(values)) => {
            let mut inner = Message::default();
            inner.message(1, schema_or_reference(values));
            message.message(32, inner);
        }
        Some(Node::Bool(allowed)) => {
            let mut inner = Message::default();
            inner.choice(2, *allowed);
            message.message(32, inner);
        }
        _ => {}
    }
    if let Some(default) = map.get("default") {
        message.message(33, default_type(default));
    }
    message.texts_of(map, &[("description", 34), ("format", 35)]);
    extensions(map, 36, &mut message);
    message
}

/// `DefaultType` can say a number, a boolean or a string; of anything else only that there is a default.
fn default_type(node: &Node) -> Message {
    let mut message = Message::default();
    match node {
        Node::Int(value) => message.double(1, *value as f64),
        Node::Float(value) => message.double(1, *value),
        Node::Bool(value) => message.choice(2, *value),
        Node::Str(text) => message.item(3, text),
        Node::Null | Node::Raw(_) | Node::List(_) | Node::Map(_) => {}
    }
    message
}
