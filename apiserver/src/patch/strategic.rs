//! Strategic merge patch: maps merge, null deletes, and lists merge by the merge keys that the API declares.
//!
//! Keeps: only what the patch names is touched, so everything else stays shared with the live object; directives
//! (`$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`) never reach the result; what the
//! schema does not know is merged as plain JSON, for decoding to report.

use std::collections::HashSet;

use crate::patch::PatchError;
use crate::patch::go_text::{Plain, PlainMap, type_name};
use crate::patch::merge::unpacked;
use crate::schema::{Field, Schema, StructId, Type};
use crate::tree::{Key, List as Items, Map, Node};

mod list;
mod order;

pub(super) const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER_PREFIX: &str = "$setElementOrder";
const DELETE_PREFIX: &str = "$deleteFromPrimitiveList";

pub(super) type Result<T> = std::result::Result<T, PatchError>;

/// Applies a patch to a typed tree. The result is to be made typed again: leaves are as the patch wrote them.
pub fn apply(patch: &Map, document: &mut Map, schema: &Schema, id: StructId) -> Result<()> {
    Merger { schema }.map(document, patch, Some(id))
}

/// What the API declares of the values below a place in the document.
pub(super) type Declared = Option<StructId>;

pub(super) struct Merger<'a> {
    pub(super) schema: &'a Schema,
}

impl<'a> Merger<'a> {
    /// Merges a patch into a map.
    pub(super) fn map(&self, original: &mut Map, patch: &Map, declared: Declared) -> Result<()> {
        match patch.get(DIRECTIVE) {
            None => {}
            Some(Node::Str(directive)) if directive == "replace" => {
                *original = patch.clone();
                original.remove(DIRECTIVE);
                original.retain(|key, _| !key.starts_with('$'));
                return Ok(());
            }
            Some(Node::Str(directive)) if directive == "delete" => {
                *original = Map::new();
                return Ok(());
            }
            Some(other) => return Err(unknown_directive(other, patch)),
        }
        if let Some(keys) = patch.get(RETAIN_KEYS) {
            retain(original, patch, keys)?;
        }
        let mut ordered: HashSet<&str> = HashSet::new();
        for (key, value) in patch.entries() {
            if key.starts_with(ORDER_PREFIX) {
                let name = directive_target(key, ORDER_PREFIX)
                    .ok_or_else(|| malformed("invalid patch format of setElementOrder list"))?;
                self.ordered(original, patch, name, value, declared)?;
                ordered.insert(name);
            }
        }
        for (key, value) in patch.entries() {
            if key.starts_with(ORDER_PREFIX) || key.as_str() == RETAIN_KEYS || ordered.contains(key.as_str())
            {
                continue;
            }
            if key.starts_with(DELETE_PREFIX) {
                let name = directive_target(key, DELETE_PREFIX)
                    .ok_or_else(|| malformed("invalid patch format of primitive list"))?;
                list::delete_scalars(original, name, value)?;
            } else {
                self.entry(original, key, value, declared)?;
            }
        }
        Ok(())
    }

    /// Merges one entry of a patch.
    fn entry(&self, original: &mut Map, key: &Key, patch: &Node, declared: Declared) -> Result<()> {
        if matches!(patch, Node::Null) {
            original.remove(key);
            return Ok(());
        }
        let field = self.field(declared, key);
        let below = field.and_then(|field| struct_of(&field.ty));
        if let (None, Node::Map(patch), Some(field)) = (original.get(key), patch, field)
            && is_always_there(field)
        {
            let mut map = Map::new();
            self.map(&mut map, patch, below)?;
            original.set(field.name.clone(), map);
            return Ok(());
        }
        let replaces = field.is_some_and(|field| field.patch.replace);
        match (original.get_mut(key), patch) {
            (Some(Node::Map(map)), Node::Map(patch)) if !replaces => self.map(map, patch, below),
            (Some(raw @ Node::Raw(_)), Node::Map(patch)) if !replaces => {
                let mut map = unpacked(raw);
                self.map(&mut map, patch, None)?;
                *raw = Node::Map(map);
                Ok(())
            }
            (Some(Node::List(list)), Node::List(patch)) => match field {
                Some(field) if field.patch.merge => self.list(list, patch, &field.merge_key, below).map(drop),
                _ => {
                    *list = patch.clone();
                    Ok(())
                }
            },
            (Some(Node::Map(map)), Node::Map(patch)) => {
                *map = patch.clone();
                map.retain(|name, _| !name.starts_with('$'));
                Ok(())
            }
            _ => {
                match without_directives(patch) {
                    Some(node) => original.set(self.name(field, key), node),
                    None => {
                        original.remove(key);
                    }
                }
                Ok(())
            }
        }
    }

    fn name(&self, field: Option<&Field>, key: &Key) -> Key {
        field.map_or_else(|| key.clone(), |field| field.name.clone())
    }

