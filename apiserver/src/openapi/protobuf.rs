//! OpenAPI documents as the protobuf messages of gnostic, which some clients ask for.
//!
//! Keeps: a translation of the JSON model: whatever the tree says and the messages can say is written.

use super::definitions::Flavor;
use super::writer::Section;
use crate::document::{Compressed, Compressor};
use crate::tree::{Map, Node};

mod message;
mod v2;
mod v3;

use message::Message;

/// The sections of a document so far.
#[derive(Default)]
pub(super) struct Sections {
    paths: Message,
    definitions: Message,
    parameters: Message,
}

impl Sections {
    /// Adds an entry to a section.
    pub(super) fn entry(&mut self, flavor: Flavor, section: Section, name: &str, map: &Map) {
        let (field, value) = match flavor {
            Flavor::V2 => v2::entry(section, map),
            Flavor::V3 => v3::entry(section, map),
        };
        let into = match section {
            Section::Paths => &mut self.paths,
            Section::Definitions => &mut self.definitions,
            Section::Parameters => &mut self.parameters,
        };
        into.message(field, named(name, value));
    }

    /// The document with what stands in front of the sections and behind them.
    pub(super) fn finish(self, flavor: Flavor, head: &Map, tail: &Map) -> Compressed {
        let mut out = Compressor::new();
        match flavor {
            Flavor::V2 => v2::document(head, self, tail, &mut out),
            Flavor::V3 => v3::document(head, self, tail, &mut out),
        }
        out.finish()
    }
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
