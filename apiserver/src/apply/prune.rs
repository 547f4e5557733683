//! Fields that a manager applied before and does not apply any more.
//!
//! Keeps: what any manager owns stays; a struct in which nobody owns anything goes as a whole.

use crate::managed_fields::shape::{self, Items, Shape};
use crate::managed_fields::{Element, Set};
use crate::schema::{Schema, StructId, Type};
use crate::tree::{List, Map, Node};

/// Removes from `object` what is in `last` and owned by nobody in `owned`.
pub(super) fn prune(object: &mut Map, last: &Set, owned: &Set, schema: &Schema, id: StructId) {
    let pruner = Pruner { schema };
    let last = pruner.with_structs(last, Shape::Struct(id));
    let owned = pruner.with_structs(owned, Shape::Struct(id));
    let mut dropped = Set::new();
    for entry in last.difference(&owned).entries() {
        // An object always has metadata, although nobody owns its name.
        let member = entry.member && entry.element != Element::field("metadata");
        dropped.push(entry.element.clone(), member, entry.children.clone());
    }
    pruner.structure(object, &dropped, id);
}

struct Pruner<'a> {
    schema: &'a Schema,
}

impl Pruner<'_> {
    /// The set with every declared field that something below belongs to.
    fn with_structs(&self, set: &Set, shape: Shape<'_>) -> Set {
        let mut full = Set::new();
        for entry in set.entries() {
            let (declared, children) = match (shape, &entry.element) {
                (Shape::Struct(id), Element::Field(name)) => match self.schema.get(id).field_or_other(name) {
                    Some(field) => {
                        (true, self.with_structs(&entry.children, shape::of_field(self.schema, field)))
                    }
                    None => (false, entry.children.clone()),
                },
                (Shape::Map(value), Element::Field(_)) => {
                    (false, self.with_structs(&entry.children, shape::of_type(self.schema, value)))
                }
                (Shape::Items(items), Element::Keys(_)) => {
                    (false, self.with_structs(&entry.children, Shape::Struct(items.item)))
                }
                _ => (false, entry.children.clone()),
            };
            full.push(entry.element.clone(), entry.member || declared, children);
        }
        full
    }

    fn structure(&self, map: &mut Map, dropped: &Set, id: StructId) {
        for entry in dropped.entries() {
            if let Element::Field(name) = &entry.element
                && let Some(field) = self.schema.get(id).field_or_other(name)
            {
                let shape = shape::of_field(self.schema, field);
                self.entry(map, name, entry.member, &entry.children, shape);
            }
        }
    }

    fn entry(&self, map: &mut Map, name: &str, member: bool, dropped: &Set, shape: Shape<'_>) {
        let emptied = !member && map.get_mut(name).is_some_and(|node| self.empties(node, dropped, shape));
        if member || emptied {
            map.remove(name);
        }
    }

    /// Removes from a value; answers whether nothing is left in it.
    fn empties(&self, node: &mut Node, dropped: &Set, shape: Shape<'_>) -> bool {
        match (shape, node) {
            (Shape::Struct(id), Node::Map(map)) => {
                self.structure(map, dropped, id);
                map.is_empty()
            }
            (Shape::Map(value), Node::Map(map)) => {
                let shape = shape::of_type(self.schema, value);
                for entry in dropped.entries() {
                    if let Element::Field(name) = &entry.element {
                        self.entry(map, name, entry.member, &entry.children, shape);
                    }
                }
                map.is_empty()
            }
            (Shape::Items(items), Node::List(list)) => {
                self.items(list, dropped, items);
                list.is_empty()
            }
            (Shape::Set, Node::List(list)) => {
                let is_dropped = |item: &Node| {
                    dropped.get(&Element::Value(Box::new(item.clone()))).is_some_and(|entry| entry.member)
                };
                list.retain(|item| !is_dropped(item));
                list.is_empty()
            }
            _ => false,
        }
    }

    fn items(&self, list: &mut List, dropped: &Set, items: Items<'_>) {
        let entry_of =
            |item: &Node| items.typed_element(self.schema, item).and_then(|element| dropped.get(&element));
        list.retain(|item| !entry_of(item).is_some_and(|entry| entry.member));
        let ty = Type::Struct(items.item);
        for item in list.make_mut() {
            if let Some(entry) = entry_of(item) {
                self.empties(item, &entry.children, shape::of_type(self.schema, &ty));
            }
        }
    }
}
