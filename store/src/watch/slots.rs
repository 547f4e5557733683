//! Slots: the watchers that wait at a bucket, grouped by what wakes them.
//!
//! Keeps: a slot knows the first revision of its interest since it was armed, so that a watcher which slept
//! through other watchers' events need not look at them. Finding the slots of an event costs lookups in the
//! groups it belongs to, not a walk over all watchers.

use std::hash::Hash;
use std::task::Waker;

use rustc_hash::FxHashMap;

use crate::entry::{Revision, Term};
use crate::key::{Key, Prefix, namespace_prefix};
use crate::watch::Event;

/// What wakes a watcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Everyone,
    Namespace(Prefix),
    Key(Key),
    Term(Term),
}

/// The place of one waiting watcher.
#[derive(Debug)]
struct Slot {
    group: Group,
    /// Where this slot stands in its group's list.
    at: usize,
    /// The first revision of interest since the slot was armed; 0 when there was none.
    first: Revision,
    waker: Option<Waker>,
}

/// All slots of one bucket.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    everyone: Vec<usize>,
    namespaces: FxHashMap<Prefix, Vec<usize>>,
    keys: FxHashMap<Key, Vec<usize>>,
    terms: FxHashMap<Term, Vec<usize>>,
}

impl Slots {
    pub(crate) fn insert(&mut self, group: Group) -> usize {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let list = match &group {
            Group::Everyone => &mut self.everyone,
            Group::Namespace(prefix) => self.namespaces.entry(prefix.clone()).or_default(),
            Group::Key(key) => self.keys.entry(key.clone()).or_default(),
            Group::Term(term) => self.terms.entry(term.clone()).or_default(),
        };
        let at = list.len();
        list.push(id);
        self.slots[id] = Some(Slot { group, at, first: 0, waker: None });
        id
    }

    pub(crate) fn remove(&mut self, id: usize) {
        let Some(slot) = self.slots[id].take() else { return };
        self.free.push(id);
        let moved = match &slot.group {
            Group::Everyone => take_out(&mut self.everyone, slot.at),
            Group::Namespace(prefix) => take_out_of(&mut self.namespaces, prefix, slot.at),
            Group::Key(key) => take_out_of(&mut self.keys, key, slot.at),
            Group::Term(term) => take_out_of(&mut self.terms, term, slot.at),
        };
        if let Some(moved) = moved.and_then(|id| self.slots[id].as_mut()) {
            moved.at = slot.at;
        }
    }

    /// The first revision of interest to a slot since it was armed, 0 when there was none.
    pub(crate) fn first(&self, id: usize) -> Revision {
        self.slots[id].as_ref().map_or(0, |slot| slot.first)
    }

    pub(crate) fn set_first(&mut self, id: usize, revision: Revision) {
        if let Some(slot) = &mut self.slots[id] {
            slot.first = revision;
        }
    }

    pub(crate) fn set_waker(&mut self, id: usize, waker: &Waker) {
        let Some(slot) = &mut self.slots[id] else { return };
        if !slot.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            slot.waker = Some(waker.clone());
        }
    }

    /// Notes events in the slots they are of interest to, and takes the wakers of those.
    pub(crate) fn note(&mut self, events: &[std::sync::Arc<Event>], wakers: &mut Vec<Waker>) {
        let Some(first) = events.first() else { return };
        note_list(&mut self.slots, &self.everyone, first.revision, wakers);
        if self.namespaces.is_empty() && self.keys.is_empty() && self.terms.is_empty() {
            return;
        }
        for event in events {
            self.note_groups(event, wakers);
        }
    }

    /// Notes in every slot that something of interest may have happened from `first` on.
    pub(crate) fn note_all(&mut self, first: Revision, wakers: &mut Vec<Waker>) {
        for slot in self.slots.iter_mut().flatten() {
            if slot.first == 0 {
                slot.first = first;
            }
            wakers.extend(slot.waker.take());
        }
    }

    fn note_groups(&mut self, event: &Event, wakers: &mut Vec<Waker>) {
        let key = event.key.as_str();
        let namespace = namespace_prefix(key).and_then(|prefix| self.namespaces.get(prefix));
        for list in namespace.into_iter().chain(self.keys.get(key)) {
            note_list(&mut self.slots, list, event.revision, wakers);
        }
        if self.terms.is_empty() {
            return;
        }
        for term in event.terms() {
            if let Some(list) = self.terms.get(term) {
                note_list(&mut self.slots, list, event.revision, wakers);
            }
        }
    }
}

fn note_list(slots: &mut [Option<Slot>], list: &[usize], revision: Revision, wakers: &mut Vec<Waker>) {
    for id in list {
        let Some(slot) = &mut slots[*id] else { continue };
        if slot.first == 0 {
            slot.first = revision;
        }
        wakers.extend(slot.waker.take());
    }
}

/// Removes position `at` by moving the last one there; gives the one that moved.
fn take_out(list: &mut Vec<usize>, at: usize) -> Option<usize> {
    list.swap_remove(at);
    list.get(at).copied()
}

fn take_out_of<K: Hash + Eq>(map: &mut FxHashMap<K, Vec<usize>>, key: &K, at: usize) -> Option<usize> {
    let list = map.get_mut(key)?;
    let moved = take_out(list, at);
    if list.is_empty() {
        map.remove(key);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn event(revision: Revision, key: &str) -> Arc<Event> {
        Arc::new(Event::new(revision, key.into(), None, None))
    }

    #[test]
    fn only_interested_slots_are_noted() {
        let mut slots = Slots::default();
        let all = slots.insert(Group::Everyone);
        let other_key = slots.insert(Group::Key("/registry/a/x/2".into()));
        let key = slots.insert(Group::Key("/registry/a/x/1".into()));
        let namespace = slots.insert(Group::Namespace("/registry/a/x/".into()));
        let other_namespace = slots.insert(Group::Namespace("/registry/a/y/".into()));
        slots.note(&[event(7, "/registry/a/x/1"), event(8, "/registry/a/x/1")], &mut Vec::new());
        let firsts = [all, key, namespace, other_key, other_namespace].map(|id| slots.first(id));
        assert_eq!(firsts, [7, 7, 7, 0, 0]);
    }

    #[test]
    fn removal_keeps_the_other_slots_reachable() {
        let mut slots = Slots::default();
        let ids: Vec<usize> = (0..4).map(|_| slots.insert(Group::Key("/registry/a/x/1".into()))).collect();
        slots.remove(ids[0]);
        slots.remove(ids[3]);
        slots.note(&[event(5, "/registry/a/x/1")], &mut Vec::new());
        assert_eq!((slots.first(ids[1]), slots.first(ids[2])), (5, 5));
        slots.remove(ids[1]);
        slots.remove(ids[2]);
        assert!(slots.keys.is_empty());
    }
}
