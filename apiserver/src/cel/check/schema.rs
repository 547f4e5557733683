//! Types of what schemas of custom resources describe.

use std::rc::Rc;

use super::{Place, Type};
use crate::names::text::CEL_RESERVED;
use crate::structural::rules::escaped;
use crate::tree::Map;

/// The type of what a schema describes.
pub(super) fn of(schema: &Map, place: Place) -> Type<'_> {
    if schema.bool("x-kubernetes-int-or-string") == Some(true) {
        return Type::Dyn;
    }
    match (schema.str("type"), schema.str("format")) {
        ("boolean", _) => Type::Bool,
        ("integer", _) => Type::Int,
        ("number", _) => Type::Double,
        ("string", "byte") => Type::Bytes,
        ("string", "date" | "date-time") => Type::Timestamp,
        ("string", "duration") => Type::Duration,
        ("string", _) => Type::String,
        ("array", _) => {
            Type::List(Box::new(schema.map("items").map_or(Type::Dyn, |items| of(items, Place::Below))))
        }
        ("object", _) => of_object(schema, place),
        _ => Type::Dyn,
    }
}

fn of_object(schema: &Map, place: Place) -> Type<'_> {
    if let Some(values) = schema.map("additionalProperties") {
        return Type::Map(Box::new(Type::String), Box::new(of(values, Place::Below)));
    }
    if schema.bool("additionalProperties") == Some(true) {
        return Type::Map(Box::new(Type::String), Box::new(Type::Dyn));
    }
    Type::Schema(schema, place)
}

/// The type of a field of an object, by the name that expressions write.
pub(super) fn field<'a>(schema: &'a Map, place: Place, name: &str) -> Option<Type<'a>> {
    let is_object = place == Place::Root || schema.bool("x-kubernetes-embedded-resource") == Some(true);
    if is_object {
        match name {
            "apiVersion" | "kind" => return Some(Type::String),
            "metadata" if place == Place::Below && has_properties(schema, "metadata") => {}
            "metadata" => {
                return Some(Type::Fields(Rc::new([("name", Type::String), ("generateName", Type::String)])));
            }
            _ => {}
        }
    }
    let properties = schema.map("properties").into_iter().flat_map(Map::iter);
    for (own, property) in properties {
        // Of a reserved word, both are understood.
        if escaped(own) == name || own.as_str() == name && CEL_RESERVED.contains(&name) {
            return Some(property.as_map().map_or(Type::Dyn, |property| of(property, Place::Below)));
        }
    }
    // Nobody knows what else is there.
    (schema.bool("x-kubernetes-preserve-unknown-fields") == Some(true)).then_some(Type::Dyn)
}

/// Whether a property says more of itself.
fn has_properties(schema: &Map, name: &str) -> bool {
    let own = schema.map("properties").and_then(|properties| properties.map(name));
    own.is_some_and(|own| own.contains("properties"))
}
