//! FieldsV1 of a whole object, as its first write owns it.
//!
//! Keeps: the text is what writing the set of the object's differences from an empty object would give
//! ([`super::compare`]); it is written straight from the tree because every create pays for it.

use ecow::EcoString;
use smallvec::SmallVec;

use super::Known;
use super::compare::{Reset, Skip};
use super::element::Element;
use super::shape::{self, Items, Shape};
use crate::schema::{Field, FlatField, Schema, StructId, Type};
use crate::tree::{self, Key, Map, Node};

/// Room for the paths of an ordinary Pod.
const OUT_BYTES: usize = 8 << 10;

/// The text of every owned path of an object.
pub(super) fn write(
    object: &Map,
    schema: &Schema,
    id: StructId,
    reset: Reset<'_>,
    known: Option<Known<'_>>,
) -> EcoString {
    let mut writer = Writer::new(schema, known);
    writer.out.push(b'{');
    writer.structure(object, id, &Skip::object(reset));
    writer.close();
    writer.finish()
}

/// What the text of an object says of one of its fields, with the comma behind it.
pub fn of_field(object: &Map, field: &str, schema: &Schema, id: StructId, reset: Reset<'_>) -> EcoString {
    let mut writer = Writer::new(schema, None);
    let mut alone = object.clone();
    alone.retain(|key, _| key.as_str() == field);
    writer.structure(&alone, id, &Skip::object(reset));
    writer.finish()
}

/// The fields of a struct by name, with their values; absent ones that Go prints have none.
type Fields<'s, 'n> = SmallVec<[(&'s FlatField, Option<&'n Node>); 24]>;

