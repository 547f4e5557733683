//! Protobuf to trees and back, as the API's Go types read and write it.
//!
//! Keeps: a message gives the tree that the same object's JSON gives, and what Go always writes is written. Sizes
//! and depth are bounded by the input, and no input panics.

use ecow::EcoString;

use super::{DecodeError, Memory};
use crate::schema::{Schema, StructId};
use crate::tree::Map;

mod decode;
mod encode;
mod frame;
mod length;
mod transcode;
mod wire;

pub use frame::{DOCUMENT_TAIL, document, document_head};

/// What every protobuf document begins with.
pub const MAGIC: [u8; 4] = *b"k8s\0";

/// The message around a document: `runtime.Unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `apps/v1`; may be empty.
    pub api_version: EcoString,
    /// `Deployment`; may be empty.
    pub kind: EcoString,
    /// The object's own message.
    pub raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads the magic bytes and the message around an object.
    pub fn decode(input: &'a [u8]) -> Result<Envelope<'a>, DecodeError> {
        decode::envelope(input)
    }
}

/// Decodes an object's message. `apiVersion` and `kind` are not part of it.
pub fn decode(input: &[u8], schema: &Schema, id: StructId) -> Result<Map, DecodeError> {
    decode::message(input, schema, id, None)
}

/// As [`decode`], for an object whose spec may be remembered.
pub fn decode_with(
    input: &[u8],
    schema: &Schema,
    id: StructId,
    memory: Option<&mut dyn Memory>,
) -> Result<Map, DecodeError> {
    decode::message(input, schema, id, memory.map(|memory| memory as &mut dyn Memory))
}

/// Writes an object's message, without an envelope.
pub fn encode(map: &Map, schema: &Schema, id: StructId, out: &mut Vec<u8>) {
    encode::message(map, schema, id, out);
}

/// Writes the message of an object from its stored form (as `json::encode_stored` writes it), without a tree.
///
/// What is zero and no pointer is left out, so the message is smaller than [`encode`]'s and means the same.
pub fn transcode_stored(
    stored: &[u8],
    schema: &Schema,
    id: StructId,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    match std::str::from_utf8(stored) {
        Ok(text) => transcode::stored(text, schema, id, out),
        Err(_) => Err(DecodeError::new("the stored object is not UTF-8")),
    }
}

/// Writes one field that holds bytes, a text or a message: for messages that no struct of the table describes.
pub fn put_message(number: u32, message: &[u8], out: &mut Vec<u8>) {
    encode::put_message(number, message, out);
}

/// Writes an item of a list: a field that holds the message that `write` appends, which is not copied.
pub fn put_item(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    frame::put_tag(number, out);
    let opened = length::Opened::new(length::ITEM, out);
    write(out);
    opened.close(out);
}

#[cfg(test)]
mod tests;
