//! YAML to JSON and back.
//!
//! Keeps: YAML is only ever another way to write JSON: plain scalars become what Kubernetes' own converter makes of
//! them (YAML 1.1 booleans included), keys become strings, and what is written reads back as the same. Aliases
//! cannot make a document larger than a limit.

use super::{DecodeError, Findings};
use crate::tree::Node;

mod read;
mod scalar;
mod write;

pub use write::encode;

/// A document's aliases may expand it to this size at most, in bytes of JSON, roughly.
pub const EXPANDED_BYTES_MAX: usize = 8 << 20;

/// The first document of a YAML text as compact JSON with sorted keys; duplicate keys go to `findings`.
pub fn to_json(input: &[u8], findings: Option<&mut Findings>) -> Result<Vec<u8>, DecodeError> {
    let node = decode(input, findings)?;
    let mut out = Vec::with_capacity(input.len() + input.len() / 4);
    super::json::encode_untyped(&node, &mut out);
    Ok(out)
}

/// The first document of a YAML text as an untyped tree; of duplicate keys the last value stands.
pub fn decode(input: &[u8], findings: Option<&mut Findings>) -> Result<Node, DecodeError> {
    read::document(&String::from_utf8_lossy(input), findings)
}

/// JSON as YAML.
pub fn from_json(input: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let node = super::json::decode_untyped(input)?;
    let mut out = Vec::with_capacity(input.len() + input.len() / 4);
    encode(&node, &mut out);
    Ok(out)
}

#[cfg(test)]
mod tests;