    pub(super) fn field(&self, declared: Declared, name: &str) -> Option<&'a Field> {
        self.schema.get(declared?).field(name)
    }

    /// Merges the list `name`, and puts it into the order that the patch states.
    fn ordered(
        &self,
        original: &mut Map,
        patch: &Map,
        name: &str,
        order: &Node,
        declared: Declared,
    ) -> Result<()> {
        let Node::List(order) = order else { return Err(not_a_list(order)) };
        let as_list = |node: Option<&Node>| match node {
            None => Ok(None),
            Some(Node::List(list)) => Ok(Some(list.clone())),
            Some(other) => Err(not_a_list(other)),
        };
        let (live, wanted) = (as_list(original.get(name))?, as_list(patch.get(name))?);
        let Some(field) = self.field(declared, name) else {
            let parent = declared.map_or("", |id| go_name(&self.schema.get(id).go));
            return Err(plain(format!(
                "unable to find api field in struct {parent} for the json field {name:?}"
            )));
        };
        let below = struct_of(&field.ty);
        order::check(wanted.as_ref(), order, &field.merge_key)?;
        let mut places = live.clone().unwrap_or_default();
        let merged = match (&live, wanted) {
            (None, None) => return Ok(()),
            (Some(live), None) => live.clone(),
            (None, Some(wanted)) => match without_directives(&Node::List(wanted)) {
                Some(Node::List(list)) => list,
                _ => return Ok(()),
            },
            (Some(live), Some(wanted)) => {
                list::check_items(live, &wanted)?;
                let mut list = live.clone();
                if field.patch.merge {
                    places = self.list(&mut list, &wanted, &field.merge_key, below)?;
                } else {
                    list = wanted;
                }
                list
            }
        };
        let sorted = order::arrange(merged, order, &places, &field.merge_key)?;
        original.set(field.name.clone(), sorted);
        Ok(())
    }
}

/// Removes the keys that a patch does not retain. A key that it sets has to be retained.
fn retain(original: &mut Map, patch: &Map, keys: &Node) -> Result<()> {
    let wrong = || malformed("invalid patch format of retainKeys");
    let Node::List(keys) = keys else { return Err(wrong()) };
    let keys: HashSet<&str> = keys.iter().filter_map(Node::as_str).collect();
    let retained = |name: &str| keys.contains(name);
    for (name, value) in patch.entries() {
        let is_list_directive = name.starts_with(DELETE_PREFIX) || name.starts_with(ORDER_PREFIX);
        let is_directive = is_list_directive || name.as_str() == RETAIN_KEYS;
        if !matches!(value, Node::Null) && !is_directive && !retained(name) {
            return Err(wrong());
        }
    }
    if original.keys().any(|name| !retained(name)) {
        original.retain(|name, _| retained(name));
    }
    Ok(())
}

/// A value of a patch that has no counterpart: without nulls, and without parts that are directives.
pub(super) fn without_directives(node: &Node) -> Option<Node> {
    match node {
        Node::Map(map) if map.contains(DIRECTIVE) => None,
        Node::Map(map) => Some(Node::Map(
            map.entries()
                .iter()
                .filter(|(key, value)| !matches!(value, Node::Null) && !is_directive(key))
                .filter_map(|(key, value)| Some((key.clone(), without_directives(value)?)))
                .collect::<Map>(),
        )),
        Node::List(list) => Some(Node::List(list.iter().filter_map(without_directives).collect())),
        other => Some(other.clone()),
    }
}

fn is_directive(key: &str) -> bool {
    key == RETAIN_KEYS || key.starts_with(ORDER_PREFIX) || key.starts_with(DELETE_PREFIX)
}

/// The list that `$setElementOrder/containers` is about.
fn directive_target<'k>(key: &'k str, prefix: &str) -> Option<&'k str> {
    key.split_once('/').filter(|(before, _)| *before == prefix).map(|(_, name)| name)
}

/// Whether Go always has this struct, be it empty.
fn is_always_there(field: &Field) -> bool {
    matches!(field.ty, Type::Struct(_)) && !field.pointer && field.omit != crate::schema::Omit::Zero
}

fn struct_of(ty: &Type) -> Declared {
    match ty {
        Type::Struct(id) => Some(*id),
        Type::List { item, .. } => match **item {
            Type::Struct(id) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

fn go_name(go: &str) -> &str {
    go.rsplit('.').next().unwrap_or(go)
}

pub(super) fn malformed(message: &str) -> PatchError {
    PatchError::Malformed(message.into())
}

pub(super) fn plain(message: String) -> PatchError {
    PatchError::Unfit(message)
}

pub(super) fn unknown_directive(directive: &Node, map: &Map) -> PatchError {
    plain(format!("unknown patch type: {} in map: {}", Plain(directive), PlainMap(map)))
}

fn not_a_list(node: &Node) -> PatchError {
    plain(format!("expected a []interface {{}}, but received a {}", type_name(node)))
}

pub(super) fn no_merge_key(map: &Map, key: &str) -> PatchError {
    plain(format!("map: {} does not contain declared merge key: {key}", PlainMap(map)))
}

#[cfg(test)]
mod tests;
