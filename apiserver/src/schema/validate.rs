//! Validation that the API declares on its types: required, enumerations, limits, formats, uniqueness.
//!
//! Keeps: only what upstream refuses is refused. Markers in their alpha stage restate rules that are written by
//! hand, so they do not count. Status and object metadata are judged by their own code. Of a path and cause that
//! was reported already nothing more is said. What follows from the types alone (required texts, enumerations) most
//! kinds judge in their own words, at times of another path: it is reported only where nobody found anything wrong.

use std::collections::HashSet;

use super::{Field, Schema, Struct, StructId, Type};
use crate::field::{Cause, FieldErrors, Path};
use crate::names;
use crate::tree::{Key, Map, Node};

mod format;
mod sound;

/// Texts that are declared required but may be empty.
const MAY_BE_EMPTY: &[(&str, &str)] = &[
    ("io.k8s.api.core.v1.HTTPHeader", "value"),
    ("io.k8s.api.core.v1.Sysctl", "value"),
    ("io.k8s.api.discovery.v1.ForZone", "name"),
    ("io.k8s.api.storage.v1.TokenRequest", "audience"),
];

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Reports what an object breaks of the declared rules. Parts that it shares with the stored object were judged when
/// that was stored.
pub fn validate(map: &Map, stored: Option<&Map>, schema: &Schema, id: StructId, errors: &mut FieldErrors) {
    if sound::Sound(schema).structure(map, stored, schema.get(id), sound::Place::Object) {
        return;
    }
    Walk::new(schema, errors).structure(map, stored, schema.get(id), None);
}

/// As [`validate`], and reports declared-immutable fields that differ from `old`.
pub fn validate_update(map: &Map, old: &Map, schema: &Schema, id: StructId, errors: &mut FieldErrors) {
    Walk { forbids_changes: true, ..Walk::new(schema, errors) }.structure(
        map,
        Some(old),
        schema.get(id),
        None,
    );
}

struct Walk<'a> {
    schema: &'a Schema,
    errors: &'a mut FieldErrors,
    /// Whether nothing was found wrong before: what the types alone say counts.
    by_types: bool,
    /// Whether declared-immutable fields may differ.
    forbids_changes: bool,
}

