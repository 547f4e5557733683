//! Messages to trees.
//!
//! Keeps: entries of a struct are in the schema's order and maps by key, as JSON decoding leaves them; of a field
//! that is there twice the last value stands.

use ecow::EcoString;

use super::super::json::{self, sort_keeping_last};
use super::super::{DEPTH_MAX, DecodeError, Memory, REMEMBERED, leaf};
use super::wire::{BYTES, FIXED64, Reader, Tag, VARINT};
use super::{Envelope, MAGIC};
use crate::quantity;
use crate::schema::{self, Field, Schema, SchemaOr, Struct, StructId, Type};
use crate::time::{self, Moment};
use crate::tree::{Key, List, Map, Node};

type Result<T> = std::result::Result<T, DecodeError>;

pub(super) fn envelope(input: &[u8]) -> Result<Envelope<'_>> {
    let Some(message) = input.strip_prefix(MAGIC.as_slice()) else {
        return Err(DecodeError::new(format!(
            "provided data does not appear to be a protobuf message, expected prefix {MAGIC:?}"
        )));
    };
    let mut envelope = Envelope::default();
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match (tag.number, tag.wire) {
            (1, BYTES) => {
                let mut reader = Reader::new(reader.bytes()?);
                while let Some(tag) = reader.tag()? {
                    match (tag.number, tag.wire) {
                        (1, BYTES) => envelope.api_version = text(reader.bytes()?),
                        (2, BYTES) => envelope.kind = text(reader.bytes()?),
                        _ => reader.skip(tag)?,
                    }
                }
            }
            (2, BYTES) => envelope.raw = reader.bytes()?,
            _ => reader.skip(tag)?,
        }
    }
    Ok(envelope)
}

pub(super) fn message<'a>(
    input: &[u8],
    schema: &'a Schema,
    id: StructId,
    memory: Option<&'a mut dyn Memory>,
) -> Result<Map> {
    let (entries, items) = (Vec::with_capacity(64), Vec::with_capacity(32));
    let mut decoder = Decoder { schema, memory, entries, items, depth: 0 };
    decoder.structure(input, id)
}

struct Decoder<'a> {
    schema: &'a Schema,
    /// Who may know the object's spec.
    memory: Option<&'a mut dyn Memory>,
    /// Entries of the structs and maps that are open.
    entries: Vec<(Key, Node)>,
    items: Vec<Node>,
    depth: usize,
}

/// A struct whose fields are being read.
struct Open {
    /// Where its entries begin.
    start: usize,
    /// The place of the last field in printing order.
    last: u16,
    in_order: bool,
    /// A bit per field that was there.
    seen: u128,
}

