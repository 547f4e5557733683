//! Defaults of a schema, and nulls that it does not allow.
//!
//! Keeps: a null where the schema is not nullable counts as absent: it gives way to a default or goes.

use super::{below, is_true, property};
use crate::tree::{List, Map, Node};

/// An object with the defaults of its schema and without nulls that are none of its values; `None` when that is as it is.
pub(crate) fn object(object: &Map, schema: &Map) -> Option<Map> {
    let defaulted = defaulted_map(object, schema);
    let without = without_nulls_map(defaulted.as_ref().unwrap_or(object), schema);
    without.or(defaulted)
}

/// An object without nulls that are none of its values, and have no default; `None` when that is as it is.
pub(crate) fn without_wrong_nulls(object: &Map, schema: &Map) -> Option<Map> {
    without_nulls_map(object, schema)
}

fn is_wrong_null(value: &Node, schema: &Map) -> bool {
    matches!(value, Node::Null) && !is_true(schema, "nullable")
}

fn defaulted(value: &Node, schema: &Map) -> Option<Node> {
    match value {
        Node::Map(map) => defaulted_map(map, schema).map(Node::Map),
        Node::List(list) => defaulted_list(list, schema).map(Node::List),
        _ => None,
    }
}

fn defaulted_map(map: &Map, schema: &Map) -> Option<Map> {
    let mut changed: Option<Map> = None;
    for (name, declared) in schema.map("properties").into_iter().flat_map(Map::iter) {
        let Some(declared) = declared.as_map() else { continue };
        let Some(default) = declared.get("default") else { continue };
        if map.get(name).is_none_or(|value| is_wrong_null(value, declared)) {
            changed.get_or_insert_with(|| map.clone()).set(name.clone(), default.clone());
        }
    }
    let filled = changed.clone().unwrap_or_else(|| map.clone());
    for (name, value) in filled.iter() {
        let declared = property(schema, name);
        let Some(declared_below) = below(schema, name) else { continue };
        let replaced = declared_below
            .get("default")
            .filter(|_| declared.is_none() && is_wrong_null(value, declared_below));
        let value = replaced.unwrap_or(value);
        if let Some(value) = defaulted(value, declared_below).or_else(|| replaced.cloned()) {
            changed.get_or_insert_with(|| map.clone()).set(name.clone(), value);
        }
    }
    changed
}

fn defaulted_list(list: &List, schema: &Map) -> Option<List> {
    let items = schema.map("items")?;
    let mut changed: Option<List> = None;
    for (index, item) in list.iter().enumerate() {
        let replaced = items.get("default").filter(|_| is_wrong_null(item, items));
        let item = replaced.unwrap_or(item);
        if let Some(item) = defaulted(item, items).or_else(|| replaced.cloned()) {
            changed.get_or_insert_with(|| list.clone()).make_mut()[index] = item;
        }
    }
    changed
}

fn without_nulls(value: &Node, schema: &Map) -> Option<Node> {
    match value {
        Node::Map(map) => without_nulls_map(map, schema).map(Node::Map),
        Node::List(list) => {
            let items = schema.map("items")?;
            let mut changed: Option<List> = None;
            for (index, item) in list.iter().enumerate() {
                if let Some(item) = without_nulls(item, items) {
                    changed.get_or_insert_with(|| list.clone()).make_mut()[index] = item;
                }
            }
            changed.map(Node::List)
        }
        _ => None,
    }
}

fn without_nulls_map(map: &Map, schema: &Map) -> Option<Map> {
    let mut changed: Option<Map> = None;
    for (name, value) in map.iter() {
        let declared = property(schema, name);
        if declared.is_some_and(|declared| is_wrong_null(value, declared)) {
            changed.get_or_insert_with(|| map.clone()).remove(name);
        } else if let Some(value) = below(schema, name).and_then(|below| without_nulls(value, below)) {
            changed.get_or_insert_with(|| map.clone()).set(name.clone(), value);
        }
    }
    changed
}
