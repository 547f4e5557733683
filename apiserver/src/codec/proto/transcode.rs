//! JSON text to a message, without a tree.
//!
//! Keeps: the message means what the tree's message means to every reader: fields that are zero and no pointer may
//! be left out, and fields may come in another order than Go writes them. Meant for texts of our own encoder;
//! others are read as leniently as by the decoder, and what is malformed is an error.

use super::super::DecodeError;
use super::super::json::{Reader, find};
use super::super::leaf;
use super::length::{self, Opened, SMALL, shape};
use super::wire::{BYTES, FIXED64, VARINT};
use crate::schema::{Field, Schema, SchemaOr, Struct, StructId, Type};
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

/// How many fields ahead of the last one a key is looked for before its name is read.
const EXPECTED_MAX: usize = 3;

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
        loop {
            let at = match self.expected(this, next, first) {
                Some(at) => at,
                None => {
                    let Some(name) = self.reader.key(first)? else { return Ok(()) };
                    let Some(at) = find(this, &name, next) else {
                        first = false;
                        self.reader.skip()?;
                        continue;
                    };
                    at
                }
            };
            first = false;
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
    }

    /// Takes the next key if it is one of the fields that come next in the schema's order.
    #[inline]
    fn expected(&mut self, this: &Struct, next: usize, first: bool) -> Option<usize> {
        let ahead = this.flat.iter().enumerate().skip(next).take(EXPECTED_MAX);
        for (at, flat) in ahead {
            if self.reader.take_key(first, flat.field.head.as_bytes()) {
                return Some(at);
            }
        }
        None
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
        let opened: smallvec::SmallVec<[Opened; 4]> =
            numbers.iter().map(|number| self.open(*number, SMALL)).collect();
        self.field(&field)?;
        for opened in opened.into_iter().rev() {
            self.close(opened);
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
                    let opened = self.open(field.number, SMALL);
                    self.bytes(1, key.as_bytes());
                    self.value(2, value)?;
                    self.close(opened);
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
                let opened = self.open(number, shape(*id));
                self.fields(*id)?;
                self.close(opened);
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
                let opened = self.open(number, SMALL);
                self.items(1, item)?;
                self.close(opened);
                Ok(())
            }
            (Type::FieldsV1 | Type::RawExtension | Type::Json, _) => {
                let text = self.reader.stored_text()?;
                self.tag(number, BYTES);
                self.varint((1 + length::size(text.len()) + text.len()) as u64);
                self.bytes(1, text.as_bytes());
                Ok(())
            }
            (Type::SchemaOr(or, id), byte) => self.schema_or(number, *or, *id, byte),
            (ty, b'"') => self.text_leaf(number, ty),
            (Type::IntOrString, b'-' | b'0'..=b'9') => {
                let value = leaf::parse_int(self.reader.number()?).ok_or_else(unexpected)?;
                let opened = self.open(number, SMALL);
                self.number(2, value as u64);
                self.close(opened);
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
        let opened = self.open(number, SMALL);
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
        self.close(opened);
        Ok(())
    }

    fn schema_or(&mut self, number: u32, or: SchemaOr, id: StructId, byte: u8) -> Result<()> {
        let opened = self.open(number, SMALL);
        match (or, byte) {
            (SchemaOr::Bool, b'{') => {
                self.number(1, 1);
                self.value(2, &Type::Struct(id))?;
            }
            (SchemaOr::Bool, _) => self.value(1, &Type::Bool)?,
            (_, b'{') => self.value(1, &Type::Struct(id))?,
            (or, _) => self.items(2, &or.item(id).unwrap_or(Type::String))?,
        }
        self.close(opened);
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

    /// Begins a message; `shape` is a number that messages of about the same length share.
    #[inline]
    fn open(&mut self, number: u32, shape: usize) -> Opened {
        self.tag(number, BYTES);
        Opened::new(shape, self.out)
    }

    /// Ends a message.
    #[inline]
    fn close(&mut self, opened: Opened) {
        opened.close(self.out);
    }
}

fn unexpected() -> DecodeError {
    DecodeError::new("the JSON text is not of its type")
}
