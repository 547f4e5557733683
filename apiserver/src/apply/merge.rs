//! The live object with the body of an apply request merged into it.
//!
//! Keeps: what the body does not state stays; items of lists keep their live order as far as the body states none
//! of its own. The body is read twice, as written (which fields it states) and typed (with which values).

use crate::managed_fields::Element;
use crate::managed_fields::shape::{self, Items, Shape};
use crate::schema::{Schema, StructId, Type};
use crate::tree::{Key, List, Map, Node};

/// Merges a body into a typed tree.
pub(super) fn merge(live: &mut Map, written: &Map, typed: &Map, schema: &Schema, id: StructId) {
    Merger { schema }.structure(live, written, typed, id);
}

/// The paths of lists, maps and structs in a body that have one owner as a whole: to state some of one is to drop the rest.
pub(super) fn atomics(written: &Map, schema: &Schema, id: StructId) -> Vec<String> {
    let mut found = Vec::new();
    atomics_of_struct(written, schema, id, "", &mut found);
    found
}

fn atomics_of_struct(written: &Map, schema: &Schema, id: StructId, path: &str, found: &mut Vec<String>) {
    let this = schema.get(id);
    for (name, node) in written.entries() {
        if let Some(field) = this.field_or_other(name) {
            atomics_of(node, schema, shape::of_field(schema, field), &format!("{path}.{name}"), found);
        }
    }
}

fn atomics_of(node: &Node, schema: &Schema, shape: Shape<'_>, path: &str, found: &mut Vec<String>) {
    match (shape, node) {
        (Shape::Leaf, Node::Map(_) | Node::List(_)) => found.push(path.to_owned()),
        (Shape::Struct(id), Node::Map(map)) => atomics_of_struct(map, schema, id, path, found),
        (Shape::Map(value), Node::Map(map)) => {
            for (name, node) in map.entries() {
                atomics_of(node, schema, shape::of_type(schema, value), &format!("{path}.{name}"), found);
            }
        }
        (Shape::Items(items), Node::List(list)) => {
            for (at, item) in list.iter().enumerate() {
                if let Node::Map(map) = item {
                    atomics_of_struct(map, schema, items.item, &format!("{path}[{at}]"), found);
                }
            }
        }
        _ => {}
    }
}

struct Merger<'a> {
    schema: &'a Schema,
}

