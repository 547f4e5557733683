//! What a write changed: the paths that it set and the paths that it removed.
//!
//! Keeps: a value that Go always prints counts as present even when the tree leaves it out, so a container that
//! is always there is never "added"; parts that both trees share are not walked.

use super::element::Element;
use super::set::Set;
use super::shape::{self, Items, Shape};
use crate::schema::{Field, FlatField, Schema, StructId, Type};
use crate::tree::{Key, Map, Node};

/// The paths that differ between two objects.
#[derive(Debug, Default)]
pub struct Changes {
    /// Added, or with another value.
    pub changed: Set,
    /// No longer there.
    pub removed: Set,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }

    fn push(&mut self, element: &Element, changed: bool, removed: bool, below: Changes) {
        if changed || !below.changed.is_empty() {
            self.changed.push(element.clone(), changed, below.changed);
        }
        if removed || !below.removed.is_empty() {
            self.removed.push(element.clone(), removed, below.removed);
        }
    }

    fn finish(&mut self) {
        self.changed.finish();
        self.removed.finish();
    }
}

/// Paths that nobody owns through an endpoint: `["status"]`.
pub type Reset<'a> = &'a [&'a [&'a str]];

/// Compares two objects of one type, without the paths that are never owned and those in `reset`.
pub fn compare(live: &Map, new: &Map, schema: &Schema, id: StructId, reset: Reset<'_>) -> Changes {
    let mut changes = Changes::default();
    Comparison { schema }.structure(
        live,
        new,
        id,
        &Skip { level: 0, in_metadata: false, reset },
        &mut changes,
    );
    changes
}

/// Which fields of a struct are left out.
pub(super) struct Skip<'a> {
    level: usize,
    in_metadata: bool,
    reset: Reset<'a>,
}

impl<'a> Skip<'a> {
    /// What is left out at the top of an object.
    pub(super) fn object(reset: Reset<'a>) -> Skip<'a> {
        Skip { level: 0, in_metadata: false, reset }
    }

    const NOTHING: Skip<'static> = Skip { level: usize::MAX, in_metadata: false, reset: &[] };

    pub(super) fn leaves_out(&self, name: &str) -> bool {
        let stripped = match self.level {
            0 => matches!(name, "apiVersion" | "kind"),
            1 if self.in_metadata => is_never_owned(name),
            _ => false,
        };
        stripped || self.reset.iter().any(|path| path.len() == 1 && path[0] == name)
    }

    /// What is left out below the field `name`.
    pub(super) fn below<T>(&self, name: &str, with: impl FnOnce(&Skip<'_>) -> T) -> T {
        let in_metadata = self.level == 0 && name == "metadata";
        let tails: smallvec::SmallVec<[&[&str]; 4]> = self
            .reset
            .iter()
            .filter(|path| path.len() > 1 && path[0] == name)
            .map(|path| &path[1..])
            .collect();
        if in_metadata || !tails.is_empty() {
            with(&Skip { level: self.level.saturating_add(1), in_metadata, reset: &tails })
        } else {
            with(&Skip::NOTHING)
        }
    }
}

/// Whether nobody owns this field of metadata.
pub(crate) fn is_never_owned(name: &str) -> bool {
    matches!(
        name,
        "name"
            | "namespace"
            | "creationTimestamp"
            | "selfLink"
            | "uid"
            | "clusterName"
            | "generation"
            | "managedFields"
            | "resourceVersion"
    )
}

struct Comparison<'a> {
    schema: &'a Schema,
}

impl Comparison<'_> {
    fn structure(&self, live: &Map, new: &Map, id: StructId, skip: &Skip<'_>, out: &mut Changes) {
        if live.is_shared_with(new) {
            return;
        }
        let this = self.schema.get(id);
        let (mut next, mut field_next) = (0, 0);
        let mut matched = 0;
        for (name, node) in new.entries() {
            let old = find(live, name, &mut next);
            matched += usize::from(old.is_some());
            if old.is_some_and(|old| old.is_shared_with(node)) || skip.leaves_out(name) {
                continue;
            }
            match this.find_from(name, &mut field_next) {
                Some(at) => self.field(old, Some(node), &this.flat[at], skip, out),
                None if this.open => {
                    self.entry(name, old, node, shape::of_type(self.schema, &Type::Any), out)
                }
                None => {}
            }
        }
        if matched < live.len() {
            for (name, old) in live.entries() {
                if new.contains(name) || skip.leaves_out(name) {
                    continue;
                }
                match this.find(name) {
                    Some(at) => self.field(Some(old), None, &this.flat[at], skip, out),
                    None if this.open => {
                        self.removed(name, old, shape::of_type(self.schema, &Type::Any), out)
                    }
                    None => {}
                }
            }
        }
        out.finish();
    }

