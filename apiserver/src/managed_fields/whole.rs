//! FieldsV1 of a whole object, as its first write owns it.
//!
//! Keeps: the text is what writing the set of the object's differences from an empty object would give
//! ([`super::compare`]); it is written straight from the tree because every create pays for it.

use ecow::EcoString;
use smallvec::SmallVec;

use super::compare::{Reset, Skip, place};
use super::element::Element;
use super::shape::{self, Items, Shape};
use crate::schema::{FlatField, Schema, StructId, Type};
use crate::tree::{Key, Map, Node};

/// The text of every owned path of an object.
pub(super) fn write(object: &Map, schema: &Schema, id: StructId, reset: Reset<'_>) -> EcoString {
    let mut writer = Writer { schema, out: Vec::with_capacity(1024), scratch: Vec::new() };
    writer.out.push(b'{');
    writer.structure(object, id, &Skip::object(reset));
    writer.close();
    // Only names and values of the tree were written.
    EcoString::from(std::str::from_utf8(&writer.out).unwrap_or("{}"))
}

/// The fields of a struct by name, with their values; absent ones are printed all the same.
type Fields<'s, 'n> = SmallVec<[(&'s FlatField, Option<&'n Node>); 24]>;

struct Writer<'a> {
    schema: &'a Schema,
    out: Vec<u8>,
    scratch: Vec<u8>,
}

impl<'a> Writer<'a> {
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
            let Some(at) = place(this, name, &mut next) else { continue };
            let flat = &this.flat[at];
            if !flat.field.is_zero(node) {
                seen |= 1_u128.checked_shl(at as u32).unwrap_or(0);
                fields.push((flat, Some(node)));
            }
        }
        for (at, flat) in this.flat.iter().enumerate() {
            if flat.printed && seen & 1_u128.checked_shl(at as u32).unwrap_or(0) == 0 {
                fields.push((flat, None));
            }
        }
        fields.sort_unstable_by(|a, b| a.0.field.name.cmp(&b.0.field.name));
        fields
    }

    /// The fields of a struct that also the empty object has: of what is always there only what is inside is new.
    fn structure(&mut self, map: &Map, id: StructId, skip: &Skip<'_>) {
        for (flat, node) in self.fields(map, id) {
            let Some(node) = node.filter(|_| !skip.leaves_out(&flat.field.name)) else { continue };
            let shape = shape::of_field(self.schema, &flat.field);
            let mark = self.out.len();
            self.field(&flat.field.name);
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
        let mut named: Vec<(Element, &Node)> =
            list.iter().filter_map(|item| Some((items.typed_element(self.schema, item)?, item))).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let ty = Type::Struct(items.item);
        let shape = shape::of_type(self.schema, &ty);
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
            self.field(&field.name);
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
