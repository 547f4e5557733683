//! JSON text to a message, without a tree.
//!
//! Keeps: the message means what the tree's message means to every reader: fields that are zero and no pointer may
//! be left out, and fields may come in another order than Go writes them. Meant for texts of our own encoder;
//! others are read as leniently as by the decoder, and what is malformed is an error.

use super::super::DecodeError;
use super::super::json::{Reader, find};
use super::super::leaf;
use super::wire::{BYTES, FIXED64, VARINT};
use crate::schema::{Field, Schema, SchemaOr, StructId, Type};
use crate::time;

type Result<T> = std::result::Result<T, DecodeError>;

/// Writes the message of an object in its stored form.
pub(super) fn stored(text: &str, schema: &Schema, id: StructId, out: &mut Vec<u8>) -> Result<()> {
    let mut reader = Reader::new(text);
    reader.opened();
    let mut transcoder = Transcoder { reader, schema, out, path: Vec::new() };
    transcoder.fields(id)?;
    transcoder.reader.end()
}

struct Transcoder<'a> {
    reader: Reader<'a>,
    schema: &'a Schema,
    out: &'a mut Vec<u8>,
    /// Numbers of the inlined structs on the way to a field.
    path: Vec<u32>,
}

impl<'a> Transcoder<'a> {
    /// Writes the fields of the struct whose object is open.
    fn fields(&mut self, id: StructId) -> Result<()> {
        let this = self.schema.get(id);
        let mut next = 0;
        let mut first = true;
        while let Some(name) = self.reader.key(first)? {
            first = false;
            let Some(at) = find(this, &name, next) else {
                self.reader.skip()?;
                continue;
            };
            next = at + 1;
            let field = &*this.flat[at].field;
            if field.number == 0 || self.reader.peek()? == b'n' {
                self.reader.skip()?;
            } else if this.flat[at].embedded.is_empty() {
                self.field(field)?;
            } else {
                self.inlined(id, at)?;
            }
        }
        Ok(())
    }

