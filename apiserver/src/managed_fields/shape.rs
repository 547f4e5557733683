//! How ownership of a value is divided: one owner of the whole, or of each field, entry or item.
//!
//! Keeps: what upstream's typed schema says of a type follows from the Go declaration alone, so this is the only
//! place that reads list types, atomicity and defaults of key fields.

use super::element::Element;
use crate::schema::{Field, ListType, Schema, StructId, Type};
use crate::tree::{Key, Node};

/// How ownership of a value is divided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// One owner of the whole: a scalar, free JSON, or a list, map or struct declared atomic.
    Leaf,
    /// An owner per field.
    Struct(StructId),
    /// An owner per entry of a map; the entries are of this type.
    Map(&'a Type),
    /// An owner per item, named by its keys, and per field of it.
    Items(Items<'a>),
    /// An owner per item of a set of scalars.
    Set,
}

/// A list of structs that are named by keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Items<'a> {
    /// The names of the key fields.
    pub(crate) keys: &'a [Key],
    /// The struct of an item.
    pub(crate) item: StructId,
}

/// The shape of a field's value.
pub(crate) fn of_field<'a>(schema: &Schema, field: &'a Field) -> Shape<'a> {
    match (&field.ty, field.list) {
        (_, ListType::Atomic) => Shape::Leaf,
        // Said of a field, it outweighs an atomic struct.
        (Type::Struct(id), ListType::Granular) => Shape::Struct(*id),
        (Type::List { .. }, ListType::Set) => Shape::Set,
        (Type::List { item, .. }, ListType::Map) => match &**item {
            Type::Struct(id) => Shape::Items(Items { keys: &field.list_keys, item: *id }),
            _ => Shape::Leaf,
        },
        (ty, _) => of_type(schema, ty),
    }
}

/// The shape of a value whose declaration says nothing more than its type.
pub(crate) fn of_type<'a>(schema: &Schema, ty: &'a Type) -> Shape<'a> {
    match ty {
        Type::Struct(id) if schema.get(*id).atomic => Shape::Leaf,
        Type::Struct(id) => Shape::Struct(*id),
        Type::Map(value) => Shape::Map(value),
        Type::Any => Shape::Map(&Type::Any),
        _ => Shape::Leaf,
    }
}

impl Items<'_> {
    /// The name of an item of a typed tree; `None` when no key is there.
    ///
    /// A key that Go always prints is there even when it is zero.
    pub(crate) fn typed_element(&self, schema: &Schema, item: &Node) -> Option<Element> {
        self.element(schema, item, true)
    }

    /// The name of an item as somebody wrote it: a key that is not there has its default, or its zero value where Go
    /// always prints it.
    pub(crate) fn written_element(&self, schema: &Schema, item: &Node) -> Option<Element> {
        self.element(schema, item, false)
    }

    fn element(&self, schema: &Schema, item: &Node, typed: bool) -> Option<Element> {
        let map = item.as_map()?;
        let this = schema.get(self.item);
        let value = |key: &Key| {
            if let Some(value) = map.get(key) {
                return Some(value.clone());
            }
            let flat = &this.flat[this.find(key)?];
            let zero = flat.printed.then(|| flat.field.ty.zero());
            if typed {
                zero.or_else(|| flat.field.default.clone())
            } else {
                flat.field.default.clone().or(zero)
            }
        };
        if let [key] = self.keys {
            return Some(Element::Keys(Box::new([(key.clone(), value(key)?)])));
        }
        let mut keys: Vec<(Key, Node)> =
            self.keys.iter().filter_map(|key| Some((key.clone(), value(key)?))).collect();
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        if keys.is_empty() { None } else { Some(Element::Keys(keys.into())) }
    }

    /// Whether two items of typed trees have the same keys, without naming them.
    pub(crate) fn same_keys(&self, a: &Node, b: &Node) -> bool {
        let (Some(a), Some(b)) = (a.as_map(), b.as_map()) else { return false };
        self.keys.iter().all(|key| a.get(key) == b.get(key))
    }
}