impl<'a> Walk<'a> {
    fn new(schema: &'a Schema, errors: &'a mut FieldErrors) -> Walk<'a> {
        let by_types = errors.is_empty();
        Walk { schema, errors, by_types, forbids_changes: false }
    }

    /// Judges a struct; without a path it is the object itself.
    fn structure(&mut self, map: &Map, old: Option<&Map>, this: &Struct, path: Option<&Path<'_>>) {
        if this.name.as_str() == OBJECT_META {
            return;
        }
        for at in &this.checked {
            let field = &*this.flat[usize::from(*at)].field;
            if path.is_none() && field.name.as_str() == "status" {
                continue;
            }
            let at = match path {
                Some(path) => path.child(&field.name),
                None => Path::new(&field.name),
            };
            let (node, old) = (map.get(&field.name), old.and_then(|old| old.get(&field.name)));
            self.field(this, field, node, old, &at);
        }
    }

    fn field(
        &mut self,
        owner: &Struct,
        field: &Field,
        node: Option<&Node>,
        old: Option<&Node>,
        path: &Path<'_>,
    ) {
        if self.forbids_changes && node != old && has_marker(field, "immutable") {
            let value = node.cloned().unwrap_or_default();
            self.report(Cause::Invalid, path, |errors| errors.invalid(path, value, "field is immutable"));
        }
        let Some(node) = node.filter(|node| !is_empty(node)) else {
            if is_required(owner, field, self.by_types) {
                self.report(Cause::Required, path, |errors| errors.required(path, ""));
            } else if let (Type::Struct(id), false) = (&field.ty, field.pointer) {
                // A struct that is no pointer is there even when nothing in it is set.
                self.structure(&Map::new(), None, self.schema.get(*id), Some(path));
            }
            return;
        };
        if old.is_some_and(|old| matches!(node, Node::Map(_) | Node::List(_)) && node.is_shared_with(old)) {
            return;
        }
        self.enumeration(field, node, path);
        if self.markers(field, node, path) {
            self.below(&field.ty, node, old, path);
        }
    }

    /// Judges by the markers; answers whether the items of a list are to be judged, too. Of very many nothing is said but
    /// that.
    fn markers(&mut self, field: &Field, node: &Node, path: &Path<'_>) -> bool {
        if let Some(items) = node.as_list().filter(|items| items.len() > items_max(field)) {
            let too_many = |errors: &mut FieldErrors| errors.too_many(path, items.len(), items_max(field));
            self.report(Cause::TooMany, path, too_many);
            return false;
        }
        for (name, value) in &field.markers {
            self.marker(name, value, node, path);
        }
        self.uniqueness(field, node, path);
        true
    }

    fn below(&mut self, ty: &Type, node: &Node, old: Option<&Node>, path: &Path<'_>) {
        if ty.struct_id().is_none_or(|id| self.schema.get(id).checked.is_empty()) {
            return;
        }
        match (ty, node) {
            (Type::Struct(id), Node::Map(map)) => {
                self.structure(map, old.and_then(Node::as_map), self.schema.get(*id), Some(path));
            }
            (Type::List { item, .. }, Node::List(list)) => {
                for (index, node) in list.iter().enumerate() {
                    self.below(item, node, None, &path.index(index));
                }
            }
            (Type::Map(value), Node::Map(map)) => {
                for (key, node) in map.iter() {
                    self.below(value, node, None, &path.key(key));
                }
            }
            // The schemas of a custom resource are judged by its kind.
            _ => {}
        }
    }

    /// Adds an error unless the same cause was reported at the path.
    fn report(&mut self, cause: Cause, path: &Path<'_>, add: impl FnOnce(&mut FieldErrors)) {
        let text = path.to_string();
        if !self.errors.iter().any(|error| error.cause == cause && error.field == text) {
            add(self.errors);
        }
    }

    fn enumeration(&mut self, field: &Field, node: &Node, path: &Path<'_>) {
        if field.enumeration.is_empty() || !self.by_types {
            return;
        }
        let mut check = |text: &str, path: &Path<'_>| {
            if !field.enumeration.iter().any(|supported| supported.as_str() == text) {
                let supported: Vec<&str> = field.enumeration.iter().map(Key::as_str).collect();
                self.report(Cause::NotSupported, path, |errors| errors.not_supported(path, text, &supported));
            }
        };
        match node {
            Node::Str(text) => check(text, path),
            Node::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    check(item.as_str().unwrap_or_default(), &path.index(index));
                }
            }
            _ => {}
        }
    }

    fn marker(&mut self, name: &str, value: &str, node: &Node, path: &Path<'_>) {
        let limit = || value.parse::<i64>().ok();
        match (name, node) {
            ("maxLength" | "maxBytes", Node::Str(text)) => {
                let length = if name == "maxBytes" { text.len() } else { text.chars().count() };
                if let Some(max) = limit().filter(|max| length as i64 > *max) {
                    self.report(Cause::TooLong, path, |errors| errors.too_long(path, max as usize));
                }
            }
            ("minimum", Node::Int(number)) => {
                if let Some(min) = limit().filter(|min| number < min) {
                    self.out_of_range(path, *number, &format!("must be greater than or equal to {min}"));
                }
            }
            ("maximum", Node::Int(number)) => {
                if let Some(max) = limit().filter(|max| number > max) {
                    self.out_of_range(path, *number, &format!("must be less than or equal to {max}"));
                }
            }
            ("format", Node::Str(text)) => {
                let faults = format::faults(value, text);
                if !faults.is_empty() {
                    self.report(Cause::Invalid, path, |errors| names::report(errors, path, text, faults));
                }
            }
            ("eachVal", Node::List(list)) => {
                for (index, item) in list.iter().enumerate() {
                    self.nested_marker(value, item, &path.index(index));
                }
            }
            ("eachKey", Node::Map(map)) => {
                for key in map.keys() {
                    self.nested_marker(value, &Node::Str(key.as_str().into()), path);
                }
            }
            _ => {}
        }
    }

    /// A marker inside another: `+k8s:format=k8s-short-name`.
    fn nested_marker(&mut self, marker: &str, node: &Node, path: &Path<'_>) {
        if let Some((name, value)) = marker.strip_prefix("+k8s:").and_then(|marker| marker.split_once('=')) {
            self.marker(name, value, node, path);
        }
    }

    fn out_of_range(&mut self, path: &Path<'_>, number: i64, detail: &str) {
        self.report(Cause::Invalid, path, |errors| errors.invalid(path, number, detail));
    }

    /// Reports items that stand twice in a list that is declared a set or a map.
    fn uniqueness(&mut self, field: &Field, node: &Node, path: &Path<'_>) {
        let declared = |name: &str, value: &str| {
            field.markers.iter().any(|(marker, text)| marker.as_str() == name && text.as_str() == value)
        };
        let as_map = declared("listType", "map") || declared("unique", "map");
        if !as_map && !declared("listType", "set") && !declared("unique", "set") {
            return;
        }
        let Node::List(list) = node else { return };
        let keys: Vec<&str> = match field.list_keys.as_slice() {
            [] => field
                .markers
                .iter()
                .filter(|(name, _)| name.as_str() == "listMapKey")
                .map(|(_, key)| key.as_str())
                .collect(),
            keys => keys.iter().map(Key::as_str).collect(),
        };
        let mut seen = HashSet::new();
        for (index, item) in list.iter().enumerate() {
            let identity = match item.as_map().filter(|_| as_map) {
                Some(map) => {
                    keys.iter().map(|key| map.get(key).map(Node::to_string).unwrap_or_default()).collect()
                }
                None => vec![item.to_string()],
            };
            if !seen.insert(identity) {
                let at = path.index(index);
                let value = duplicate_value(item, &keys, as_map);
                self.report(Cause::Duplicate, &at, |errors| errors.duplicate(&at, value));
            }
        }
    }
}

