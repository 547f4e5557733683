//! JSON to trees and back.
//!
//! Keeps: reading accepts what Go's decoder accepts and refuses in its words; writing prints what Go's encoder
//! prints, byte for byte. The parser is ours because it decodes straight into schema-keyed trees in one pass,
//! several times faster than through a general one, and because clients compare Go's error texts.

use bytes::Bytes;

use super::context::{Context, Words};
use super::{DecodeError, Findings, Memory};
use crate::schema::{self, Schema, StructId};
use crate::tree::{Map, Node, Unread};

mod decode;
mod encode;
mod read;
mod scan;
mod typed;
mod untyped;
pub(super) mod write;

pub(super) use decode::find;
pub(super) use read::Reader;
pub(crate) use scan::{plain_end, structure_end};
pub(super) use untyped::sort_keeping_last;

pub use encode::{Head, encode, encode_object, encode_stored, encode_untyped};

/// Decodes a document of a known type. Unknown and duplicate fields go to `findings`; the last duplicate wins.
pub fn decode(
    input: &[u8],
    schema: &Schema,
    id: StructId,
    findings: Option<&mut Findings>,
) -> Result<Map, DecodeError> {
    decode_with(input, schema, id, findings, None)
}

/// As [`decode`], for an object whose spec may be remembered.
pub fn decode_with(
    input: &[u8],
    schema: &Schema,
    id: StructId,
    findings: Option<&mut Findings>,
    memory: Option<&mut dyn Memory>,
) -> Result<Map, DecodeError> {
    let text = utf8(input);
    decode::Decoder::new(&text, Context::new(schema, findings))
        .remembering(memory.map(|memory| memory as &mut dyn Memory))
        .document(id)
}

/// Decodes the stored form of an object, which begins after the opening brace.
pub fn decode_stored(input: &[u8], schema: &Schema, id: StructId) -> Result<Map, DecodeError> {
    let text = utf8(input);
    decode::Decoder::new(&text, Context::new(schema, None)).opened_document(id)
}

/// As [`decode_stored`] by the built-in schema, for a write: larger structs are read when somebody looks into them, and
/// are encoded by copying their text as long as nobody changes them.
pub fn decode_stored_for_write(input: &Bytes, id: StructId) -> Result<Map, DecodeError> {
    match std::str::from_utf8(input) {
        Ok(text) => decode::Decoder::new(text, Context::new(schema::builtin(), None))
            .leaving_unread(input)
            .opened_document(id),
        Err(_) => decode_stored(input, schema::builtin(), id),
    }
}

/// A struct of the built-in schema with the text that it is stored as, which the encoder copies.
pub fn with_text(map: &Map, id: StructId) -> Map {
    let mut text = Vec::new();
    encode(map, schema::builtin(), id, &mut text);
    map.with_text(Unread { text: text.into(), id, read: read_unread })
}

/// Reads what [`decode_stored_for_write`] left.
fn read_unread(unread: &Unread) -> Map {
    let text = utf8(&unread.text);
    decode::Decoder::new(&text, Context::new(schema::builtin(), None))
        .leaving_unread(&unread.text)
        .part(unread.id)
        .expect("stored bytes were encoded by this schema")
}

/// Decodes a document of any shape: entries in their order, the last of duplicates.
pub fn decode_untyped(input: &[u8]) -> Result<Node, DecodeError> {
    let schema = Schema::default();
    let text = utf8(input);
    let mut reader = read::Reader::new(&text);
    let node = untyped::Decoder::new(&mut reader, &mut Context::new(&schema, None)).value()?;
    reader.end()?;
    Ok(node)
}

/// Makes an untyped tree (the result of a patch) typed: the checks and canonical leaves of [`decode`].
///
/// A tree that is typed already stays as it is.
pub fn typed(
    map: Map,
    schema: &Schema,
    id: StructId,
    findings: Option<&mut Findings>,
) -> Result<Map, DecodeError> {
    typed::convert(map, None, Context::new(schema, findings), id)
}

/// As [`typed`], of what a change made of `live`, a typed tree: the parts that both share are not walked.
pub fn typed_again(
    map: Map,
    live: &Map,
    schema: &Schema,
    id: StructId,
    findings: Option<&mut Findings>,
) -> Result<Map, DecodeError> {
    typed::convert(map, Some(live), Context::new(schema, findings), id)
}

/// As [`typed_again`], in the words of upstream's converter, which makes the results of strategic patches typed. Without
/// `live` the whole of it is walked.
pub fn restored(
    map: Map,
    live: Option<&Map>,
    schema: &Schema,
    id: StructId,
    findings: Option<&mut Findings>,
) -> Result<Map, DecodeError> {
    typed::convert(map, live, Context::new(schema, findings).speaking(Words::Converter), id)
}

/// Writes a string in its quotes, as Go escapes it.
pub fn encode_string(text: &str, out: &mut Vec<u8>) {
    write::string(text, out);
}

/// A raw leaf from JSON text, in its canonical form; `null` is [`Node::Null`].
pub fn raw(text: &str) -> Result<Node, DecodeError> {
    let mut reader = read::Reader::new(text);
    let node = reader.raw()?;
    reader.end()?;
    Ok(node.unwrap_or_default())
}

/// Go replaces what is not UTF-8 by U+FFFD.
fn utf8(input: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(input) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(input),
    }
}

#[cfg(test)]
mod tests;
