//! Untyped trees made typed.
//!
//! Keeps: the result is what decoding the tree's JSON text would give; parts that are typed already pass through
//! unchanged, and parts of a live object that is typed pass through unseen.

use super::super::context::Context;
use super::super::leaf::{self, Scalar};
use super::super::{DEPTH_MAX, DecodeError};
use super::{decode_untyped, encode_untyped, write};
use crate::schema::{SchemaOr, StructId, Type};
use crate::tree::{Key, List, Map, Node};
use crate::{quantity, time};

type Result<T> = std::result::Result<T, DecodeError>;

pub(super) fn convert(map: Map, live: Option<&Map>, context: Context<'_>, id: StructId) -> Result<Map> {
    let mut converter = Converter { context, depth: 0 };
    let map = converter.structure(map, live, id)?;
    converter.context.finish()?;
    Ok(map)
}

struct Converter<'a> {
    context: Context<'a>,
    depth: usize,
}

impl Converter<'_> {
    /// Makes a value typed. `live` is the typed value that stood in its place.
    fn value(&mut self, node: Node, live: Option<&Node>, ty: &Type, levels: usize) -> Result<Option<Node>> {
        if live.is_some_and(|live| live.is_shared_with(&node)) {
            return Ok(Some(node));
        }
        if let Type::RawExtension | Type::FieldsV1 | Type::Json = ty {
            return Ok(raw(node));
        }
        Ok(match node {
            Node::Null => None,
            Node::Bool(value) if matches!(ty, Type::SchemaOr(SchemaOr::Bool, _)) => Some(Node::Bool(value)),
            Node::Bool(value) => leaf::scalar(&mut self.context, ty, levels, Scalar::Bool(value)),
            Node::Int(value) if matches!(ty, Type::Int64) => Some(Node::Int(value)),
            Node::Int(value) => {
                leaf::scalar(&mut self.context, ty, levels, Scalar::Number(itoa::Buffer::new().format(value)))
            }
            Node::Float(value) if matches!(ty, Type::Float64) => Some(Node::Float(value)),
            Node::Float(value) => {
                let mut text = Vec::new();
                write::float(value, &mut text);
                let text = String::from_utf8(text).unwrap_or_default();
                leaf::scalar(&mut self.context, ty, levels, Scalar::Number(&text))
            }
            Node::Str(text) if stays(&text, ty) => Some(Node::Str(text)),
            Node::Str(text) => leaf::scalar(&mut self.context, ty, levels, Scalar::String(&text)),
            Node::Raw(text) => return self.value(decode_untyped(text.as_bytes())?, None, ty, levels),
            Node::Map(map) => return self.object(map, live.and_then(Node::as_map), ty, levels),
            Node::List(list) => return self.array(list, live.and_then(Node::as_list), ty, levels),
        })
    }

    fn object(&mut self, map: Map, live: Option<&Map>, ty: &Type, levels: usize) -> Result<Option<Node>> {
        match ty {
            Type::Struct(id) => self.structure(map, live, *id).map(|map| Some(Node::Map(map))),
            Type::Map(value) => self.map(map, live, value, levels + 1).map(|map| Some(Node::Map(map))),
            Type::SchemaOr(_, id) => {
                self.context.lenient += 1;
                let map = self.structure(map, live, *id);
                self.context.lenient -= 1;
                map.map(|map| Some(Node::Map(map)))
            }
            _ => {
                leaf::composite(&mut self.context, ty, levels, "object");
                Ok(None)
            }
        }
    }

    fn array(&mut self, list: List, live: Option<&List>, ty: &Type, levels: usize) -> Result<Option<Node>> {
        match ty {
            Type::List { item, .. } => {
                self.list(list, live, item, levels + 1).map(|list| Some(Node::List(list)))
            }
            Type::SchemaOr(or, id) if or.item(*id).is_some() => {
                let item = or.item(*id).unwrap_or(Type::String);
                self.context.lenient += 1;
                let list = self.list(list, live, &item, levels + 1);
                self.context.lenient -= 1;
                list.map(|list| Some(Node::List(list)))
            }
            _ => {
                leaf::composite(&mut self.context, ty, levels, "array");
                Ok(None)
            }
        }
    }

    fn structure(&mut self, map: Map, live: Option<&Map>, id: StructId) -> Result<Map> {
        self.enter()?;
        let this = self.context.schema.get(id);
        let mut fields: Vec<(Key, Node)> = Vec::with_capacity(map.len());
        let mut next = 0;
        let mut in_order = true;
        for (name, node) in map {
            let Some(at) = super::decode::find(this, &name, next) else {
                if this.open {
                    fields.push((name, node));
                } else {
                    self.context.unknown(&name);
                }
                continue;
            };
            in_order &= at >= next;
            next = at + 1;
            let field = &*this.flat[at].field;
            self.context.enter_field(id, at);
            let value = self.value(node, live.and_then(|live| live.get(&field.name)), &field.ty, 0)?;
            self.context.leave();
            if let Some(node) = value.filter(|node| !field.is_zero(node)) {
                fields.push((this.key(at), node));
            }
        }
        if this.open {
            fields.sort_by(|a, b| this.order(&a.0, &b.0));
        } else if !in_order {
            fields.sort_by_cached_key(|(name, _)| this.find(name));
        }
        self.depth -= 1;
        Ok(Map::from_entries(fields.into()))
    }

    fn map(&mut self, map: Map, live: Option<&Map>, value: &Type, levels: usize) -> Result<Map> {
        self.enter()?;
        let tracked = value.struct_id().is_some();
        let mut entries: Vec<(Key, Node)> = Vec::with_capacity(map.len());
        for (name, node) in map {
            if tracked {
                self.context.enter_key(&name);
            }
            let node = self.value(node, live.and_then(|live| live.get(&name)), value, levels)?;
            if tracked {
                self.context.leave();
            }
            entries.push((name, node.unwrap_or_else(|| value.zero())));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        self.depth -= 1;
        Ok(Map::from_entries(entries.into()))
    }

    fn list(&mut self, list: List, live: Option<&List>, item: &Type, levels: usize) -> Result<List> {
        self.enter()?;
        let tracked = item.struct_id().is_some();
        let mut items = Vec::with_capacity(list.len());
        for (index, node) in list.into_iter().enumerate() {
            if tracked {
                self.context.enter_index(index);
            }
            let node = self.value(node, live.and_then(|live| live.get(index)), item, levels)?;
            if tracked {
                self.context.leave();
            }
            items.push(node.unwrap_or_else(|| item.zero()));
        }
        self.depth -= 1;
        Ok(items.into())
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(DecodeError::new("exceeded max depth")) } else { Ok(()) }
    }
}

/// Whether a text is canonical for its type already, as most of a patched object is.
fn stays(text: &str, ty: &Type) -> bool {
    match ty {
        Type::String | Type::IntOrString => true,
        Type::Quantity => quantity::is_canonical(text.as_bytes()),
        Type::Time => time::is_canonical(text),
        _ => false,
    }
}

/// A node as raw JSON text.
fn raw(node: Node) -> Option<Node> {
    match node {
        Node::Null => None,
        Node::Raw(_) => Some(node),
        _ => {
            let mut text = Vec::new();
            encode_untyped(&node, &mut text);
            Some(Node::Raw(leaf::text(&String::from_utf8(text).unwrap_or_default())))
        }
    }
}