/// How many items a list may have.
fn items_max(field: &Field) -> usize {
    let limit = field.markers.iter().find(|(name, _)| name.as_str() == "maxItems");
    limit.and_then(|(_, limit)| limit.parse().ok()).unwrap_or(usize::MAX)
}

/// What is printed of a duplicate: the item, or of an object its keys.
fn duplicate_value(item: &Node, keys: &[&str], as_map: bool) -> Node {
    match item.as_map().filter(|_| as_map) {
        Some(map) => {
            let keys = map.iter().filter(|(key, _)| keys.contains(&key.as_str()));
            Node::Map(keys.map(|(key, node)| (key.clone(), node.clone())).collect())
        }
        None => item.clone(),
    }
}

fn has_marker(field: &Field, name: &str) -> bool {
    field.markers.iter().any(|(marker, _)| marker.as_str() == name)
}

/// Whether a value counts as not given.
fn is_empty(node: &Node) -> bool {
    match node {
        Node::Null => true,
        Node::Str(text) => text.is_empty(),
        Node::List(list) => list.is_empty(),
        _ => false,
    }
}

/// Texts that are declared required are, if the types count; of other types only those with the validation marker,
/// because zero is a value of theirs.
fn is_required(owner: &Struct, field: &Field, by_types: bool) -> bool {
    if has_marker(field, "required") {
        return !matches!(field.ty, Type::Bool | Type::Int32 | Type::Int64 | Type::Float64) || field.pointer;
    }
    by_types
        && field.required
        && matches!(field.ty, Type::String)
        && !field.pointer
        && !MAY_BE_EMPTY.contains(&(owner.name.as_str(), field.name.as_str()))
}

#[cfg(test)]
mod tests;