struct Writer<'a> {
    schema: &'a Schema,
    known: Option<Known<'a>>,
    out: Vec<u8>,
    scratch: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(schema: &'a Schema, known: Option<Known<'a>>) -> Writer<'a> {
        Writer { schema, known, out: Vec::with_capacity(OUT_BYTES), scratch: Vec::new() }
    }

    fn finish(self) -> EcoString {
        // Only names and values of the tree were written.
        tree::text(std::str::from_utf8(&self.out).unwrap_or("{}"))
    }

    /// Ends an object whose entries have left a comma behind them.
    fn close(&mut self) {
        if self.out.last() == Some(&b',') {
            self.out.pop();
        }
        self.out.push(b'}');
    }

    fn element(&mut self, element: &Element) {
        element.write(&mut self.out, &mut self.scratch);
        self.out.push(b':');
    }

    /// The step to a declared field, whose name needs no escapes: `"f:replicas":` from `"replicas":`.
    fn declared_field(&mut self, field: &Field) {
        self.out.extend_from_slice(b"\"f:");
        self.out.extend_from_slice(&field.head.as_bytes()[1..]);
    }

    fn field(&mut self, name: &Key) {
        Element::write_field(name, &mut self.out, &mut self.scratch);
        self.out.push(b':');
    }

    fn fields<'n>(&self, map: &'n Map, id: StructId) -> Fields<'a, 'n> {
        let this = self.schema.get(id);
        let mut fields = Fields::new();
        let mut seen = 0_u128;
        let mut next = 0;
        for (name, node) in map.entries() {
            let Some(at) = this.find_from(name, &mut next) else { continue };
            let flat = &this.flat[at];
            if !flat.field.is_zero(node) {
                seen |= 1_u128.checked_shl(at as u32).unwrap_or(0);
                fields.push((flat, Some(node)));
            }
        }
        for at in &this.printed {
            if seen & 1_u128.checked_shl(u32::from(*at)).unwrap_or(0) == 0 {
                fields.push((&this.flat[usize::from(*at)], None));
            }
        }
        fields.sort_unstable_by_key(|(flat, _)| flat.rank);
        fields
    }

    /// The fields of a struct that also the empty object has: of what is always there only what is inside is new.
    fn structure(&mut self, map: &Map, id: StructId, skip: &Skip<'_>) {
        for (flat, node) in self.fields(map, id) {
            let Some(node) = node.filter(|_| !skip.leaves_out(&flat.field.name)) else { continue };
            if let Some(known) = self.known.filter(|known| known.node.is_shared_with(node)) {
                self.out.extend_from_slice(known.text.as_bytes());
                continue;
            }
            let shape = shape::of_field(self.schema, &flat.field);
            let mark = self.out.len();
            self.declared_field(&flat.field);
            if !flat.printed {
                self.member(node, shape);
                continue;
            }
            self.out.push(b'{');
            let inside = self.out.len();
            match (shape, node) {
                (Shape::Struct(id), Node::Map(map)) => {
                    skip.below(&flat.field.name, |skip| self.structure(map, id, skip));
                    if self.out.len() == inside {
                        self.out.truncate(mark);
                        continue;
                    }
                }
                _ => self.inside(node, shape),
            }
            self.close();
            self.out.push(b',');
        }
    }

    /// A value that is new itself, and a comma.
    fn member(&mut self, node: &Node, shape: Shape<'_>) {
        if let Shape::Leaf = shape {
            self.out.extend_from_slice(b"{},");
            return;
        }
        self.out.extend_from_slice(b"{\".\":{},");
        let inside = self.out.len();
        self.inside(node, shape);
        self.end_member(inside);
    }

    /// Ends the object of a member: without anything inside it is a leaf.
    fn end_member(&mut self, inside: usize) {
        if self.out.len() == inside {
            self.out.truncate(inside - b"\".\":{},".len());
        }
        self.close();
        self.out.push(b',');
    }

    /// Every path inside a value.
    fn inside(&mut self, node: &Node, shape: Shape<'_>) {
        match (shape, node) {
            (Shape::Struct(id), Node::Map(map)) => self.all_fields(map, id),
            (Shape::Map(value), Node::Map(map)) => {
                let shape = shape::of_type(self.schema, value);
                let mut entries: SmallVec<[&(Key, Node); 16]> = map.entries().iter().collect();
                if !entries.is_sorted_by(|a, b| a.0 <= b.0) {
                    entries.sort_by(|a, b| a.0.cmp(&b.0));
                }
                for (name, node) in entries {
                    self.field(name);
                    self.member(node, shape);
                }
            }
            (Shape::Items(items), Node::List(list)) => self.items(list, items),
            (Shape::Set, Node::List(list)) => {
                let mut elements: Vec<Element> =
                    list.iter().map(|item| Element::Value(Box::new(item.clone()))).collect();
                elements.sort();
                elements.dedup();
                for element in elements {
                    self.element(&element);
                    self.out.extend_from_slice(b"{},");
                }
            }
            _ => {}
        }
    }

    fn items(&mut self, list: &[Node], items: Items<'_>) {
        let ty = Type::Struct(items.item);
        let shape = shape::of_type(self.schema, &ty);
        if let Some(named) = plainly_named(list, items) {
            for (text, node) in named {
                Element::write_plain_key(&items.keys[0], text, &mut self.out);
                self.out.push(b':');
                self.member(node, shape);
            }
            return;
        }
        let mut named: Vec<(Element, &Node)> =
            list.iter().filter_map(|item| Some((items.typed_element(self.schema, item)?, item))).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        for same in named.chunk_by(|a, b| a.0 == b.0) {
            self.element(&same[0].0);
            match same {
                [(_, node)] => self.member(node, shape),
                // Items that stand twice are owned as one.
                _ => self.out.extend_from_slice(b"{},"),
            }
        }
    }

    fn all_fields(&mut self, map: &Map, id: StructId) {
        for (flat, node) in self.fields(map, id) {
            let field = &*flat.field;
            self.declared_field(&flat.field);
            match (node, &field.ty, shape::of_field(self.schema, field)) {
                (Some(node), _, shape) => self.member(node, shape),
                (None, Type::Struct(id), Shape::Struct(_)) if !field.pointer => {
                    self.out.extend_from_slice(b"{\".\":{},");
                    let inside = self.out.len();
                    self.all_fields(&Map::new(), *id);
                    self.end_member(inside);
                }
                (None, ..) => self.out.extend_from_slice(b"{},"),
            }
        }
    }
}

/// The items of a list by their only key, when each has another plain text there: nearly every list is like that.
fn plainly_named<'n>(list: &'n [Node], items: Items<'_>) -> Option<SmallVec<[(&'n str, &'n Node); 16]>> {
    let [key] = items.keys else { return None };
    let mut named = SmallVec::new();
    for item in list {
        let name = item.as_map()?.get(key)?.as_str()?;
        named.push((Element::is_plain_text(name).then_some(name)?, item));
    }
    named.sort_unstable_by_key(|(name, _)| *name);
    named.windows(2).all(|pair| pair[0].0 != pair[1].0).then_some(named)
}