    /// Compares a field that is in at least one of the trees.
    fn field(
        &self,
        live: Option<&Node>,
        new: Option<&Node>,
        flat: &FlatField,
        skip: &Skip<'_>,
        out: &mut Changes,
    ) {
        let field = &*flat.field;
        let live = live.filter(|node| !field.is_zero(node));
        let new = new.filter(|node| !field.is_zero(node));
        let element = Element::Field(field.name.clone());
        match (live, new) {
            (None, None) => {}
            (None, Some(node)) if !flat.printed => {
                out.changed.push(element, true, self.all(node, shape::of_field(self.schema, field)));
            }
            (Some(node), None) if !flat.printed => {
                out.removed.push(element, true, self.all(node, shape::of_field(self.schema, field)));
            }
            (live, new) => {
                let mut below = Changes::default();
                let differs = skip.below(&field.name, |skip| {
                    self.value(live, new, shape::of_field(self.schema, field), skip, &mut below)
                });
                out.push(&element, differs, false, below);
            }
        }
    }

    /// Compares two present values, of which `None` is the zero value that Go prints.
    ///
    /// Answers whether the value itself is another one; what differs inside goes to `below`.
    fn value(
        &self,
        live: Option<&Node>,
        new: Option<&Node>,
        shape: Shape<'_>,
        skip: &Skip<'_>,
        below: &mut Changes,
    ) -> bool {
        let leaf = || match (live, new) {
            (Some(live), Some(new)) => live != new,
            (live, new) => live.is_some() != new.is_some(),
        };
        let is_map = |node: Option<&Node>| node.is_none_or(|node| node.as_map().is_some());
        if is_empty(live) && is_empty(new) {
            return leaf();
        }
        match shape {
            Shape::Leaf => return leaf(),
            Shape::Map(Type::Any) if !is_map(live) || !is_map(new) => return leaf(),
            Shape::Struct(id) => {
                self.structure(map(live, &Map::new()), map(new, &Map::new()), id, skip, below)
            }
            Shape::Map(value) => self.entries(map(live, &Map::new()), map(new, &Map::new()), value, below),
            Shape::Items(items) => self.items(list(live), list(new), items, below),
            Shape::Set => self.set(list(live), list(new), below),
        }
        false
    }

    fn entries(&self, live: &Map, new: &Map, value: &Type, out: &mut Changes) {
        if live.is_shared_with(new) {
            return;
        }
        let shape = shape::of_type(self.schema, value);
        let mut next = 0;
        let mut matched = 0;
        for (name, node) in new.entries() {
            let old = find(live, name, &mut next);
            matched += usize::from(old.is_some());
            self.entry(name, old, node, shape, out);
        }
        if matched < live.len() {
            for (name, old) in live.entries() {
                if !new.contains(name) {
                    self.removed(name, old, shape, out);
                }
            }
        }
        out.finish();
    }

    /// Compares an entry that is in the new map.
    fn entry(&self, name: &Key, old: Option<&Node>, new: &Node, shape: Shape<'_>, out: &mut Changes) {
        let element = || Element::Field(name.clone());
        match old {
            None => out.changed.push(element(), true, self.all(new, shape)),
            Some(old) if old.is_shared_with(new) => {}
            Some(old) => {
                let mut below = Changes::default();
                let differs = self.value(Some(old), Some(new), shape, &Skip::NOTHING, &mut below);
                out.push(&element(), differs, false, below);
            }
        }
    }

