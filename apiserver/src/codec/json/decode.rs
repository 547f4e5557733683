//! JSON of a known type to its tree, in one pass.
//!
//! Keeps: entries of a struct are in the schema's order, entries of a map by key; nothing that Go takes for zero
//! is there. Scratch space is shared by all levels, so each list and map is allocated once, at its size.

use bytes::Bytes;

use super::super::context::Context;
use super::super::leaf::{self, Scalar};
use super::super::{DecodeError, Memory, REMEMBERED};
use super::read::Reader;
use super::untyped::{self, sort_keeping_last, sort_keeping_last_by};
use crate::schema::{Field, Struct, StructId, Type};
use crate::tree::{Key, List, Map, Node, Unread};

/// Structs in shorter texts are read at once. What Go prints of a struct in which nothing is set is shorter, so what is
/// left unread is surely there.
pub(super) const UNREAD_BYTES_MIN: usize = 320;

/// What nearly every write looks into.
const ALWAYS_READ: [&str; 2] = [
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry",
];

pub(super) struct Decoder<'a> {
    reader: Reader<'a>,
    context: Context<'a>,
    /// The text is what the encoder wrote.
    is_stored: bool,
    /// The text, when larger structs are left unread.
    source: Option<&'a Bytes>,
    /// Who may know the object's spec.
    memory: Option<&'a mut dyn Memory>,
    /// Entries of the structs and maps that are open.
    entries: Vec<(Key, Node)>,
    items: Vec<Node>,
}

type Result<T> = std::result::Result<T, DecodeError>;