impl<'a> Decoder<'a> {
    fn structure(&mut self, input: &[u8], id: StructId) -> Result<Map> {
        self.enter()?;
        let this = self.schema.get(id);
        let mut open = Open { start: self.entries.len(), last: 0, in_order: true, seen: 0 };
        self.fields_of(input, this, 0, &mut open)?;
        self.depth -= 1;
        if !open.in_order {
            self.entries[open.start..].sort_by_cached_key(|(name, _)| this.find(name));
        }
        Ok(Map::from_entries(leaf::take(&mut self.entries, open.start)))
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(DecodeError::new("exceeded max depth")) } else { Ok(()) }
    }

    /// Reads the fields of a message; `base` is where the struct's fields begin in the printing order of the
    /// struct that the tree shows, which differs for one that Go inlines.
    fn fields_of(&mut self, input: &[u8], this: &'a Struct, base: u16, open: &mut Open) -> Result<()> {
        let mut reader = Reader::new(input);
        let mut next = 0;
        while let Some(tag) = reader.tag()? {
            let Some(place) = find(this, tag.number, next) else {
                reader.skip(tag)?;
                continue;
            };
            next = place + 1;
            let declared = usize::from(this.by_number[place]);
            let field = &*this.fields[declared];
            let at = base + this.flat_at[declared];
            let earlier = if field.inline { None } else { self.note(at, field, open) };
            match &field.ty {
                Type::Struct(inner) if field.inline => {
                    self.enter()?;
                    let inner = self.schema.get(*inner);
                    self.fields_of(bytes(&mut reader, tag, field)?, inner, at, open)?;
                    self.depth -= 1;
                }
                Type::List { item, wrapped: false } => {
                    let from = self.items.len();
                    if let Some(Node::List(list)) = earlier {
                        self.items.extend(list);
                    }
                    loop {
                        self.item(&mut reader, tag, item, field)?;
                        if !reader.same_tag(tag) {
                            break;
                        }
                    }
                    let list = leaf::take(&mut self.items, from);
                    self.entries.push((field.name.clone(), Node::List(list)));
                }
                Type::Map(value) => {
                    let from = self.entries.len();
                    if let Some(Node::Map(map)) = earlier {
                        self.entries.extend(map);
                    }
                    loop {
                        let entry = bytes(&mut reader, tag, field)?;
                        self.entry(entry, value, field)?;
                        if !reader.same_tag(tag) {
                            break;
                        }
                    }
                    if !self.entries[from..].is_sorted_by(|a, b| a.0 < b.0) {
                        sort_keeping_last(&mut self.entries, from, |_| ());
                    }
                    let map = Map::from_entries(leaf::take(&mut self.entries, from));
                    self.entries.push((field.name.clone(), Node::Map(map)));
                }
                Type::Struct(id)
                    if self.depth == 1 && self.memory.is_some() && field.name.as_str() == REMEMBERED =>
                {
                    let message = bytes(&mut reader, tag, field)?;
                    let known = self.memory.as_mut().and_then(|memory| memory.recall(message));
                    let node = match known {
                        Some(node) => node,
                        None => Node::Map(self.structure(message, *id)?),
                    };
                    if !field.is_zero(&node) {
                        self.entries.push((field.name.clone(), node));
                    }
                }
                ty => {
                    let node = self.value(&mut reader, tag, ty, field)?;
                    if let Some(node) = node.filter(|node| !field.is_zero(node)) {
                        self.entries.push((field.name.clone(), node));
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes a field of the open struct; answers the value of an earlier occurrence, which is removed.
    #[inline]
    fn note(&mut self, at: u16, field: &Field, open: &mut Open) -> Option<Node> {
        open.in_order &= at >= open.last;
        open.last = at;
        let bit = 1_u128.checked_shl(at.into()).unwrap_or(0);
        let is_again = open.seen & bit != 0;
        open.seen |= bit;
        if !is_again {
            return None;
        }
        let position = self.entries[open.start..].iter().position(|(name, _)| *name == field.name)?;
        Some(self.entries.remove(open.start + position).1)
    }

    /// Reads one item of a list, or several numbers that are packed together.
    fn item(&mut self, reader: &mut Reader<'_>, tag: Tag, item: &Type, field: &Field) -> Result<()> {
        let number = matches!(item, Type::Bool | Type::Int32 | Type::Int64);
        if number && tag.wire == BYTES {
            let mut packed = Reader::new(reader.bytes()?);
            let tag = Tag { number: tag.number, wire: VARINT };
            while !packed.is_empty() {
                let node = self.value(&mut packed, tag, item, field)?;
                self.items.push(node.unwrap_or_else(|| item.zero()));
            }
            return Ok(());
        }
        let node = self.value(reader, tag, item, field)?;
        self.items.push(node.unwrap_or_else(|| item.zero()));
        Ok(())
    }

    fn entry(&mut self, entry: &[u8], value: &Type, field: &Field) -> Result<()> {
        let mut reader = Reader::new(entry);
        let (mut key, mut node) = (EcoString::new(), None);
        while let Some(tag) = reader.tag()? {
            match tag.number {
                1 => key = text(bytes(&mut reader, tag, field)?),
                2 => node = self.value(&mut reader, tag, value, field)?,
                _ => reader.skip(tag)?,
            }
        }
        self.entries.push((Key::Owned(key), node.unwrap_or_else(|| value.zero())));
        Ok(())
    }

    /// Reads one value; `None` when it is a leaf that is absent in JSON.
    fn value(&mut self, reader: &mut Reader<'_>, tag: Tag, ty: &Type, field: &Field) -> Result<Option<Node>> {
        Ok(Some(match ty {
            Type::Bool => Node::Bool(varint(reader, tag, field)? != 0),
            // Go keeps the low half, as the varint of a negative number is sign-extended.
            Type::Int32 => Node::Int((varint(reader, tag, field)? as i32).into()),
            Type::Int64 => Node::Int(varint(reader, tag, field)? as i64),
            Type::Float64 if tag.wire == FIXED64 => Node::Float(finite(f64::from_bits(reader.fixed64()?))?),
            Type::Float64 => return Err(wrong_wire(tag, field)),
            Type::String => Node::Str(text(bytes(reader, tag, field)?)),
            Type::Bytes => Node::Str(leaf::encode_base64(bytes(reader, tag, field)?)),
            Type::Struct(id) => Node::Map(self.structure(bytes(reader, tag, field)?, *id)?),
            Type::List { item, .. } => Node::List(self.wrapped(bytes(reader, tag, field)?, item, field)?),
            Type::Map(_) => return Err(wrong_wire(tag, field)),
            Type::SchemaOr(or, id) => return self.schema_or(bytes(reader, tag, field)?, *or, *id, field),
            leaf => return leaf_value(bytes(reader, tag, field)?, leaf),
        }))
    }

    /// A list that is a message of its own.
    fn wrapped(&mut self, input: &[u8], item: &Type, field: &Field) -> Result<List> {
        let from = self.items.len();
        let mut reader = Reader::new(input);
        while let Some(tag) = reader.tag()? {
            match tag.number {
                1 => self.item(&mut reader, tag, item, field)?,
                _ => reader.skip(tag)?,
            }
        }
        Ok(leaf::take(&mut self.items, from))
    }

    fn schema_or(&mut self, input: &[u8], or: SchemaOr, id: StructId, field: &Field) -> Result<Option<Node>> {
        let (schema_number, other_number) = if or == SchemaOr::Bool { (2, 1) } else { (1, 2) };
        let mut reader = Reader::new(input);
        let mut schema = None;
        let mut allowed = false;
        let from = self.items.len();
        while let Some(tag) = reader.tag()? {
            if tag.number == schema_number {
                schema = Some(Node::Map(self.structure(bytes(&mut reader, tag, field)?, id)?));
            } else if tag.number == other_number {
                match or.item(id) {
                    Some(item) => self.item(&mut reader, tag, &item, field)?,
                    None => allowed = varint(&mut reader, tag, field)? != 0,
                }
            } else {
                reader.skip(tag)?;
            }
        }
        let list = leaf::take(&mut self.items, from);
        Ok(match or {
            _ if !list.is_empty() => Some(Node::List(list)),
            SchemaOr::Bool => Some(schema.unwrap_or(Node::Bool(allowed))),
            _ => schema,
        })
    }
}

/// The place in `by_number` of a field. Messages are mostly in the order of numbers.
#[inline]
fn find(this: &Struct, number: u32, next: usize) -> Option<usize> {
    let number_at = |place: &u16| this.fields[usize::from(*place)].number;
    for (ahead, place) in this.by_number.get(next..).unwrap_or_default().iter().take(3).enumerate() {
        if number_at(place) == number {
            return Some(next + ahead);
        }
    }
    this.by_number.binary_search_by_key(&number, number_at).ok()
}

fn wrong_wire(tag: Tag, field: &Field) -> DecodeError {
    DecodeError::new(format!("proto: wrong wireType = {} for field {}", tag.wire, field.name))
}

#[inline]
fn bytes<'m>(reader: &mut Reader<'m>, tag: Tag, field: &Field) -> Result<&'m [u8]> {
    if tag.wire == BYTES { reader.bytes() } else { Err(wrong_wire(tag, field)) }
}

#[inline]
fn varint(reader: &mut Reader<'_>, tag: Tag, field: &Field) -> Result<u64> {
    if tag.wire == VARINT { reader.varint() } else { Err(wrong_wire(tag, field)) }
}

/// JSON cannot show a number that is not finite.
fn finite(value: f64) -> Result<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(DecodeError::new(format!("json: unsupported value: {value}")))
    }
}

