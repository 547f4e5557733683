//! Defaults that the API declares on its types (`+default`).
//!
//! Keeps: a default is set where Go's value would be zero, and only inside structs that are there; a struct that
//! is no pointer always is.

use super::{Field, Schema, Struct, StructId, Type};
use crate::tree::{Map, Node};

/// Sets the declared defaults of an object, in every struct that it has.
pub fn apply_defaults(map: &mut Map, schema: &Schema, id: StructId) {
    apply(map, schema, schema.get(id));
}

fn apply(map: &mut Map, schema: &Schema, this: &Struct) {
    // What is as it was stored has its defaults.
    if map.is_as_stored() {
        return;
    }
    for at in &this.defaulted {
        let field = &*this.flat[usize::from(*at)].field;
        if let Some(default) = &field.default
            && !field.is_zero(default)
        {
            map.set_default(field.name.clone(), default.clone());
        }
        below(map, schema, field);
    }
}

fn below(map: &mut Map, schema: &Schema, field: &Field) {
    if field.ty.struct_id().is_none_or(|id| schema.get(id).defaulted.is_empty()) {
        return;
    }
    if let Some(node) = map.get_mut(&field.name) {
        apply_to(node, schema, &field.ty);
        return;
    }
    if let (Type::Struct(id), false) = (&field.ty, field.pointer) {
        let mut inner = Map::new();
        apply(&mut inner, schema, schema.get(*id));
        if !inner.is_empty() {
            map.push_new(field.name.clone(), Node::Map(inner));
        }
    }
}

fn apply_to(node: &mut Node, schema: &Schema, ty: &Type) {
    match (ty, node) {
        (Type::Struct(id), Node::Map(map)) => apply(map, schema, schema.get(*id)),
        (Type::List { item, .. }, Node::List(list)) => {
            for node in list.make_mut() {
                apply_to(node, schema, item);
            }
        }
        (Type::Map(value), Node::Map(map)) => {
            for (_, node) in map.iter_mut() {
                apply_to(node, schema, value);
            }
        }
        // Schemas of custom resources declare their own defaults for their objects, not for themselves.
        _ => {}
    }
}
