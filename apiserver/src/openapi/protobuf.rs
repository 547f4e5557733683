//! OpenAPI documents as the protobuf messages of gnostic, which some clients ask for.
//!
//! Keeps: a translation of the JSON model: whatever the tree says and the messages can say is written.

use crate::tree::{Map, Node};

mod message;
mod v2;
mod v3;

use message::Message;

/// An OpenAPI v2 document as `openapi.v2.Document`.
pub(super) fn v2(document: &Map) -> Vec<u8> {
    v2::document(document).into_bytes()
}

/// An OpenAPI v3 document as `openapi.v3.Document`.
pub(super) fn v3(document: &Map) -> Vec<u8> {
    v3::document(document).into_bytes()
}

/// `Any { 2 yaml }`: JSON is YAML.
fn any(node: &Node) -> Message {
    let mut message = Message::default();
    message.text(2, &format!("{node}\n"));
    message
}

/// A `Named…` message: `{ 1 name, 2 value }`.
fn named(name: &str, value: Message) -> Message {
    let mut message = Message::default();
    message.text(1, name);
    message.message(2, value);
    message
}

/// The keys that begin with `x-`, each as a `NamedAny` in `field`.
fn extensions(map: &Map, field: u32, message: &mut Message) {
    for (key, node) in map.iter().filter(|(key, _)| key.starts_with("x-")) {
        message.message(field, named(key, any(node)));
    }
}
