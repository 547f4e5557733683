//! Trees to messages.
//!
//! Keeps: fields ascend by number; what is no pointer, list or map is always written, set or not.

use smallvec::SmallVec;

use super::super::json::find;
use super::super::leaf;
use super::wire::{BYTES, FIXED64, Writer};
use crate::schema::{Field, Schema, SchemaOr, Struct, StructId, Type};
use crate::time;
use crate::tree::{Key, Map, Node};

/// Protobuf is about three quarters of the JSON; most objects fit.
const CAPACITY: usize = 16 << 10;

pub(super) fn message(map: &Map, schema: &Schema, id: StructId, out: &mut Vec<u8>) {
    let mut encoder = Encoder { schema, writer: Writer::with_capacity(CAPACITY) };
    encoder.structure(map, id);
    out.extend_from_slice(encoder.writer.written());
}

pub(super) fn put_message(number: u32, message: &[u8], out: &mut Vec<u8>) {
    let mut varint = |mut value: u64| {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    };
    varint(u64::from(number) << 3 | u64::from(BYTES));
    varint(message.len() as u64);
    out.extend_from_slice(message);
}

struct Encoder<'a> {
    schema: &'a Schema,
    writer: Writer,
}

/// The nodes of a struct's fields by printing order.
type Slots<'n> = SmallVec<[Option<&'n Node>; 64]>;

impl<'a> Encoder<'a> {
    fn structure(&mut self, map: &Map, id: StructId) {
        let this = self.schema.get(id);
        let mut slots: Slots<'_> = SmallVec::from_elem(None, this.flat.len());
        let mut next = 0;
        for (key, node) in map.entries() {
            if let Some(at) = find(this, key, next) {
                slots[at] = Some(node);
                next = at + 1;
            }
        }
        self.fields(this, &slots);
    }

    /// Writes a struct's fields; `slots` begins with its own.
    fn fields(&mut self, this: &'a Struct, slots: &[Option<&Node>]) {
        for declared in this.by_number.iter().rev() {
            let declared = usize::from(*declared);
            let field = &*this.fields[declared];
            let at = usize::from(this.flat_at[declared]);
            match &field.ty {
                Type::Struct(inner) if field.inline => {
                    let mark = self.writer.len();
                    self.fields(self.schema.get(*inner), slots.get(at..).unwrap_or_default());
                    self.writer.finish(field.number, mark);
                }
                _ => self.field(field, slots.get(at).copied().flatten()),
            }
        }
    }

    fn field(&mut self, field: &'a Field, node: Option<&Node>) {
        let number = field.number;
        match (&field.ty, node) {
            (Type::List { item, wrapped: false }, Some(Node::List(list))) => {
                for node in list.iter().rev() {
                    self.value(number, item, node);
                }
            }
            (Type::Map(value), Some(Node::Map(map))) => self.map(number, value, map),
            (Type::List { wrapped: false, .. } | Type::Map(_), _) => {}
            (_, None | Some(Node::Null)) => {
                if !field.pointer {
                    self.absent(number, &field.ty);
                }
            }
            (ty, Some(node)) => self.value(number, ty, node),
        }
    }

    fn map(&mut self, number: u32, value: &'a Type, map: &Map) {
        let entries = map.entries();
        if entries.is_sorted_by(|a, b| a.0 < b.0) {
            for entry in entries.iter().rev() {
                self.entry(number, value, entry);
            }
            return;
        }
        let mut sorted: Vec<&(Key, Node)> = entries.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        for entry in sorted.into_iter().rev() {
            self.entry(number, value, entry);
        }
    }

    fn entry(&mut self, number: u32, value: &'a Type, (key, node): &(Key, Node)) {
        let mark = self.writer.len();
        match node {
            Node::Null => self.absent(2, value),
            node => self.value(2, value, node),
        }
        self.writer.bytes(1, key.as_bytes());
        self.writer.finish(number, mark);
    }

    /// Writes what Go writes for a value that is not set and no pointer.
    fn absent(&mut self, number: u32, ty: &'a Type) {
        match ty {
            Type::Bool | Type::Int32 | Type::Int64 => self.writer.number(number, 0),
            Type::Float64 => {
                self.writer.fixed64(0);
                self.writer.tag(number, FIXED64);
            }
            Type::String => self.writer.bytes(number, b""),
            Type::Bytes | Type::Map(_) => {}
            Type::Struct(_) => self.value(number, ty, &Node::Map(Map::new())),
            Type::Duration => self.value(number, ty, &Node::Str("0s".into())),
            Type::Quantity => self.value(number, ty, &Node::Str("0".into())),
            Type::IntOrString => self.value(number, ty, &Node::Int(0)),
            Type::Time
            | Type::MicroTime
            | Type::FieldsV1
            | Type::RawExtension
            | Type::Json
            | Type::Any
            | Type::SchemaOr(..)
            | Type::List { .. } => self.writer.bytes(number, b""),
        }
    }