    /// Notes an entry that is not in the new map.
    fn removed(&self, name: &Key, old: &Node, shape: Shape<'_>, out: &mut Changes) {
        out.removed.push(Element::Field(name.clone()), true, self.all(old, shape));
    }

    fn items(&self, live: &[Node], new: &[Node], items: Items<'_>, out: &mut Changes) {
        let aligned = live.len() == new.len() && live.iter().zip(new).all(|(a, b)| items.same_keys(a, b));
        if aligned && live == new {
            return;
        }
        let (live, new) = (self.named(live, items), self.named(new, items));
        each_pair(&live, &new, |element, live, new| match (live, new) {
            ([], [one]) => out.changed.push(element.clone(), true, self.structure_paths(one, items.item)),
            ([one], []) => out.removed.push(element.clone(), true, self.structure_paths(one, items.item)),
            ([old], [new]) => {
                let mut below = Changes::default();
                let differs = self.value(
                    Some(old.1),
                    Some(new.1),
                    shape::of_type(self.schema, &Type::Struct(items.item)),
                    &Skip::NOTHING,
                    &mut below,
                );
                out.push(element, differs, false, below);
            }
            // Items that stand twice are owned as one.
            (old, new) => self.duplicates(element, old, new, Some(items.item), out),
        });
        out.finish();
    }

    fn set(&self, live: &[Node], new: &[Node], out: &mut Changes) {
        let named = |list| sorted(<[Node]>::iter(list).map(|item| (value_element(item), item)).collect());
        let (live, new) = (named(live), named(new));
        each_pair(&live, &new, |element, live, new| match (live, new) {
            ([], [_]) => out.changed.push(element.clone(), true, Set::new()),
            ([_], []) => out.removed.push(element.clone(), true, Set::new()),
            ([_], [_]) => {}
            (old, new) => self.duplicates(element, old, new, None, out),
        });
        out.finish();
    }

    /// An item that stands twice in one of the lists.
    fn duplicates(
        &self,
        element: &Element,
        live: &[(Element, &Node)],
        new: &[(Element, &Node)],
        item: Option<StructId>,
        out: &mut Changes,
    ) {
        let paths = |one: &(Element, &Node)| item.map(|id| self.structure_paths(one, id)).unwrap_or_default();
        match (live.len() > 1, new.len() > 1) {
            (true, true) => {
                let equal =
                    live.len() == new.len() && live.iter().zip(new).all(|(live, new)| live.1 == new.1);
                out.changed.push(element.clone(), !equal, Set::new());
            }
            (true, false) => {
                if let Some(one) = new.first() {
                    out.changed.push(element.clone(), true, paths(one));
                }
                out.removed.push(element.clone(), true, Set::new());
            }
            (false, _) => {
                if let Some(one) = live.first() {
                    out.removed.push(element.clone(), true, paths(one));
                }
                out.changed.push(element.clone(), true, Set::new());
            }
        }
    }

