//! Trees to JSON, as Go's encoder prints them.
//!
//! Keeps: the text depends on the schema and on what is set, not on the order of entries or on zero values that a
//! hook left behind; encoding cannot fail.

use super::write;
use crate::schema::{self, Field, FlatField, Omit, Schema, SchemaOr, Struct, StructId, Type};
use crate::tree::{Key, List, Map, Node};

/// What stands in front of the first field of an encoded object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head<'a> {
    /// Nothing, not even a brace: the stored form.
    Stored,
    /// `{`: an item of a list.
    Item,
    /// Text that ends in a comma: `{"kind":"Pod","apiVersion":"v1",`.
    Text(&'a str),
}

/// Writes a typed tree.
pub fn encode(map: &Map, schema: &Schema, id: StructId, out: &mut Vec<u8>) {
    Encoder { schema, out }.structure(map, schema.get(id));
}

/// Writes an object without its `apiVersion`, `kind` and resource version, behind `head`.
///
/// Answers where in `out` the digits of `metadata.resourceVersion` are to be put; `None` for a type without
/// metadata of that kind.
pub fn encode_object(
    map: &Map,
    schema: &Schema,
    id: StructId,
    head: Head<'_>,
    out: &mut Vec<u8>,
) -> Option<usize> {
    match head {
        Head::Stored => {}
        Head::Item => out.push(b'{'),
        Head::Text(text) => out.extend_from_slice(text.as_bytes()),
    }
    let at = Encoder { schema, out }.object(map, schema.get(id));
    // Nothing followed the head.
    if out.ends_with(b",}") {
        out.truncate(out.len() - 2);
        out.push(b'}');
    }
    at
}

/// Writes the stored form: [`encode_object`] without a head, read again by [`super::decode_stored`].
pub fn encode_stored(map: &Map, schema: &Schema, id: StructId, out: &mut Vec<u8>) -> Option<usize> {
    encode_object(map, schema, id, Head::Stored, out)
}

/// Writes a tree of any shape; maps by key, as Go prints them.
pub fn encode_untyped(node: &Node, out: &mut Vec<u8>) {
    match node {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Bool(true) => out.extend_from_slice(b"true"),
        Node::Bool(false) => out.extend_from_slice(b"false"),
        Node::Int(value) => write::integer(*value, out),
        Node::Float(value) => write::float(*value, out),
        Node::Str(text) => write::string(text, out),
        Node::Raw(text) => out.extend_from_slice(text.as_bytes()),
        Node::List(list) => items(list, out, encode_untyped),
        Node::Map(map) => sorted(map, out, encode_untyped),
    }
}

fn items(list: &List, out: &mut Vec<u8>, mut write_item: impl FnMut(&Node, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_item(item, out);
    }
    out.push(b']');
}

fn sorted(map: &Map, out: &mut Vec<u8>, mut write_value: impl FnMut(&Node, &mut Vec<u8>)) {
    let mut write_entry = |index: usize, (key, value): &(Key, Node), out: &mut Vec<u8>| {
        if index > 0 {
            out.push(b',');
        }
        write::string(key, out);
        out.push(b':');
        write_value(value, out);
    };
    out.push(b'{');
    let entries = map.entries();
    if entries.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        for (index, entry) in entries.iter().enumerate() {
            write_entry(index, entry, out);
        }
    } else {
        let mut entries: Vec<&(Key, Node)> = entries.iter().collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (index, entry) in entries.into_iter().enumerate() {
            write_entry(index, entry, out);
        }
    }
    out.push(b'}');
}

struct Encoder<'a> {
    schema: &'a Schema,
    out: &'a mut Vec<u8>,
}

impl<'a> Encoder<'a> {
    fn structure(&mut self, map: &Map, this: &'a Struct) {
        if let Some(unread) = map.stored_text()
            && std::ptr::eq(schema::builtin().get(unread.id), this)
        {
            self.out.extend_from_slice(&unread.text);
            return;
        }
        self.out.push(b'{');
        let mark = self.out.len();
        if !self.fields_in_order(map, this) {
            self.out.truncate(mark);
            self.fields_by_name(map, &this.flat);
        }
        self.others(map, this);
        self.close(mark);
    }

    /// Ends an object: each field has left a comma behind it.
    fn close(&mut self, mark: usize) {
        if self.out.len() > mark && self.out.last() == Some(&b',') {
            self.out.pop();
        }
        self.out.push(b'}');
    }

    /// Writes the fields of a map whose entries are in the schema's order; false when they are not.
    fn fields_in_order(&mut self, map: &Map, this: &'a Struct) -> bool {
        let mut absent = this.printed.iter().map(|at| usize::from(*at)).peekable();
        let mut next = 0;
        for (key, node) in map.entries() {
            let from = next;
            let Some(at) = this.find_from(key, &mut next) else { continue };
            if at < from {
                return false;
            }
            while let Some(before) = absent.next_if(|before| *before <= at) {
                if before < at {
                    self.absent(&this.flat[before].field);
                }
            }
            self.field(&this.flat[at], node);
        }
        absent.for_each(|at| self.absent(&this.flat[at].field));
        true
    }

