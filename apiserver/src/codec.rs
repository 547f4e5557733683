//! Documents to trees and back: JSON, YAML and protobuf, all driven by the schema.
//!
//! Keeps: `decode` makes leaves canonical and drops what Go takes for zero, so that `encode(decode(x))` is a fixed
//! point, equal bytes mean "unchanged", and every encoding of an object gives the same tree.

use ecow::EcoString;

use crate::tree::Node;

mod context;
pub mod json;
mod leaf;
pub mod proto;
pub mod yaml;

/// Documents nested deeper than this are refused; trees are walked recursively.
pub const DEPTH_MAX: usize = 512;

/// What a decoder noticed and went on: for `fieldValidation` Warn and Strict.
#[derive(Debug, Default)]
pub struct Findings {
    /// Paths of unknown fields: `spec.foo`, `spec.containers[0].imagee`.
    pub unknown: Vec<EcoString>,
    /// Paths of duplicate fields.
    pub duplicate: Vec<EcoString>,
    /// In which order they were found: true for a duplicate.
    order: Vec<bool>,
    /// Lines of a YAML document on which a key stands again, with the key.
    repeated: Vec<(usize, EcoString)>,
}

impl Findings {
    /// A document can have a million unknown fields; the first hundred are enough.
    const MAX: usize = 100;

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.duplicate.is_empty()
    }

    /// What was found, in order, in the words of strict decoding: `unknown field "spec.foo"`.
    pub fn sentences(&self) -> Vec<String> {
        let (mut unknown, mut duplicate) = (self.unknown.iter(), self.duplicate.iter());
        let sentence = |is_duplicate: &bool| match is_duplicate {
            true => duplicate.next().map(|path| format!("duplicate field \"{path}\"")),
            false => unknown.next().map(|path| format!("unknown field \"{path}\"")),
        };
        self.order.iter().filter_map(sentence).collect()
    }

    /// Keys that stand twice in a map of a YAML document, in the words of upstream's converter: `line 8: key "a" already
    /// set in map`.
    pub fn repeated_keys(&self) -> Vec<String> {
        let mut repeated: Vec<&(usize, EcoString)> = self.repeated.iter().collect();
        repeated.sort();
        repeated
            .into_iter()
            .map(|(line, key)| format!("line {line}: key \"{key}\" already set in map"))
            .collect()
    }

    fn add_repeated(&mut self, line: usize, key: &EcoString) {
        if self.repeated.len() < Findings::MAX {
            self.repeated.push((line, key.clone()));
        }
    }

    pub(crate) fn add_unknown(&mut self, path: EcoString) {
        if self.unknown.len() < Findings::MAX && !self.unknown.contains(&path) {
            self.unknown.push(path);
            self.order.push(false);
        }
    }

    fn add_duplicate(&mut self, path: EcoString) {
        if self.duplicate.len() < Findings::MAX && !self.duplicate.contains(&path) {
            self.duplicate.push(path);
            self.order.push(true);
        }
    }
}

/// The field of an object that may be remembered.
pub const REMEMBERED: &str = "spec";

/// Remembers what was decoded before.
pub trait Memory {
    /// The value that the text of an object's [`REMEMBERED`] field (the document's own bytes of it) was decoded to, if
    /// it is known.
    fn recall(&mut self, text: &[u8]) -> Option<Node>;
}

/// Why a document could not be decoded, in the decoder's words (the caller adds the kind's sentence).
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// As Go's decoder would say it: `json: cannot unmarshal string into Go struct field …`.
    pub message: String,
}

impl DecodeError {
    fn new(message: impl Into<String>) -> DecodeError {
        DecodeError { message: message.into() }
    }

    /// Whether the document is wrong, rather than something in it.
    pub fn is_of_document(&self) -> bool {
        let message = self.message.as_str();
        message.starts_with("invalid character")
            || message == "unexpected end of JSON input"
            || message.contains("into Go value of type unstructured.Unstructured")
    }
}