/// Text; what is not UTF-8 is replaced, as JSON would show it.
fn text(bytes: &[u8]) -> EcoString {
    match std::str::from_utf8(bytes) {
        Ok(text) => leaf::text(text),
        Err(_) => String::from_utf8_lossy(bytes).as_ref().into(),
    }
}

/// A leaf that is a message of its own.
fn leaf_value(input: &[u8], ty: &Type) -> Result<Option<Node>> {
    let mut numbers = [0_u64; 4];
    let mut last: Option<&[u8]> = None;
    let mut reader = Reader::new(input);
    while let Some(tag) = reader.tag()? {
        match (tag.wire, numbers.get_mut(tag.number as usize)) {
            (VARINT, Some(number)) => *number = reader.varint()?,
            (BYTES, _) if tag.number == 1 || tag.number == 3 => last = Some(reader.bytes()?),
            _ => reader.skip(tag)?,
        }
    }
    let moment = || Moment { seconds: numbers[1] as i64, nanos: (numbers[2] as u32).min(999_999_999) };
    Ok(match ty {
        Type::Time | Type::MicroTime if input.is_empty() => None,
        Type::Time => {
            time_text(Moment { nanos: 0, ..moment() }, time::canonical, |m| time::format_seconds(m.seconds))?
        }
        Type::MicroTime => time_text(moment(), time::canonical_micros, time::format_micros)?,
        Type::Duration => Some(Node::Str(time::format_duration(numbers[1] as i64))),
        Type::Quantity => match last {
            Some(written) => {
                let canonical = quantity::canonical(&text(written));
                Some(Node::Str(canonical.map_err(|error| DecodeError::new(error.to_string()))?))
            }
            None => Some(Node::Str("0".into())),
        },
        Type::IntOrString => match numbers[1] {
            0 => Some(Node::Int((numbers[2] as i32).into())),
            1 => Some(Node::Str(text(last.unwrap_or_default()))),
            _ => return Err(DecodeError::new("impossible IntOrString.Type")),
        },
        _ => match last {
            Some(raw) => raw_json(raw)?,
            None => None,
        },
    })
}