    fn fields_by_name(&mut self, map: &Map, flat: &'a [FlatField]) {
        for flat in flat {
            match map.get(&flat.field.name) {
                Some(node) => self.field(flat, node),
                None if flat.printed => self.absent(&flat.field),
                None => {}
            }
        }
    }

    /// Writes what an open struct has beyond its fields, by name.
    fn others(&mut self, map: &Map, this: &'a Struct) {
        if !this.open {
            return;
        }
        let mut others: Vec<&(Key, Node)> =
            map.entries().iter().filter(|(name, _)| this.find(name).is_none()).collect();
        others.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, node) in others {
            write::string(name, self.out);
            self.out.push(b':');
            encode_untyped(node, self.out);
            self.out.push(b',');
        }
    }

    /// Writes a field that is present in the tree, and a comma.
    #[inline]
    fn field(&mut self, flat: &'a FlatField, node: &Node) {
        let field = &*flat.field;
        if field.omit != Omit::Never && field.is_zero(node) {
            if flat.printed {
                self.absent(field);
            }
            return;
        }
        self.out.extend_from_slice(field.head.as_bytes());
        match node {
            Node::Str(text) => write::string(text, self.out),
            node => self.value(&field.ty, node),
        }
        self.out.push(b',');
    }

    /// Writes a field that Go prints although it is not set, and a comma.
    fn absent(&mut self, field: &'a Field) {
        self.out.extend_from_slice(field.head.as_bytes());
        let text: &[u8] = match &field.ty {
            _ if field.pointer => b"null",
            Type::Struct(id) => {
                self.structure(&Map::new(), self.schema.get(*id));
                self.out.push(b',');
                return;
            }
            Type::Bool => b"false",
            Type::Int32 | Type::Int64 | Type::Float64 | Type::IntOrString => b"0",
            Type::String => b"\"\"",
            Type::Quantity => b"\"0\"",
            Type::Duration => b"\"0s\"",
            Type::SchemaOr(SchemaOr::Bool, _) => b"false",
            Type::Bytes
            | Type::Time
            | Type::MicroTime
            | Type::FieldsV1
            | Type::RawExtension
            | Type::Json
            | Type::Any
            | Type::SchemaOr(..)
            | Type::List { .. }
            | Type::Map(_) => b"null",
        };
        self.out.extend_from_slice(text);
        self.out.push(b',');
    }

    fn value(&mut self, ty: &'a Type, node: &Node) {
        match (ty, node) {
            (_, Node::Str(text)) => write::string(text, self.out),
            (Type::Struct(id) | Type::SchemaOr(_, id), Node::Map(map)) => {
                self.structure(map, self.schema.get(*id))
            }
            (Type::List { item, .. }, Node::List(list)) => self.list(item, list),
            (Type::SchemaOr(SchemaOr::Array, id), Node::List(list)) => {
                let this = self.schema.get(*id);
                let schema = self.schema;
                items(list, self.out, |item, out| match item {
                    Node::Map(map) => Encoder { schema, out }.structure(map, this),
                    other => encode_untyped(other, out),
                });
            }
            (Type::Map(value), Node::Map(map)) => {
                let schema = self.schema;
                sorted(map, self.out, |node, out| Encoder { schema, out }.value(value, node));
            }
            (_, node) => encode_untyped(node, self.out),
        }
    }

    fn list(&mut self, item: &'a Type, list: &List) {
        self.out.push(b'[');
        for (index, node) in list.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(item, node);
        }
        self.out.push(b']');
    }

    /// Writes the fields of an object after its head. See [`encode_object`].
    fn object(&mut self, map: &Map, this: &'a Struct) -> Option<usize> {
        let mark = self.out.len();
        let mut version_at = None;
        for flat in &this.flat {
            let node = map.get(&flat.field.name);
            match (flat.field.name.as_str(), &flat.field.ty) {
                ("kind" | "apiVersion", _) if flat.embedded.as_str() == "TypeMeta." => {}
                ("metadata", Type::Struct(id)) => {
                    let empty = Map::new();
                    let metadata = node.and_then(Node::as_map).unwrap_or(&empty);
                    self.out.extend_from_slice(flat.field.head.as_bytes());
                    version_at = self.metadata(metadata, self.schema.get(*id));
                    self.out.push(b',');
                }
                _ => match node {
                    Some(node) => self.field(flat, node),
                    None if flat.printed => self.absent(&flat.field),
                    None => {}
                },
            }
        }
        self.others(map, this);
        self.close(mark);
        version_at
    }

    /// Writes metadata with an empty place for the resource version.
    fn metadata(&mut self, map: &Map, this: &'a Struct) -> Option<usize> {
        let mut version_at = None;
        self.out.push(b'{');
        let mark = self.out.len();
        for flat in &this.flat {
            if flat.field.name.as_str() == "resourceVersion" {
                self.out.extend_from_slice(flat.field.head.as_bytes());
                self.out.push(b'"');
                version_at = Some(self.out.len());
                self.out.extend_from_slice(b"\",");
                continue;
            }
            match map.get(&flat.field.name) {
                Some(node) => self.field(flat, node),
                None if flat.printed => self.absent(&flat.field),
                None => {}
            }
        }
        self.close(mark);
        version_at
    }
}