    /// Writes a field of an inlined struct inside messages of its own; readers merge those of the other fields.
    fn inlined(&mut self, id: StructId, at: usize) -> Result<()> {
        let mark = self.path.len();
        let mut this = self.schema.get(id);
        let mut at = at;
        loop {
            // The declaration is the last that begins at or before the place.
            let declared = this.flat_at.partition_point(|start| usize::from(*start) <= at) - 1;
            let field = &*this.fields[declared];
            let Type::Struct(inner) = field.ty else { break };
            if !field.inline {
                break;
            }
            if field.number == 0 {
                self.path.truncate(mark);
                return self.reader.skip();
            }
            self.path.push(field.number);
            at -= usize::from(this.flat_at[declared]);
            this = self.schema.get(inner);
        }
        let field = this.flat[at].field.clone();
        let numbers: smallvec::SmallVec<[u32; 4]> = self.path.drain(mark..).collect();
        let marks: smallvec::SmallVec<[usize; 4]> = numbers.iter().map(|number| self.open(*number)).collect();
        self.field(&field)?;
        for mark in marks.into_iter().rev() {
            self.close(mark);
        }
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<()> {
        match &field.ty {
            Type::List { item, wrapped: false } => self.items(field.number, item),
            Type::Map(value) => {
                self.expect(b'{')?;
                let mut first = true;
                while let Some(key) = self.reader.key(first)? {
                    first = false;
                    let mark = self.open(field.number);
                    self.bytes(1, key.as_bytes());
                    self.value(2, value)?;
                    self.close(mark);
                }
                Ok(())
            }
            ty => self.value(field.number, ty),
        }
    }

    fn items(&mut self, number: u32, item: &Type) -> Result<()> {
        self.expect(b'[')?;
        let mut first = true;
        while self.reader.item(first)? {
            first = false;
            if self.reader.peek()? == b'n' {
                self.reader.skip()?;
                self.bytes(number, b"");
            } else {
                self.value(number, item)?;
            }
        }
        Ok(())
    }

    /// Takes the bracket that a value of the field's type begins with.
    fn expect(&mut self, bracket: u8) -> Result<()> {
        if self.reader.peek()? == bracket { self.reader.open() } else { Err(unexpected()) }
    }

    /// Writes one value with its tag.
    fn value(&mut self, number: u32, ty: &Type) -> Result<()> {
        match (ty, self.reader.peek()?) {
            (_, b'n') => self.reader.skip(),
            (Type::Struct(id), b'{') => {
                self.reader.open()?;
                let mark = self.open(number);
                self.fields(*id)?;
                self.close(mark);
                Ok(())
            }
            (Type::String, b'"') => {
                let text = self.reader.string()?;
                self.bytes(number, text.as_bytes());
                Ok(())
            }
            (Type::Bool, byte @ (b't' | b'f')) => {
                self.reader.literal(if byte == b't' { "true" } else { "false" })?;
                self.number(number, (byte == b't').into());
                Ok(())
            }
            (Type::Int32 | Type::Int64, b'-' | b'0'..=b'9') => {
                let value = leaf::parse_int(self.reader.number()?).ok_or_else(unexpected)?;
                self.number(number, value as u64);
                Ok(())
            }
            (Type::Float64, b'-' | b'0'..=b'9') => {
                let value: f64 = self.reader.number()?.parse().map_err(|_| unexpected())?;
                self.tag(number, FIXED64);
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
            (Type::List { item, .. }, b'[') => {
                let mark = self.open(number);
                self.items(1, item)?;
                self.close(mark);
                Ok(())
            }
            (Type::FieldsV1 | Type::RawExtension | Type::Json, _) => {
                let text = self.reader.stored_text()?;
                let mark = self.open(number);
                self.bytes(1, text.as_bytes());
                self.close(mark);
                Ok(())
            }
            (Type::SchemaOr(or, id), byte) => self.schema_or(number, *or, *id, byte),
            (ty, b'"') => self.text_leaf(number, ty),
            (Type::IntOrString, b'-' | b'0'..=b'9') => {
                let value = leaf::parse_int(self.reader.number()?).ok_or_else(unexpected)?;
                let mark = self.open(number);
                self.number(2, value as u64);
                self.close(mark);
                Ok(())
            }
            _ => Err(unexpected()),
        }
    }

    /// Writes a leaf whose canonical form is text.
    fn text_leaf(&mut self, number: u32, ty: &Type) -> Result<()> {
        let text = self.reader.string()?;
        if let Type::Bytes = ty {
            let bytes = leaf::decode_base64(&text).ok_or_else(unexpected)?;
            self.bytes(number, &bytes);
            return Ok(());
        }
        let mark = self.open(number);
        match ty {
            Type::Time | Type::MicroTime => {
                let moment = time::parse(&text).map_err(|_| unexpected())?;
                self.number(1, moment.seconds as u64);
                if matches!(ty, Type::MicroTime) {
                    self.number(2, (moment.nanos / 1_000 * 1_000).into());
                }
            }
            Type::Duration => self.number(1, time::parse_duration(&text).map_err(|_| unexpected())? as u64),
            Type::Quantity => self.bytes(1, text.as_bytes()),
            Type::IntOrString => {
                self.number(1, 1);
                self.bytes(3, text.as_bytes());
            }
            _ => return Err(unexpected()),
        }
        self.close(mark);
        Ok(())
    }

    fn schema_or(&mut self, number: u32, or: SchemaOr, id: StructId, byte: u8) -> Result<()> {
        let mark = self.open(number);
        match (or, byte) {
            (SchemaOr::Bool, b'{') => {
                self.number(1, 1);
                self.value(2, &Type::Struct(id))?;
            }
            (SchemaOr::Bool, _) => self.value(1, &Type::Bool)?,
            (_, b'{') => self.value(1, &Type::Struct(id))?,
            (or, _) => self.items(2, &or.item(id).unwrap_or(Type::String))?,
        }
        self.close(mark);
        Ok(())
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    #[inline]
    fn tag(&mut self, number: u32, wire: u8) {
        self.varint(u64::from(number) << 3 | u64::from(wire));
    }

    #[inline]
    fn number(&mut self, number: u32, value: u64) {
        self.tag(number, VARINT);
        self.varint(value);
    }

    #[inline]
    fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, BYTES);
        self.varint(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Begins a message: its length gets one byte, and more when the message turns out longer.
    fn open(&mut self, number: u32) -> usize {
        self.tag(number, BYTES);
        self.out.push(0);
        self.out.len()
    }

    /// Ends a message that began at `mark`.
    fn close(&mut self, mark: usize) {
        let length = self.out.len() - mark;
        if length < 0x80 {
            self.out[mark - 1] = length as u8;
            return;
        }
        let mut bytes = smallvec::SmallVec::<[u8; 10]>::new();
        let mut rest = length;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        let more = bytes.len() - 1;
        self.out.resize(self.out.len() + more, 0);
        self.out.copy_within(mark..mark + length, mark + more);
        self.out[mark - 1..mark + more].copy_from_slice(&bytes);
    }
}

fn unexpected() -> DecodeError {
    DecodeError::new("the JSON text is not of its type")
}
