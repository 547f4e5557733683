//! A protobuf message in the making.
//!
//! Keeps: proto3's rule that a zero value is not written, except for messages, whose presence counts.

use crate::document::Compressor;
use crate::tree::{Map, Node};

/// The encoded fields so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn delimited(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// A string, unless it is empty.
    pub(super) fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.delimited(field, text.as_bytes());
        }
    }

    /// A string of a list or a oneof, which is written even when it is empty.
    pub(super) fn item(&mut self, field: u32, text: &str) {
        self.delimited(field, text.as_bytes());
    }

    /// A boolean, unless it is false.
    pub(super) fn boolean(&mut self, field: u32, value: bool) {
        if value {
            self.choice(field, value);
        }
    }

    /// A boolean of a oneof.
    pub(super) fn choice(&mut self, field: u32, value: bool) {
        self.varint(u64::from(field) << 3);
        self.varint(u64::from(value));
    }

    /// A double of a oneof.
    pub(super) fn double(&mut self, field: u32, value: f64) {
        self.varint(u64::from(field) << 3 | 1);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A message.
    pub(super) fn message(&mut self, field: u32, message: Message) {
        self.delimited(field, &message.bytes);
    }

    /// The strings at keys of a map, each in its field.
    pub(super) fn texts_of(&mut self, map: &Map, fields: &[(&str, u32)]) {
        for (key, field) in fields {
            self.text(*field, map.str(key));
        }
    }

    /// The items of a list of strings.
    pub(super) fn items_of(&mut self, map: &Map, key: &str, field: u32) {
        for text in map.list(key).iter().filter_map(Node::as_str) {
            self.item(field, text);
        }
    }

    /// The encoded fields.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes this message as a field of the outermost one.
    pub(super) fn write(self, field: u32, out: &mut Compressor) {
        let mut front = Message::default();
        front.varint(u64::from(field) << 3 | 2);
        front.varint(self.bytes.len() as u64);
        out.write(&front.bytes);
        out.write(&self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_values_are_left_out_and_messages_are_not() {
        let mut message = Message::default();
        message.text(1, "");
        message.boolean(2, false);
        message.message(3, Message::default());
        assert_eq!(message.bytes(), [0x1a, 0]);
    }

    #[test]
    fn fields_have_tag_length_and_content() {
        let mut message = Message::default();
        message.text(1, "ab");
        message.boolean(36, true);
        message.double(1, 1.0);
        assert_eq!(message.bytes(), [0x0a, 2, b'a', b'b', 0xa0, 0x02, 1, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    }
}
