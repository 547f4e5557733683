//! The order of a merged list: what the patch names in the patch's order, everything else where the live object
//! has it.
//!
//! Keeps: the relative order within the named items and within the others always holds; between the two, the live
//! order decides as far as it can.

use std::collections::HashMap;

use super::{DIRECTIVE, Items, Result, malformed, no_merge_key, plain};
use crate::patch::go_text::Plain;
use crate::tree::{List, Node};

/// Puts a merged list into order. An empty `key` means scalars.
pub(super) fn arrange(merged: List, wanted: &Items, live: &Items, key: &str) -> Result<List> {
    let (wanted, live) = (places(wanted, key), places(live, key));
    let place = |places: &HashMap<&Node, usize>, item: &Node| places.get(identity(item, key)?).copied();
    let mut named: Vec<(usize, Node)> = Vec::new();
    let mut others: Vec<(usize, Node)> = Vec::new();
    for item in merged {
        if !key.is_empty()
            && let Node::Map(map) = &item
            && !map.contains(key)
        {
            return Err(no_merge_key(map, key));
        }
        match place(&wanted, &item) {
            Some(at) => named.push((at, item)),
            None => others.push((place(&live, &item).unwrap_or(usize::MAX), item)),
        }
    }
    named.sort_by_key(|(at, _)| *at);
    others.sort_by_key(|(at, _)| *at);
    let mut out = List::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().map(|(_, item)| item).peekable();
    let mut others = others.into_iter().map(|(_, item)| item).peekable();
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return Ok(out),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(name)) => match (place(&live, other), place(&live, name)) {
                (Some(other), Some(name)) => other < name,
                _ => false,
            },
        };
        out.extend(if other_first { others.next() } else { named.next() });
    }
}

/// What identifies an item: its merge key, or itself.
fn identity<'n>(item: &'n Node, key: &str) -> Option<&'n Node> {
    if key.is_empty() { Some(item) } else { item.as_map()?.get(key) }
}

/// Where each item stands; of several with one identity, the first.
pub(super) fn places<'n>(items: &'n Items, key: &str) -> HashMap<&'n Node, usize> {
    let mut places = HashMap::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        if let Some(identity) = identity(item, key) {
            places.entry(identity).or_insert(at);
        }
    }
    places
}

/// Checks that the items of a patch stand in the stated order.
pub(super) fn check(patch: Option<&Items>, order: &Items, key: &str) -> Result<()> {
    let Some(patch) = patch.filter(|patch| !patch.is_empty() && !order.is_empty()) else { return Ok(()) };
    let mut stated = order.iter();
    for item in patch {
        if item.as_map().is_some_and(|map| map.contains(DIRECTIVE)) {
            continue;
        }
        let value = match (item, key) {
            (item, "") => item,
            (Node::Map(map), key) => map.get(key).ok_or_else(|| no_merge_key(map, key))?,
            _ => return Err(malformed("invalid patch format of setElementOrder list")),
        };
        let mut found = false;
        for other in stated.by_ref() {
            let other = match (other, key) {
                (other, "") => other,
                (Node::Map(map), key) => map.get(key).ok_or_else(|| no_merge_key(map, key))?,
                _ => return Err(malformed("invalid patch format of setElementOrder list")),
            };
            if other == value {
                found = true;
                break;
            }
        }
        if !found {
            return Err(plain(format!(
                "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                Plain(&Node::List(patch.clone())),
                Plain(&Node::List(order.clone()))
            )));
        }
    }
    Ok(())
}
