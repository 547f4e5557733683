//! Fields that a schema does not know are dropped.

use ecow::EcoString;

use super::{EMBEDDED, PRESERVES_UNKNOWN, is_of_every_object, is_true, property};
use crate::tree::{List, Map, Node};

/// An object without the fields that its schema does not know, which `found` is told (`spec.a[0].b`); `None` when there
/// are none. `metadata` is not looked at.
pub(crate) fn object(object: &Map, schema: &Map, found: &mut dyn FnMut(&str)) -> Option<Map> {
    Pruner { path: EcoString::new(), found }.map(object, Some(schema), true)
}

/// Whether a value has fields that its schema does not know.
pub(crate) fn has_unknown(value: &Node, schema: &Map) -> bool {
    Pruner { path: EcoString::new(), found: &mut |_| () }.value(value, Some(schema)).is_some()
}

struct Pruner<'a> {
    path: EcoString,
    found: &'a mut dyn FnMut(&str),
}

impl Pruner<'_> {
    fn value(&mut self, value: &Node, schema: Option<&Map>) -> Option<Node> {
        match value {
            Node::Map(map) => {
                let is_object = schema.is_some_and(|schema| is_true(schema, EMBEDDED));
                self.map(map, schema, is_object).map(Node::Map)
            }
            Node::List(list) => self.list(list, schema).map(Node::List),
            _ => None,
        }
    }

    fn map(&mut self, map: &Map, schema: Option<&Map>, is_object: bool) -> Option<Map> {
        let preserves = schema.is_some_and(|schema| is_true(schema, PRESERVES_UNKNOWN));
        let mut changed: Option<Map> = None;
        for (name, value) in map.iter() {
            if is_object && is_of_every_object(name) {
                continue;
            }
            let declared = schema.and_then(|schema| property(schema, name));
            let additional = schema.and_then(|schema| schema.get("additionalProperties"));
            let length = self.path.len();
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(name);
            match (declared, additional) {
                (None, None) if preserves => {}
                (None, None) => {
                    (self.found)(&self.path);
                    changed.get_or_insert_with(|| map.clone()).remove(name);
                }
                (declared, additional) => {
                    let below = declared.or_else(|| additional.and_then(Node::as_map));
                    if let Some(value) = self.value(value, below) {
                        changed.get_or_insert_with(|| map.clone()).set(name.clone(), value);
                    }
                }
            }
            self.path.truncate(length);
        }
        changed
    }

    fn list(&mut self, list: &List, schema: Option<&Map>) -> Option<List> {
        let items = schema.and_then(|schema| schema.map("items"));
        if items.is_none() && schema.is_some_and(|schema| is_true(schema, PRESERVES_UNKNOWN)) {
            return None;
        }
        let mut changed: Option<List> = None;
        for (index, item) in list.iter().enumerate() {
            let length = self.path.len();
            self.path.push_str(&ecow::eco_format!("[{index}]"));
            if let Some(item) = self.value(item, items) {
                changed.get_or_insert_with(|| list.clone()).make_mut()[index] = item;
            }
            self.path.truncate(length);
        }
        changed
    }
}
