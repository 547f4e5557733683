//! Documents to trees and back: JSON, YAML and protobuf, all driven by the schema.
//!
//! Keeps: `decode` makes leaves canonical and drops what Go drops, so that `encode(decode(x))` is a fixed point
//! and equal bytes mean "unchanged".

use ecow::EcoString;

/// What a decoder noticed and went on: for `fieldValidation` Warn and Strict.
#[derive(Debug, Default)]
pub struct Findings {
    /// Paths of unknown fields: `spec.foo`, `spec.containers[0].imagee`.
    pub unknown: Vec<EcoString>,
    /// Paths of duplicate fields.
    pub duplicate: Vec<EcoString>,
}

/// Why a document could not be decoded, in the decoder's words (the caller adds the kind's sentence).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// As Go's decoder would say it: `json: cannot unmarshal string into Go struct field …`.
    pub message: String,
}
