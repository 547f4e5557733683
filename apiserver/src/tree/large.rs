//! The entries of a map of very many.
//!
//! Keeps: looking for a key in a short map is fastest one by one; where there are hundreds of keys, what is done
//! for each of them would take the square of their number.

use std::collections::HashMap;
use std::sync::OnceLock;

use ecow::EcoVec;

use super::{Key, Node};

/// From how many entries on a map knows where each of its keys stands.
pub(super) const ENTRIES_MIN: usize = 128;

/// Entries, and where each key stands once somebody has asked for one.
#[derive(Clone, Debug)]
pub(super) struct Large {
    entries: EcoVec<(Key, Node)>,
    places: OnceLock<HashMap<Key, usize>>,
}

impl Large {
    pub(super) fn new(entries: EcoVec<(Key, Node)>) -> Large {
        Large { entries, places: OnceLock::new() }
    }

    pub(super) fn entries(&self) -> &EcoVec<(Key, Node)> {
        &self.entries
    }

    /// The entries, of which only the values may be changed.
    pub(super) fn values_mut(&mut self) -> &mut [(Key, Node)] {
        self.entries.make_mut()
    }

    pub(super) fn position(&self, key: &str) -> Option<usize> {
        let places = self.places.get_or_init(|| {
            let mut places = HashMap::with_capacity(self.entries.len());
            for (place, (key, _)) in self.entries.iter().enumerate() {
                places.entry(key.clone()).or_insert(place);
            }
            places
        });
        places.get(key).copied()
    }

    /// Appends an entry whose key is new.
    pub(super) fn push(&mut self, key: Key, value: Node) {
        if let Some(places) = self.places.get_mut() {
            places.insert(key.clone(), self.entries.len());
        }
        self.entries.push((key, value));
    }

    /// Removes an entry; the last one takes its place.
    pub(super) fn remove(&mut self, key: &str) -> Option<Node> {
        let place = self.position(key)?;
        let last = self.entries.len() - 1;
        self.entries.make_mut().swap(place, last);
        let (key, value) = self.entries.pop()?;
        if let Some(places) = self.places.get_mut() {
            places.remove(&key);
            if let Some((moved, _)) = self.entries.get(place) {
                places.insert(moved.clone(), place);
            }
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Map;

    #[test]
    fn large_maps_answer_as_short_ones_do() {
        let count = 3 * ENTRIES_MIN;
        let name = |i: usize| Key::from(ecow::eco_format!("k{i}"));
        let mut map = Map::new();
        (0..count).for_each(|i| map.set(name(i), i as i64));
        let before = map.clone();
        map.set(name(5), "changed");
        assert_eq!((before.int("k5"), map.str("k5"), map.len()), (Some(5), "changed", count));
        assert!((0..count).step_by(2).all(|i| map.remove(&name(i)).is_some()));
        assert_eq!(map.remove("k0"), None);
        assert_eq!(map.len(), count / 2);
        (1..count).step_by(2).filter(|i| *i != 5).for_each(|i| assert_eq!(map.int(&name(i)), Some(i as i64)));
        map.retain(|key, _| key.as_str() != "k7");
        assert!(!map.contains("k7") && map.set_default("k7", 7) && map.int("k7") == Some(7));
        let mut reversed: Map = map.iter().rev().map(|(key, node)| (key.clone(), node.clone())).collect();
        assert_eq!(map, reversed);
        reversed.iter_mut().for_each(|(_, node)| *node = Node::Null);
        assert_ne!(map, reversed);
    }
}