    fn named<'n>(&self, list: &'n [Node], items: Items<'_>) -> Vec<(Element, &'n Node)> {
        sorted(list.iter().filter_map(|item| Some((items.typed_element(self.schema, item)?, item))).collect())
    }

    fn structure_paths(&self, item: &(Element, &Node), id: StructId) -> Set {
        self.all(item.1, shape::of_type(self.schema, &Type::Struct(id)))
    }

    /// Every path inside a value, the values that Go prints although they are not set included.
    fn all(&self, node: &Node, shape: Shape<'_>) -> Set {
        match (shape, node) {
            (Shape::Struct(id), Node::Map(map)) => self.all_fields(map, id),
            (Shape::Map(value), Node::Map(map)) => {
                let shape = shape::of_type(self.schema, value);
                let mut set = Set::new();
                set.reserve(map.len());
                for (name, node) in map.entries() {
                    set.push(Element::Field(name.clone()), true, self.all(node, shape));
                }
                set.finish();
                set
            }
            (Shape::Items(items), Node::List(list)) => {
                let mut set = Set::new();
                set.reserve(list.len());
                let named = self.named(list, items);
                for chunk in named.chunk_by(|a, b| a.0 == b.0) {
                    let children =
                        if let [one] = chunk { self.structure_paths(one, items.item) } else { Set::new() };
                    set.push(chunk[0].0.clone(), true, children);
                }
                set
            }
            (Shape::Set, Node::List(list)) => {
                let mut set = Set::new();
                for item in list {
                    set.push(value_element(item), true, Set::new());
                }
                set.finish();
                set
            }
            _ => Set::new(),
        }
    }

    fn all_fields(&self, map: &Map, id: StructId) -> Set {
        let this = self.schema.get(id);
        let mut set = Set::new();
        set.reserve(map.len() + 2);
        let mut seen = 0_u128;
        let mut next = 0;
        for (name, node) in map.entries() {
            let Some(at) = this.find_from(name, &mut next) else {
                if this.open {
                    let below = self.all(node, shape::of_type(self.schema, &Type::Any));
                    set.push(Element::Field(name.clone()), true, below);
                }
                continue;
            };
            let field = &*this.flat[at].field;
            if !field.is_zero(node) {
                seen |= 1_u128.checked_shl(at as u32).unwrap_or(0);
                let below = self.all(node, shape::of_field(self.schema, field));
                set.push(Element::Field(field.name.clone()), true, below);
            }
        }
        for (at, flat) in this.flat.iter().enumerate() {
            if flat.printed && seen & 1_u128.checked_shl(at as u32).unwrap_or(0) == 0 {
                set.push(Element::Field(flat.field.name.clone()), true, self.all_of_zero(&flat.field));
            }
        }
        set.finish();
        set
    }

    fn all_of_zero(&self, field: &Field) -> Set {
        match (&field.ty, shape::of_field(self.schema, field)) {
            (Type::Struct(id), Shape::Struct(_)) if !field.pointer => self.all_fields(&Map::new(), *id),
            _ => Set::new(),
        }
    }
}

fn value_element(item: &Node) -> Element {
    Element::Value(Box::new(item.clone()))
}

fn map<'n>(node: Option<&'n Node>, empty: &'n Map) -> &'n Map {
    node.and_then(Node::as_map).unwrap_or(empty)
}

fn list(node: Option<&Node>) -> &[Node] {
    node.and_then(Node::as_list).map(|list| list.as_slice()).unwrap_or_default()
}

/// Whether a value is null, or a list or map without anything in it.
fn is_empty(node: Option<&Node>) -> bool {
    match node {
        None | Some(Node::Null) => true,
        Some(Node::Map(map)) => map.is_empty(),
        Some(Node::List(list)) => list.is_empty(),
        Some(_) => false,
    }
}

/// The value of `name`. Entries of two versions of an object mostly have one order, so the next one is tried first.
#[inline]
fn find<'m>(map: &'m Map, name: &Key, next: &mut usize) -> Option<&'m Node> {
    let entries = map.entries();
    if let Some((key, node)) = entries.get(*next)
        && key.is_same(name)
    {
        *next += 1;
        return Some(node);
    }
    let at = entries.iter().position(|(key, _)| key == name)?;
    *next = at + 1;
    Some(&entries[at].1)
}

fn sorted(mut items: Vec<(Element, &Node)>) -> Vec<(Element, &Node)> {
    // Stable, because items that stand twice are compared in their order.
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items
}

type Named<'n> = (Element, &'n Node);

/// Calls `visit` with the items of each name in two sorted lists.
fn each_pair(
    live: &[Named<'_>],
    new: &[Named<'_>],
    mut visit: impl FnMut(&Element, &[Named<'_>], &[Named<'_>]),
) {
    let (mut live, mut new) = (live, new);
    while let Some(element) =
        [live.first(), new.first()].into_iter().flatten().map(|(element, _)| element).min()
    {
        let in_live = live.iter().take_while(|(other, _)| other == element).count();
        let in_new = new.iter().take_while(|(other, _)| other == element).count();
        visit(element, &live[..in_live], &new[..in_new]);
        (live, new) = (&live[in_live..], &new[in_new..]);
    }
}