    /// Writes one value with its tag.
    fn value(&mut self, number: u32, ty: &'a Type, node: &Node) {
        match (ty, node) {
            (Type::String, Node::Str(text)) => self.writer.bytes(number, text.as_bytes()),
            (Type::Bool, Node::Bool(value)) => self.writer.number(number, (*value).into()),
            (Type::Int32 | Type::Int64, Node::Int(value)) => self.writer.number(number, *value as u64),
            (Type::Float64, Node::Float(value)) => {
                self.writer.fixed64(value.to_bits());
                self.writer.tag(number, FIXED64);
            }
            (Type::Float64, Node::Int(value)) => self.value(number, ty, &Node::Float(*value as f64)),
            (Type::Bytes, Node::Str(text)) => {
                self.writer.bytes(number, &leaf::decode_base64(text).unwrap_or_default());
            }
            (Type::Struct(id), Node::Map(map)) => {
                let mark = self.writer.len();
                self.structure(map, *id);
                self.writer.finish(number, mark);
            }
            (Type::List { item, .. }, Node::List(list)) => {
                let mark = self.writer.len();
                for node in list.iter().rev() {
                    self.value(1, item, node);
                }
                self.writer.finish(number, mark);
            }
            (Type::SchemaOr(or, id), node) => self.schema_or(number, *or, *id, node),
            (ty, node) => self.leaf(number, ty, node),
        }
    }

    fn schema_or(&mut self, number: u32, or: SchemaOr, id: StructId, node: &Node) {
        let mark = self.writer.len();
        let (schema_number, other_number) = if or == SchemaOr::Bool { (2, 1) } else { (1, 2) };
        match node {
            Node::Map(map) => {
                let mark = self.writer.len();
                self.structure(map, id);
                self.writer.finish(schema_number, mark);
            }
            Node::List(list) => {
                for item in list.iter().rev() {
                    match item {
                        Node::Map(map) => {
                            let mark = self.writer.len();
                            self.structure(map, id);
                            self.writer.finish(other_number, mark);
                        }
                        item => self.writer.bytes(other_number, item.as_str().unwrap_or_default().as_bytes()),
                    }
                }
            }
            _ => {}
        }
        if or == SchemaOr::Bool {
            // A schema is allowed.
            self.writer.number(other_number, (!matches!(node, Node::Bool(false))).into());
        }
        self.writer.finish(number, mark);
    }

    /// Writes a leaf that is a message of its own.
    fn leaf(&mut self, number: u32, ty: &'a Type, node: &Node) {
        let mark = self.writer.len();
        match (ty, node) {
            (Type::Time, Node::Str(text)) => {
                self.moment(time::parse(text).map(|moment| time::Moment { nanos: 0, ..moment }));
            }
            (Type::MicroTime, Node::Str(text)) => self.moment(time::parse_micros(text)),
            (Type::Duration, Node::Str(text)) => {
                self.writer.number(1, time::parse_duration(text).unwrap_or_default() as u64);
            }
            (Type::Quantity, Node::Str(text)) => self.writer.bytes(1, text.as_bytes()),
            (Type::IntOrString, Node::Int(value)) => {
                self.writer.bytes(3, b"");
                self.writer.number(2, *value as u64);
                self.writer.number(1, 0);
            }
            (Type::IntOrString, Node::Str(text)) => {
                self.writer.bytes(3, text.as_bytes());
                self.writer.number(2, 0);
                self.writer.number(1, 1);
            }
            (_, Node::Raw(text)) => self.writer.bytes(1, text.as_bytes()),
            // A node that is not of its type cannot come from a decoder; the field stays empty.
            _ => return self.absent_or_nothing(number, ty),
        }
        self.writer.finish(number, mark);
    }

    fn absent_or_nothing(&mut self, number: u32, ty: &'a Type) {
        match ty {
            Type::Struct(_) | Type::Duration | Type::Quantity | Type::IntOrString => {
                self.writer.tag_empty(number)
            }
            ty => self.absent(number, ty),
        }
    }

    fn moment(&mut self, moment: Result<time::Moment, time::TimeError>) {
        if let Ok(moment) = moment {
            self.writer.number(2, (moment.nanos / 1_000 * 1_000).into());
            self.writer.number(1, moment.seconds as u64);
        }
    }
}

impl Writer {
    /// Writes an empty message.
    fn tag_empty(&mut self, number: u32) {
        self.varint(0);
        self.tag(number, BYTES);
    }
}
