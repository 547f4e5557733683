//! `openapi.v2.Document` and the messages below it.
//!
//! Keeps: field numbers as gnostic's OpenAPIv2.proto has them.

use super::message::Message;
use super::{Section, Sections, any, extensions, named};
use crate::document::Compressor;
use crate::tree::{Map, Node};

/// An entry of a section: its field in the section's message, and the message.
pub(super) fn entry(section: Section, map: &Map) -> (u32, Message) {
    match section {
        Section::Paths => (2, path(map)),
        Section::Definitions => (1, schema(map)),
        Section::Parameters => (1, parameter(map)),
    }
}

/// Writes the document.
pub(super) fn document(head: &Map, sections: Sections, tail: &Map, out: &mut Compressor) {
    let mut first = Message::default();
    first.texts_of(head, &[("swagger", 1)]);
    if let Some(info) = head.map("info") {
        let mut inner = Message::default();
        inner.texts_of(info, &[("title", 1), ("version", 2), ("description", 3)]);
        first.message(6, inner);
    }
    out.write(first.bytes());
    sections.paths.write(8, out);
    sections.definitions.write(9, out);
    sections.parameters.write(10, out);
    let mut last = Message::default();
    for requirement in tail.maps("security") {
        let mut inner = Message::default();
        for (name, _) in requirement.iter() {
            inner.message(1, named(name, Message::default()));
        }
        last.message(12, inner);
    }
    if let Some(definitions) = tail.map("securityDefinitions") {
        last.message(13, each(definitions, 1, security));
    }
    out.write(last.bytes());
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

fn security(map: &Map) -> Message {
    let mut inner = Message::default();
    inner.texts_of(map, &[("type", 1), ("name", 2), ("in", 3), ("description", 4)]);
    let mut message = Message::default();
    message.message(2, inner);
    message
}

fn path(map: &Map) -> Message {
    let mut message = Message::default();
    let methods =
        [("get", 2), ("put", 3), ("post", 4), ("delete", 5), ("options", 6), ("head", 7), ("patch", 8)];
    for (method, field) in methods {
        if let Some(operation_map) = map.map(method) {
            message.message(field, operation(operation_map));
        }
    }
    for it in map.maps("parameters") {
        message.message(9, parameter_or_reference(it));
    }
    extensions(map, 10, &mut message);
    message
}

fn operation(map: &Map) -> Message {
    let mut message = Message::default();
    message.items_of(map, "tags", 1);
    message.texts_of(map, &[("description", 3), ("operationId", 5)]);
    message.items_of(map, "produces", 6);
    message.items_of(map, "consumes", 7);
    for it in map.maps("parameters") {
        message.message(8, parameter_or_reference(it));
    }
    if let Some(responses) = map.map("responses") {
        message.message(9, each(responses, 1, response));
    }
    message.items_of(map, "schemes", 10);
    extensions(map, 13, &mut message);
    message
}

fn response(map: &Map) -> Message {
    let mut inner = Message::default();
    inner.texts_of(map, &[("description", 1)]);
    if let Some(answer) = map.map("schema") {
        let mut item = Message::default();
        item.message(1, schema(answer));
        inner.message(2, item);
    }
    let mut message = Message::default();
    message.message(1, inner);
    message
}

fn parameter_or_reference(map: &Map) -> Message {
    let mut message = Message::default();
    match map.get("$ref").and_then(Node::as_str) {
        Some(reference) => {
            let mut inner = Message::default();
            inner.text(1, reference);
            message.message(2, inner);
        }
        None => message.message(1, parameter(map)),
    }
    message
}

fn parameter(map: &Map) -> Message {
    let mut message = Message::default();
    let required = map.bool("required") == Some(true);
    let unique = map.bool("uniqueItems") == Some(true);
    match map.str("in") {
        "body" => {
            let mut body = Message::default();
            body.texts_of(map, &[("description", 1), ("name", 2), ("in", 3)]);
            body.boolean(4, required);
            if let Some(it) = map.map("schema") {
                body.message(5, schema(it));
            }
            message.message(1, body);
        }
        place => {
            let mut inner = Message::default();
            inner.boolean(1, required);
            inner.texts_of(map, &[("in", 2), ("description", 3), ("name", 4)]);
            let mut other = Message::default();
            if place == "path" {
                inner.texts_of(map, &[("type", 5), ("format", 6)]);
                inner.boolean(18, unique);
                other.message(4, inner);
            } else {
                inner.texts_of(map, &[("type", 6), ("format", 7)]);
                inner.boolean(20, unique);
                other.message(3, inner);
            }
            message.message(2, other);
        }
    }
    message
}

fn schema(map: &Map) -> Message {
    let mut message = Message::default();
    message.texts_of(map, &[("$ref", 1), ("format", 2), ("description", 4)]);
    if let Some(default) = map.get("default") {
        message.message(5, any(default));
    }
    message.items_of(map, "required", 19);
    for value in map.list("enum") {
        message.message(20, any(value));
    }
    if let Some(Node::Map(values)) = map.get("additionalProperties") {
        let mut inner = Message::default();
        inner.message(1, schema(values));
        message.message(21, inner);
    }
    if let Some(ty) = map.get("type").and_then(Node::as_str) {
        let mut inner = Message::default();
        inner.item(1, ty);
        message.message(22, inner);
    }
    if let Some(items) = map.map("items") {
        let mut inner = Message::default();
        inner.message(1, schema(items));
        message.message(23, inner);
    }
    for it in map.maps("allOf") {
        message.message(24, schema(it));
    }
    if let Some(properties) = map.map("properties") {
        message.message(25, each(properties, 1, schema));
    }
    extensions(map, 31, &mut message);
    message
}