impl<'a> Decoder<'a> {
    pub(super) fn new(text: &'a str, context: Context<'a>) -> Decoder<'a> {
        Decoder {
            reader: Reader::new(text),
            context,
            is_stored: false,
            source: None,
            memory: None,
            entries: Vec::with_capacity(64),
            items: Vec::with_capacity(32),
        }
    }

    pub(super) fn remembering(self, memory: Option<&'a mut dyn Memory>) -> Decoder<'a> {
        Decoder { memory, ..self }
    }

    pub(super) fn document(mut self, id: StructId) -> Result<Map> {
        let node = self.value(&Type::Struct(id), 0)?;
        self.reader.end()?;
        self.context.finish()?;
        match node {
            Some(Node::Map(map)) => Ok(map),
            _ => Ok(Map::new()),
        }
    }

    /// A document as it is stored: its opening brace is not in the text.
    pub(super) fn opened_document(mut self, id: StructId) -> Result<Map> {
        self.is_stored = true;
        self.reader.opened();
        let map = self.structure_body(id)?;
        self.reader.end()?;
        self.context.finish()?;
        Ok(map)
    }

    /// Leaves larger structs unread. `source` is the text, which the encoder wrote by the built-in schema.
    pub(super) fn leaving_unread(self, source: &'a Bytes) -> Decoder<'a> {
        Decoder { source: Some(source), is_stored: true, ..self }
    }

    /// A struct that was left unread.
    pub(super) fn part(mut self, id: StructId) -> Result<Map> {
        let map = self.structure(id)?;
        self.reader.end()?;
        self.context.finish()?;
        Ok(map)
    }

    /// A value of type `ty`; `None` when it is null, absent in its canonical form, or of another type.
    fn value(&mut self, ty: &Type, levels: usize) -> Result<Option<Node>> {
        if let Type::RawExtension | Type::FieldsV1 | Type::Json = ty {
            return if self.is_stored { self.reader.stored_raw() } else { self.reader.raw() };
        }
        match self.reader.peek()? {
            b'"' => {
                let text = self.reader.string()?;
                Ok(leaf::scalar(&mut self.context, ty, levels, Scalar::String(&text)))
            }
            b'{' => self.object(ty, levels),
            b'[' => self.array(ty, levels),
            b'n' => self.reader.literal("null").map(|()| None),
            byte @ (b't' | b'f') => {
                self.reader.literal(if byte == b't' { "true" } else { "false" })?;
                if let Type::SchemaOr(crate::schema::SchemaOr::Bool, _) = ty {
                    return Ok(Some(Node::Bool(byte == b't')));
                }
                Ok(leaf::scalar(&mut self.context, ty, levels, Scalar::Bool(byte == b't')))
            }
            b'-' | b'0'..=b'9' => {
                let text = self.reader.number()?;
                Ok(leaf::scalar(&mut self.context, ty, levels, Scalar::Number(text)))
            }
            _ => Err(self.reader.invalid_value()),
        }
    }

    fn object(&mut self, ty: &Type, levels: usize) -> Result<Option<Node>> {
        match ty {
            Type::Struct(id) => self.unread_or_structure(*id).map(|map| Some(Node::Map(map))),
            Type::Map(value) => self.map(value, levels + 1).map(|map| Some(Node::Map(map))),
            Type::SchemaOr(_, id) => {
                self.context.lenient += 1;
                let map = self.structure(*id);
                self.context.lenient -= 1;
                map.map(|map| Some(Node::Map(map)))
            }
            _ => {
                self.reader.skip()?;
                leaf::composite(&mut self.context, ty, levels, "object");
                Ok(None)
            }
        }
    }

    fn array(&mut self, ty: &Type, levels: usize) -> Result<Option<Node>> {
        match ty {
            Type::List { item, .. } => self.list(item, levels + 1).map(|list| Some(Node::List(list))),
            Type::SchemaOr(or, id) if let Some(item) = or.item(*id) => {
                self.context.lenient += 1;
                let list = self.list(&item, levels + 1);
                self.context.lenient -= 1;
                list.map(|list| Some(Node::List(list)))
            }
            _ => {
                self.reader.skip()?;
                leaf::composite(&mut self.context, ty, levels, "array");
                Ok(None)
            }
        }
    }

    #[inline]
    fn unread_or_structure(&mut self, id: StructId) -> Result<Map> {
        match self.source {
            Some(source) if !ALWAYS_READ.contains(&self.context.schema.get(id).name.as_str()) => {
                self.unread(id, source)
            }
            _ => self.structure(id),
        }
    }

    /// A struct that is left unread when its text is long enough.
    fn unread(&mut self, id: StructId, source: &'a Bytes) -> Result<Map> {
        let start = self.reader.place();
        let text = self.reader.stored_text()?;
        if text.len() >= UNREAD_BYTES_MIN {
            let text = source.slice_ref(text.as_bytes());
            return Ok(Map::unread(Unread { text, id, read: super::read_unread }));
        }
        self.reader.go_back(start);
        // Nothing inside is longer.
        self.source = None;
        let map = self.structure(id);
        self.source = Some(source);
        map
    }

    fn structure(&mut self, id: StructId) -> Result<Map> {
        self.reader.open()?;
        self.structure_body(id)
    }

    fn structure_body(&mut self, id: StructId) -> Result<Map> {
        let this = self.context.schema.get(id);
        let start = self.entries.len();
        let mut seen = 0_u128;
        let mut next = 0;
        let mut in_order = true;
        let mut first = true;
        while let Some(name) = self.reader.key(first)? {
            first = false;
            let Some(at) = find(this, &name, next) else {
                if this.open {
                    let node = self.untyped(&name)?;
                    self.entries.push((Key::Owned(leaf::text(&name)), node));
                } else {
                    self.context.unknown(&name);
                    self.reader.skip()?;
                }
                continue;
            };
            let field = &*this.flat[at].field;
            let bit = 1_u128.checked_shl(at as u32).unwrap_or(0);
            let mut earlier = None;
            if seen & bit != 0 {
                self.context.duplicate(&name);
                earlier = take_earlier(&mut self.entries, start, &field.name);
            }
            seen |= bit;
            in_order &= at >= next;
            next = at + 1;
            if matches!(field.ty, Type::String) && earlier.is_none() && self.reader.peek()? == b'"' {
                // Most fields are texts: nothing can be wrong with them.
                let text = self.reader.string()?;
                if field.pointer || !text.is_empty() {
                    self.entries.push((this.key(at), Node::Str(leaf::text(&text))));
                }
                continue;
            }
            if self.memory.is_some()
                && earlier.is_none()
                && let Some(node) = self.remembered(field)?
            {
                self.entries.push((this.key(at), node));
                continue;
            }
            self.context.enter_field(id, at);
            let value = self.value(&field.ty, 0)?;
            self.context.leave();
            let value = match (earlier, value) {
                (Some(Node::Map(earlier)), Some(Node::Map(map))) => Some(Node::Map(merged(earlier, map))),
                (_, value) => value,
            };
            if let Some(node) = value
                && !field.is_zero(&node)
            {
                self.entries.push((this.key(at), node));
            }
        }
        if this.open {
            let context = &mut self.context;
            let order = |a: &Key, b: &Key| this.order(a, b);
            sort_keeping_last_by(&mut self.entries, start, order, |name| context.duplicate(name));
        } else if !in_order {
            self.entries[start..].sort_by_cached_key(|(name, _)| this.find(name));
        }
        Ok(Map::from_entries(leaf::take(&mut self.entries, start)))
    }

    /// The value of a field of an open struct that is not declared.
    fn untyped(&mut self, name: &str) -> Result<Node> {
        self.context.enter_key(name);
        let node = untyped::Decoder::new(&mut self.reader, &mut self.context).value()?;
        self.context.leave();
        Ok(node)
    }

    /// The value of the object's spec, if it is known; its text is taken then.
    fn remembered(&mut self, field: &Field) -> Result<Option<Node>> {
        if !self.context.is_at_top() || field.name.as_str() != REMEMBERED || self.reader.peek()? != b'{' {
            return Ok(None);
        }
        let start = self.reader.place();
        // Only the end is looked for: what is known was well-formed.
        let text = self.reader.stored_text().ok();
        let node = self.memory.as_mut().zip(text).and_then(|(memory, text)| memory.recall(text.as_bytes()));
        if node.is_none() {
            self.reader.go_back(start);
        }
        Ok(node)
    }

    fn map(&mut self, value: &Type, levels: usize) -> Result<Map> {
        self.reader.open()?;
        let start = self.entries.len();
        let mut in_order = true;
        let mut first = true;
        let tracked = value.struct_id().is_some();
        while let Some(name) = self.reader.key(first)? {
            first = false;
            if tracked {
                self.context.enter_key(&name);
            }
            let node = self.value(value, levels)?;
            if tracked {
                self.context.leave();
            }
            if let Some((last, _)) = self.entries[start..].last() {
                in_order &= last.as_str() < &*name;
            }
            self.entries.push((Key::Owned(leaf::text(&name)), node.unwrap_or_else(|| value.zero())));
        }
        if !in_order {
            let context = &mut self.context;
            sort_keeping_last(&mut self.entries, start, |name| context.duplicate(name));
        }
        Ok(Map::from_entries(leaf::take(&mut self.entries, start)))
    }

    fn list(&mut self, item: &Type, levels: usize) -> Result<List> {
        self.reader.open()?;
        let start = self.items.len();
        let tracked = item.struct_id().is_some();
        let mut index = 0;
        while self.reader.item(index == 0)? {
            if tracked {
                self.context.enter_index(index);
            }
            let node = self.value(item, levels)?;
            if tracked {
                self.context.leave();
            }
            self.items.push(node.unwrap_or_else(|| item.zero()));
            index += 1;
        }
        Ok(leaf::take(&mut self.items, start))
    }
}

/// The field with a name. Documents are mostly in the schema's order, so the next one is tried first.
#[inline]
pub(in super::super) fn find(this: &Struct, name: &str, next: usize) -> Option<usize> {
    match this.flat.get(next) {
        Some(flat) if flat.field.name.as_str() == name => Some(next),
        _ => this.find(name),
    }
}

/// Removes the value of an earlier duplicate.
#[cold]
fn take_earlier(entries: &mut Vec<(Key, Node)>, start: usize, name: &Key) -> Option<Node> {
    let position = entries[start..].iter().position(|(earlier, _)| earlier == name)?;
    Some(entries.remove(start + position).1)
}

/// What Go has after it decoded two objects into one struct or map.
#[cold]
fn merged(mut earlier: Map, later: Map) -> Map {
    for (key, node) in later {
        let node = match (earlier.remove(&key), node) {
            (Some(Node::Map(earlier)), Node::Map(map)) => Node::Map(merged(earlier, map)),
            (_, node) => node,
        };
        earlier.push_new(key, node);
    }
    earlier
}
