//! The wire format: tags, varints and lengths.
//!
//! Keeps: reading never goes beyond its slice; writing goes from the end to the beginning, so that a length is
//! known when it is written.

use super::super::{DEPTH_MAX, DecodeError};

pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const FIXED32: u8 = 5;

type Result<T> = std::result::Result<T, DecodeError>;

/// Reads fields from a message.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// A field's number and how its value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) number: u32,
    pub(super) wire: u8,
}

fn end_of_input() -> DecodeError {
    DecodeError::new("unexpected EOF")
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Reader<'a> {
        Reader { rest: message }
    }

    /// The next field's tag; `None` at the end of the message.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<Option<Tag>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let value = self.varint()?;
        let number = u32::try_from(value >> 3).unwrap_or(0);
        if number == 0 {
            return Err(DecodeError::new(format!("proto: illegal tag {number} (wire type {value})")));
        }
        Ok(Some(Tag { number, wire: (value & 7) as u8 }))
    }

    /// Takes the next tag if it is `tag`.
    #[inline]
    pub(super) fn same_tag(&mut self, tag: Tag) -> bool {
        let mut ahead = self.clone();
        let same = matches!(ahead.tag(), Ok(Some(next)) if next == tag);
        if same {
            *self = ahead;
        }
        same
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64> {
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(byte.into());
        }
        let mut value = 0_u64;
        for (at, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() >= 10 { DecodeError::new("proto: integer overflow") } else { end_of_input() })
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        self.take(length)
    }

    pub(super) fn fixed64(&mut self) -> Result<u64> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(end_of_input)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Skips the value of a field that nobody knows.
    pub(super) fn skip(&mut self, tag: Tag) -> Result<()> {
        let mut groups = 0;
        let mut wire = tag.wire;
        loop {
            match wire {
                VARINT => self.varint().map(drop)?,
                FIXED64 => self.take(8).map(drop)?,
                BYTES => self.bytes().map(drop)?,
                FIXED32 => self.take(4).map(drop)?,
                3 => groups += 1,
                4 if groups > 0 => groups -= 1,
                _ => return Err(DecodeError::new(format!("proto: illegal wireType {wire}"))),
            }
            if groups == 0 {
                return Ok(());
            }
            if groups > DEPTH_MAX {
                return Err(DecodeError::new("exceeded max depth"));
            }
            wire = self.tag()?.ok_or_else(end_of_input)?.wire;
        }
    }
}

/// Writes a message from its end.
pub(super) struct Writer {
    buffer: Vec<u8>,
    at: usize,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Writer {
        Writer { buffer: vec![0; bytes], at: bytes }
    }

    /// What was written.
    pub(super) fn written(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// How much was written.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.buffer.len() - self.at
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        let length = (self.buffer.len() + bytes).next_power_of_two().max(1024) * 2;
        let mut buffer = vec![0; length];
        let at = length - self.len();
        buffer[at..].copy_from_slice(self.written());
        (self.buffer, self.at) = (buffer, at);
    }

    #[inline]
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        if self.at < bytes.len() {
            self.grow(bytes.len());
        }
        let at = self.at - bytes.len();
        self.buffer[at..self.at].copy_from_slice(bytes);
        self.at = at;
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        if self.at == 0 {
            self.grow(1);
        }
        self.at -= 1;
        self.buffer[self.at] = byte;
    }

    #[inline]
    pub(super) fn varint(&mut self, value: u64) {
        if value < 0x80 {
            return self.byte(value as u8);
        }
        let mut bytes = [0; 10];
        let mut length = 0;
        let mut rest = value;
        while rest >= 0x80 {
            bytes[length] = rest as u8 | 0x80;
            rest >>= 7;
            length += 1;
        }
        bytes[length] = rest as u8;
        self.raw(&bytes[..=length]);
    }

    pub(super) fn fixed64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    #[inline]
    pub(super) fn tag(&mut self, number: u32, wire: u8) {
        self.varint(u64::from(number) << 3 | u64::from(wire));
    }

    /// Writes a field of bytes.
    #[inline]
    pub(super) fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.raw(bytes);
        self.varint(bytes.len() as u64);
        self.tag(number, BYTES);
    }

    /// Writes a field of a number.
    #[inline]
    pub(super) fn number(&mut self, number: u32, value: u64) {
        self.varint(value);
        self.tag(number, VARINT);
    }

    /// Writes length and tag in front of all that was written since `len` was `mark`.
    #[inline]
    pub(super) fn finish(&mut self, number: u32, mark: usize) {
        self.varint((self.len() - mark) as u64);
        self.tag(number, BYTES);
    }
}
