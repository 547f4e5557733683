//! Lists that are sets or maps: no item, and no combination of keys, stands twice.

use rustc_hash::{FxHashMap, FxHashSet};

use super::property;
use crate::codec::json;
use crate::field::{FieldErrors, Path};
use crate::tree::{List, Map, Node};

const LIST_TYPE: &str = "x-kubernetes-list-type";
const KEYS: &str = "x-kubernetes-list-map-keys";

/// Reports items that stand twice, anywhere in an object.
pub(crate) fn validate(object: &Map, schema: &Map, errors: &mut FieldErrors) {
    validate_map(object, schema, None, errors);
}

fn validate_map(map: &Map, schema: &Map, path: Option<&Path<'_>>, errors: &mut FieldErrors) {
    for (name, value) in map.iter() {
        if let Some(additional) = schema.map("additionalProperties") {
            let at = match path {
                Some(path) => path.key(name),
                None => Path::new(name),
            };
            validate_value(value, additional, &at, errors);
        }
        if let Some(declared) = property(schema, name) {
            let at = match path {
                Some(path) => path.child(name),
                None => Path::new(name),
            };
            validate_value(value, declared, &at, errors);
        }
    }
}

fn validate_value(value: &Node, schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    match value {
        Node::Map(map) => validate_map(map, schema, Some(path), errors),
        Node::List(list) => {
            match schema.str(LIST_TYPE) {
                "set" => report_twice(list, Node::clone, path, errors),
                "map" => validate_list_map(list, schema, path, errors),
                _ => {}
            }
            if let Some(items) = schema.map("items") {
                for (index, item) in list.iter().enumerate() {
                    validate_value(item, items, &path.index(index), errors);
                }
            }
        }
        _ => {}
    }
}

fn validate_list_map(list: &List, schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let wrong = list.iter().position(|item| !matches!(item, Node::Map(_) | Node::Null));
    if let Some(index) = wrong {
        let detail = "must be an object for an array of list-type map";
        return errors.invalid(&path.index(index), list[index].clone(), detail);
    }
    report_twice(list, |item| Node::Map(keys(item, schema)), path, errors);
}

/// Reports the second item of a name, at its place; a third one is not told again.
fn report_twice(list: &List, name: impl Fn(&Node) -> Node, path: &Path<'_>, errors: &mut FieldErrors) {
    let (mut seen, mut told) = (FxHashSet::default(), FxHashSet::default());
    for (index, item) in list.iter().enumerate() {
        let name = name(item);
        let text = text(&name);
        if !seen.insert(text.clone()) && told.insert(text) {
            errors.duplicate(&path.index(index), name);
        }
    }
}

fn keys(item: &Node, schema: &Map) -> Map {
    let map = item.as_map();
    schema
        .texts(KEYS)
        .filter_map(|key| Some((crate::tree::Key::Owned(key.into()), map?.get(key)?.clone())))
        .collect()
}

fn text(node: &Node) -> Vec<u8> {
    let mut text = Vec::new();
    json::encode_untyped(node, &mut text);
    text
}

/// The name of an item of a list that is a map; `None` in other lists.
pub(crate) fn keys_of(item: &Node, schema: &Map) -> Option<Vec<u8>> {
    (schema.str(LIST_TYPE) == "map").then(|| text(&Node::Map(keys(item, schema))))
}

/// The items of a list that is a map by their names; empty for other lists.
pub(crate) fn by_keys<'a>(list: &'a List, schema: &Map) -> FxHashMap<Vec<u8>, &'a Node> {
    list.iter().filter_map(|item| Some((keys_of(item, schema)?, item))).collect()
}