/// The text of a moment, if RFC 3339 can show it.
fn time_text(
    moment: Moment,
    canonical: fn(&str) -> std::result::Result<Option<EcoString>, time::TimeError>,
    format: fn(Moment) -> EcoString,
) -> Result<Option<Node>> {
    // Years 1 to 9999.
    if !(-62_135_596_800..253_402_300_800).contains(&moment.seconds) {
        return Err(DecodeError::new("Time.MarshalJSON: year outside of range [0,9999]"));
    }
    let text = canonical(&format(moment)).map_err(|error| DecodeError::new(error.to_string()))?;
    Ok(text.map(Node::Str))
}

/// The JSON of a raw leaf. Go clients put a whole protobuf document there when they embed an object.
fn raw_json(raw: &[u8]) -> Result<Option<Node>> {
    if raw.is_empty() {
        return Ok(None);
    }
    if raw.starts_with(&MAGIC) {
        return embedded(raw).map(Some);
    }
    let node = match std::str::from_utf8(raw) {
        Ok(text) => json::raw(text)?,
        Err(_) => json::raw(&String::from_utf8_lossy(raw))?,
    };
    Ok((node != Node::Null).then_some(node))
}

/// The JSON of a built-in object that is embedded as a protobuf document.
fn embedded(document: &[u8]) -> Result<Node> {
    let envelope = envelope(document)?;
    let (group, version) = envelope.api_version.split_once('/').unwrap_or(("", &envelope.api_version));
    let Some(id) = schema::kind(group, version, &envelope.kind) else {
        let (kind, version) = (&envelope.kind, &envelope.api_version);
        return Err(DecodeError::new(format!("no kind \"{kind}\" is registered for version \"{version}\"")));
    };
    let mut map = message(envelope.raw, schema::builtin(), id, None)?;
    map.set("apiVersion", envelope.api_version);
    map.set("kind", envelope.kind);
    let mut text = Vec::new();
    json::encode(&map, schema::builtin(), id, &mut text);
    Ok(Node::Raw(String::from_utf8_lossy(&text).as_ref().into()))
}
