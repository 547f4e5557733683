//! Lists of a strategic merge patch: objects merge by their merge key, scalars as a set.
//!
//! Keeps: items of the patch stand in the patch's order, the others in the live order among them.

use std::collections::{HashMap, HashSet};

use super::{
    DIRECTIVE, Declared, Items, Merger, Result, malformed, no_merge_key, order, plain, unknown_directive,
    without_directives,
};
use crate::patch::PatchError;
use crate::patch::go_text::type_name;
use crate::tree::{Key, List, Map, Node};

impl Merger<'_> {
    /// Merges the list of a patch into a list with merge strategy.
    ///
    /// Answers the live list as upstream sees it when it orders the items: additions have taken the places that
    /// deletions left free, which decides where additions stand among items that the patch does not name.
    pub(super) fn list(&self, original: &mut List, patch: &Items, key: &str, item: Declared) -> Result<List> {
        if original.is_empty() && patch.is_empty() {
            return Ok(List::new());
        }
        if !check_items(original, patch)? {
            let live = original.clone();
            let merged = unique(original.iter().chain(patch.iter()));
            *original = order::arrange(merged, patch, &live, "")?;
            return Ok(live);
        }
        if key.is_empty() {
            return Err(plain("cannot merge lists without merge key for struct".into()));
        }
        let mut places = original.clone();
        let (replaced, additions) = special_items(original, &mut places, patch, key)?;
        if replaced {
            let list: List = additions.iter().filter_map(|node| without_directives(node)).collect();
            *original = order::arrange(list.clone(), &List::new(), &list, key)?;
            return Ok(places);
        }
        let live = original.clone();
        let mut known = order::places(&live, key);
        for node in &additions {
            let map = as_map(node)?;
            let value = map.get(key).ok_or_else(|| no_merge_key(map, key))?;
            match known.get(value).copied() {
                Some(at) => {
                    if let Some(Node::Map(live)) = original.make_mut().get_mut(at) {
                        self.map(live, map, item)?;
                    }
                }
                None => {
                    if let Some(place) = places.make_mut().get_mut(original.len()) {
                        *place = (*node).clone();
                    }
                    known.insert(value, original.len());
                    original.extend(without_directives(node).map(|item| keyed(item, key, value)));
                }
            }
        }
        let wanted: List = additions.into_iter().cloned().collect();
        *original = order::arrange(original.clone(), &wanted, &live, key)?;
        Ok(places)
    }
}

/// An item with its merge key, also where that is null: upstream goes by it until the whole is made typed.
fn keyed(mut item: Node, key: &str, value: &Node) -> Node {
    if let (Node::Null, Some(map)) = (value, item.as_map_mut()) {
        map.set(Key::from(ecow::EcoString::from(key)), Node::Null);
    }
    item
}

/// Takes out the items that are directives: deletions are done, a replacement is reported.
fn special_items<'p>(
    original: &mut List,
    places: &mut List,
    patch: &'p Items,
    key: &str,
) -> Result<(bool, Vec<&'p Node>)> {
    let mut replaced = false;
    let mut deleted = Vec::new();
    let mut additions = Vec::with_capacity(patch.len());
    for node in patch {
        let map = as_map(node)?;
        match map.get(DIRECTIVE) {
            None => additions.push(node),
            Some(Node::Str(directive)) if directive == "delete" => {
                let value = map.get(key).ok_or_else(|| no_merge_key(map, key))?;
                deleted.push(value);
            }
            Some(Node::Str(directive)) if directive == "replace" => replaced = true,
            Some(Node::Str(directive)) if directive == "merge" => {
                return Err(plain("merging lists cannot yet be specified in the patch".into()));
            }
            Some(other) => return Err(unknown_directive(other, map)),
        }
    }
    if !deleted.is_empty() {
        delete(original, places, &deleted, key);
    }
    Ok((replaced, additions))
}

/// Deletes the items whose merge key has one of the values. At `places`, items move up one by one, and where the last
/// was it stays.
fn delete(original: &mut List, places: &mut List, values: &[&Node], key: &str) {
    let live = std::mem::take(original);
    let mut by_value: HashMap<&Node, Vec<usize>> = HashMap::new();
    for (at, item) in live.iter().enumerate() {
        if let Some(value) = item.as_map().and_then(|map| map.get(key)) {
            by_value.entry(value).or_default().push(at);
        }
    }
    let mut is_left = vec![true; live.len()];
    let (mut count, mut end) = (live.len(), live.len());
    let slots = places.make_mut();
    for at in values.iter().filter_map(|value| by_value.remove(value)).flatten() {
        while !is_left[end - 1] {
            end -= 1;
        }
        count -= 1;
        slots[count] = live[end - 1].clone();
        is_left[at] = false;
    }
    original.extend(live.iter().zip(is_left).filter(|(_, is_left)| *is_left).map(|(item, _)| item.clone()));
    slots[..count].clone_from_slice(original);
}

/// `$deleteFromPrimitiveList`: removes scalars from the list `name`.
pub(super) fn delete_scalars(original: &mut Map, name: &str, values: &Node) -> Result<()> {
    let Some(Node::List(_)) = original.get(name) else {
        if matches!(values, Node::Null) {
            original.remove(name);
        }
        return Ok(());
    };
    let Node::List(values) = values else { return Ok(()) };
    if values.iter().any(|value| matches!(value, Node::Map(_) | Node::List(_))) {
        return Err(malformed("invalid patch format of primitive list"));
    }
    if let Some(Node::List(list)) = original.get_mut(name) {
        let values: HashSet<&Node> = values.iter().collect();
        list.retain(|item| !values.contains(&*item));
    }
    Ok(())
}

/// Checks that the items of both lists are of one type; answers whether they are maps.
pub(super) fn check_items(original: &Items, patch: &Items) -> Result<bool> {
    let mut items = original.iter().chain(patch.iter());
    let Some(first) = items.next() else {
        return Err(plain("no elements in any of the given slices".into()));
    };
    if matches!(first, Node::List(_)) {
        return Err(PatchError::Failed("lists of lists are not supported".into()));
    }
    if items.any(|item| type_name(item) != type_name(first)) {
        let both = [Node::List(original.clone()), Node::List(patch.clone())];
        let both: List = both.into_iter().collect();
        let text = crate::patch::go_text::Plain(&Node::List(both)).to_string();
        return Err(plain(format!("list element types are not identical: {text}")));
    }
    Ok(matches!(first, Node::Map(_)))
}

fn as_map(node: &Node) -> Result<&Map> {
    node.as_map().ok_or_else(|| {
        plain(format!("expected a map[string]interface {{}}, but received a {}", type_name(node)))
    })
}

fn unique<'n>(items: impl Iterator<Item = &'n Node>) -> List {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(*item)).cloned().collect()
}
