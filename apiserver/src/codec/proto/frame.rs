//! Frames around messages that are written piece by piece: lists, events, documents of finished messages.

use super::{MAGIC, put_message};

/// What follows the raw bytes in a document: content encoding and type, empty but written.
pub const DOCUMENT_TAIL: &[u8] = &[0x1a, 0, 0x22, 0];

/// Appends a document around the finished message of an object.
pub fn document(api_version: &str, kind: &str, message: &[u8], out: &mut Vec<u8>) {
    document_head(api_version, kind, message.len(), out);
    out.extend_from_slice(message);
    out.extend_from_slice(DOCUMENT_TAIL);
}

/// Appends a document up to where a message of `length` bytes begins; [`DOCUMENT_TAIL`] follows the message.
pub fn document_head(api_version: &str, kind: &str, length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    let mut names = Vec::with_capacity(api_version.len() + kind.len() + 4);
    put_message(1, api_version.as_bytes(), &mut names);
    put_message(2, kind.as_bytes(), &mut names);
    put_message(1, &names, out);
    put_head(2, length, out);
}

fn put_head(number: u32, length: usize, out: &mut Vec<u8>) {
    put_tag(number, out);
    put_varint(length as u64, out);
}

/// Appends the tag of a message.
pub(super) fn put_tag(number: u32, out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | 2, out);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