impl Merger<'_> {
    fn structure(&self, live: &mut Map, written: &Map, typed: &Map, id: StructId) {
        let this = self.schema.get(id);
        for (name, node) in written.entries() {
            if let Some(field) = this.field_or_other(name) {
                let shape = shape::of_field(self.schema, field);
                self.entry(live, name, node, typed.get(name), shape);
            }
        }
    }

    fn entries(&self, live: &mut Map, written: &Map, typed: &Map, value: &Type) {
        let shape = shape::of_type(self.schema, value);
        for (name, node) in written.entries() {
            self.entry(live, name, node, typed.get(name), shape);
        }
    }

    /// Merges the value of one field; `typed` is absent when it was written as null, zero or empty.
    fn entry(&self, live: &mut Map, name: &Key, written: &Node, typed: Option<&Node>, shape: Shape<'_>) {
        let granular = match shape {
            Shape::Leaf => false,
            Shape::Map(Type::Any) => matches!((live.get(name), written), (Some(Node::Map(_)), Node::Map(_))),
            _ => true,
        };
        let full = match live.get(name) {
            Some(Node::Map(map)) => !map.is_empty(),
            Some(Node::List(list)) => !list.is_empty(),
            _ => false,
        };
        if granular && full {
            if let Some(node) = live.get_mut(name) {
                self.merge_full(node, written, typed, shape);
            }
            return;
        }
        match typed {
            Some(node) if live.get(name) == Some(node) => {}
            Some(node) => live.set(name.clone(), node.clone()),
            None => {
                live.remove(name);
            }
        }
    }

    /// Merges into a list, map or struct in which something is. Null or empty says nothing about that.
    fn merge_full(&self, live: &mut Node, written: &Node, typed: Option<&Node>, shape: Shape<'_>) {
        let empty = Map::new();
        let typed_map = typed.and_then(Node::as_map).unwrap_or(&empty);
        match (shape, live, written) {
            (Shape::Struct(id), Node::Map(live), Node::Map(written)) => {
                self.structure(live, written, typed_map, id);
            }
            (Shape::Map(value), Node::Map(live), Node::Map(written)) => {
                self.entries(live, written, typed_map, value);
            }
            (Shape::Items(items), Node::List(live), Node::List(written)) => {
                if let Some(Node::List(typed)) = typed {
                    *live = self.items(live, written, typed, items);
                }
            }
            (Shape::Set, Node::List(live), Node::List(_)) => {
                if let Some(Node::List(typed)) = typed {
                    let value = |node: &Node| Element::Value(Box::new(node.clone()));
                    *live = interleave(live, typed, value, |at| value(&typed[at]), |_, at| typed[at].clone());
                }
            }
            _ => {}
        }
    }

    fn items(&self, live: &List, written: &List, typed: &List, items: Items<'_>) -> List {
        // Every item of a checked body has a name; items without one are nobody's counterpart.
        let named = |node: &Node| items.typed_element(self.schema, node).unwrap_or(Element::Index(-1));
        let stated = |at: usize| {
            let element = written.get(at).and_then(|node| items.written_element(self.schema, node));
            element.unwrap_or(Element::Index(-2))
        };
        let leaf = matches!(shape::of_type(self.schema, &Type::Struct(items.item)), Shape::Leaf);
        interleave(live, typed, named, stated, |live, at| match (live, &typed[at], written.get(at)) {
            (Some(Node::Map(live)), Node::Map(typed), Some(Node::Map(written))) if !leaf => {
                let mut map = live.clone();
                self.structure(&mut map, written, typed, items.item);
                Node::Map(map)
            }
            (_, typed, _) => typed.clone(),
        })
    }
}

/// The items of both lists: those in both in the body's order, the live ones between them where they are.
fn interleave(
    live: &List,
    body: &List,
    live_name: impl Fn(&Node) -> Element,
    body_name: impl Fn(usize) -> Element,
    merged: impl Fn(Option<&Node>, usize) -> Node,
) -> List {
    let live_names: Vec<Element> = live.iter().map(live_name).collect();
    let body_names: Vec<Element> = (0..body.len()).map(body_name).collect();
    let in_body: Vec<Option<usize>> =
        live_names.iter().map(|name| body_names.iter().position(|other| other == name)).collect();
    // An item that stands twice in the live list is replaced and not merged.
    let counterpart = |at: usize| {
        let mut found = live_names.iter().zip(live).filter(|(other, _)| **other == body_names[at]);
        found.next().filter(|_| found.next().is_none()).map(|(_, node)| node)
    };
    let mut shared = (0..body.len()).filter(|at| live_names.contains(&body_names[*at])).peekable();
    let mut done = vec![false; body.len()];
    let mut out = List::with_capacity(live.len().max(body.len()));
    let (mut left, mut right) = (0, 0);
    while left < live.len() || right < body.len() {
        if left < live.len() && right < body.len() {
            if in_body[left] == Some(right) {
                done[right] = true;
                out.push(merged(counterpart(right), right));
                left += 1;
                right += 1;
                shared.next();
                continue;
            }
            // In both, but the body wants another one first.
            if in_body[left].is_some() && shared.peek().is_some_and(|next| in_body[left] != Some(*next)) {
                left += 1;
                continue;
            }
        }
        if left < live.len() {
            match in_body[left] {
                None => {
                    out.push(live[left].clone());
                    left += 1;
                    continue;
                }
                Some(at) if done[at] => left += 1,
                Some(_) => {}
            }
        }
        if right < body.len() {
            done[right] = true;
            out.push(merged(counterpart(right), right));
            if shared.peek() == Some(&right) {
                shared.next();
            }
            right += 1;
        }
    }
    out
}
