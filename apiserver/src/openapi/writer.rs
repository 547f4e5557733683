//! A document written piece by piece, as JSON or protobuf, straight into compression.
//!
//! Keeps: no more of a document is in memory than one entry of it and what is compressed already (in protobuf,
//! where a length stands first, one section); a document of all groups would else take tens of megabytes.

use super::Form;
use super::definitions::Flavor;
use super::protobuf::Sections;
use super::{v2, v3};
use crate::codec;
use crate::document::{Compressed, Compressor};
use crate::tree::{Map, Node};

/// A part of a document that holds named entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The paths.
    Paths,
    /// The types.
    Definitions,
    /// Shared parameters, in v2.
    Parameters,
}

/// Takes the entries of a document, section after section.
#[allow(clippy::large_enum_variant, reason = "one writer lives at a time, on the stack")]
pub(super) enum Writer {
    /// As JSON.
    Json(Json),
    /// As gnostic's messages.
    Protobuf(Flavor, Sections),
}

/// JSON on its way into compression.
pub(super) struct Json {
    flavor: Flavor,
    out: Compressor,
    section: Option<Section>,
    /// The entry being written.
    buffer: Vec<u8>,
}

impl Writer {
    /// An empty document.
    pub(super) fn new(flavor: Flavor, form: Form) -> Writer {
        match form {
            Form::Json => Writer::Json(Json::new(flavor)),
            Form::Protobuf => Writer::Protobuf(flavor, Sections::default()),
        }
    }

    /// Writes an entry. The entries of a section follow each other.
    pub(super) fn entry(&mut self, section: Section, name: &str, map: Map) {
        match self {
            Writer::Json(json) => json.entry(section, name, map),
            Writer::Protobuf(flavor, sections) => sections.entry(*flavor, section, name, &map),
        }
    }

    /// The whole document.
    pub(super) fn finish(self) -> Compressed {
        match self {
            Writer::Json(json) => json.finish(),
            Writer::Protobuf(flavor, sections) => sections.finish(flavor, &head(flavor), &tail(flavor)),
        }
    }
}

/// What stands in front of the sections.
fn head(flavor: Flavor) -> Map {
    match flavor {
        Flavor::V2 => v2::head(),
        Flavor::V3 => v3::head(),
    }
}

/// What stands behind them; in v3 that is beside the types.
fn tail(flavor: Flavor) -> Map {
    match flavor {
        Flavor::V2 => v2::tail(),
        Flavor::V3 => v3::tail(),
    }
}

impl Json {
    fn new(flavor: Flavor) -> Json {
        let mut json = Json { flavor, out: Compressor::new(), section: None, buffer: Vec::new() };
        json.text("{");
        json.fields(&head(flavor));
        json
    }

    fn text(&mut self, text: &str) {
        self.out.write(text.as_bytes());
    }

    /// `"key":value` of each entry of a map, with commas between them.
    fn fields(&mut self, map: &Map) {
        for (at, (key, node)) in map.iter().enumerate() {
            self.field(at > 0, key, node);
        }
    }

    fn field(&mut self, comma: bool, key: &str, node: &Node) {
        self.buffer.clear();
        if comma {
            self.buffer.push(b',');
        }
        codec::json::encode_untyped(&Node::from(key), &mut self.buffer);
        self.buffer.push(b':');
        codec::json::encode_untyped(node, &mut self.buffer);
        self.out.write(&self.buffer);
    }

    fn entry(&mut self, section: Section, name: &str, map: Map) {
        let comma = self.section == Some(section);
        if !comma {
            if self.section.is_some() {
                self.text("}");
            }
            self.text(match (self.flavor, section) {
                (_, Section::Paths) => ",\"paths\":{",
                (Flavor::V3, Section::Definitions) => ",\"components\":{\"schemas\":{",
                (Flavor::V2, Section::Definitions) => ",\"definitions\":{",
                (_, Section::Parameters) => ",\"parameters\":{",
            });
            self.section = Some(section);
        }
        self.field(comma, name, &Node::Map(map));
    }

    fn finish(mut self) -> Compressed {
        self.text("},");
        self.fields(&tail(self.flavor));
        self.text(if self.flavor == Flavor::V3 { "}}" } else { "}" });
        self.out.finish()
    }
}
