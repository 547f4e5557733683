//! The view: one immutable state of all entries at one revision.
//!
//! Keeps: a published `State` never changes; taking one is O(1); entries iterate in key order, and the index of
//! terms always agrees with the entries.

use std::ops::Bound;
use std::sync::Arc;

use ecow::EcoString;
use imbl::{OrdMap, OrdSet};

use crate::entry::{Entry, Revision, Term};
use crate::key::{Key, bucket_of, namespace_prefix};

/// All entries at one revision.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The revision of the newest change in this state.
    pub revision: Revision,
    /// The oldest revision from which watches and exact reads are still possible.
    pub floor: Revision,
    buckets: OrdMap<Arc<str>, Arc<Bucket>>,
}

/// The entries of one bucket, in key order, with their indexes.
#[derive(Clone, Debug)]
pub struct Bucket {
    name: Arc<str>,
    entries: OrdMap<Key, Arc<Entry>>,
    terms: OrdSet<TermKey>,
    namespaces: OrdMap<EcoString, u64>,
    bytes: u64,
    modified: Revision,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TermKey {
    term: Term,
    key: Key,
}

impl State {
    /// The entry under a key.
    pub fn get(&self, key: &Key) -> Option<&Arc<Entry>> {
        self.lookup(key.as_str())
    }

    pub(crate) fn lookup(&self, key: &str) -> Option<&Arc<Entry>> {
        self.bucket(bucket_of(key))?.entries.get(key)
    }

    /// The bucket of this name, when it was ever written.
    pub fn bucket(&self, name: &str) -> Option<&Arc<Bucket>> {
        self.buckets.get(name)
    }

    /// Every bucket that was ever written, by name.
    pub fn buckets(&self) -> impl Iterator<Item = &Arc<Bucket>> {
        self.buckets.values()
    }

    /// The entries whose keys start with `prefix` and come after `start_after`, in key order. The prefix names
    /// at least a whole bucket.
    pub fn range<'a>(
        &'a self,
        prefix: &str,
        start_after: Option<&Key>,
    ) -> impl Iterator<Item = &'a Arc<Entry>> + use<'a> {
        let bucket = self.bucket(bucket_of(prefix));
        let prefix = EcoString::from(prefix);
        let start_after = start_after.cloned();
        bucket.into_iter().flat_map(move |bucket| bucket.range(prefix.clone(), start_after.clone()))
    }

    /// The entries of a bucket that have a term, in key order.
    pub fn by_term<'a>(
        &'a self,
        bucket: &str,
        term: &Term,
    ) -> impl Iterator<Item = &'a Arc<Entry>> + use<'a> {
        let term = term.clone();
        self.bucket(bucket).into_iter().flat_map(move |bucket| bucket.by_term(term.clone()))
    }

    /// How many keys start with `prefix`; cheap for a whole bucket and for a namespace of one.
    pub fn count(&self, prefix: &str) -> u64 {
        let Some(bucket) = self.bucket(bucket_of(prefix)) else { return 0 };
        if prefix.len() == bucket.name.len() {
            return bucket.entries.len() as u64;
        }
        if prefix.ends_with('/') {
            return bucket.namespaces.get(prefix).copied().unwrap_or(0);
        }
        bucket.range(EcoString::from(prefix), None).count() as u64
    }

    /// The bytes of the values in a bucket.
    pub fn bucket_bytes(&self, bucket: &str) -> u64 {
        self.bucket(bucket).map_or(0, |bucket| bucket.bytes)
    }

    /// The revision of the newest change in a bucket, 0 when it was never written.
    pub fn bucket_modified(&self, bucket: &str) -> Revision {
        self.bucket(bucket).map_or(0, |bucket| bucket.modified)
    }

    /// Installs a new entry or a removal; gives back what was there.
    pub(crate) fn install(
        &mut self,
        key: &Key,
        entry: Option<Arc<Entry>>,
        at: Revision,
    ) -> Option<Arc<Entry>> {
        let name = bucket_of(key.as_str());
        if !self.buckets.contains_key(name) {
            let name: Arc<str> = name.into();
            self.buckets.insert(name.clone(), Arc::new(Bucket::new(name)));
        }
        let bucket = self.buckets.get_mut(name).expect("the bucket was just made");
        Arc::make_mut(bucket).install(key, entry, at)
    }

    /// A state that holds only one bucket of this one.
    pub(crate) fn only(&self, bucket: &str, revision: Revision) -> State {
        let mut buckets = OrdMap::new();
        if let Some(bucket) = self.bucket(bucket) {
            buckets.insert(bucket.name.clone(), bucket.clone());
        }
        State { revision, floor: self.floor, buckets }
    }
}

impl Bucket {
    fn new(name: Arc<str>) -> Bucket {
        Bucket {
            name,
            entries: OrdMap::new(),
            terms: OrdSet::new(),
            namespaces: OrdMap::new(),
            bytes: 0,
            modified: 0,
        }
    }

    /// The bucket's name, with the slash that ends it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn range(
        &self,
        prefix: EcoString,
        start_after: Option<Key>,
    ) -> impl Iterator<Item = &Arc<Entry>> + use<'_> {
        let start: Bound<&str> = match &start_after {
            Some(key) if key.as_str() >= prefix.as_str() => Bound::Excluded(key.as_str()),
            _ => Bound::Included(prefix.as_str()),
        };
        // An upper bound is looked up once; looking at every key would touch memory that the caller may not need.
        let behind = behind(&prefix);
        let end = behind.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range::<_, str>((start, end)).map(|(_, entry)| entry)
    }

    fn by_term(&self, term: Term) -> impl Iterator<Item = &Arc<Entry>> + use<'_> {
        let first = TermKey { term: term.clone(), key: Key::new("") };
        self.terms
            .range::<_, TermKey>(first..)
            .take_while(move |slot| slot.term == term)
            .filter_map(|slot| self.entries.get(&slot.key))
    }

    fn install(&mut self, key: &Key, entry: Option<Arc<Entry>>, at: Revision) -> Option<Arc<Entry>> {
        self.modified = at;
        let old = match &entry {
            Some(entry) => self.entries.insert(key.clone(), entry.clone()),
            None => self.entries.remove(key.as_str()),
        };
        self.index(key, old.as_deref(), entry.as_deref());
        self.count_namespace(key, old.is_some(), entry.is_some());
        self.bytes -= old.as_ref().map_or(0, |entry| entry.bytes().len() as u64);
        self.bytes += entry.as_ref().map_or(0, |entry| entry.bytes().len() as u64);
        old
    }

    fn index(&mut self, key: &Key, old: Option<&Entry>, new: Option<&Entry>) {
        let old = old.map_or(&[][..], Entry::terms);
        let new = new.map_or(&[][..], Entry::terms);
        if old == new {
            return;
        }
        for term in old.iter().filter(|term| !new.contains(term)) {
            self.terms.remove(&TermKey { term: term.clone(), key: key.clone() });
        }
        for term in new.iter().filter(|term| !old.contains(term)) {
            self.terms.insert(TermKey { term: term.clone(), key: key.clone() });
        }
    }

    fn count_namespace(&mut self, key: &Key, before: bool, after: bool) {
        if before == after {
            return;
        }
        let Some(prefix) = namespace_prefix(key.as_str()) else { return };
        let count = self.namespaces.get(prefix).copied().unwrap_or(0);
        match if after { count + 1 } else { count.saturating_sub(1) } {
            0 => self.namespaces.remove(prefix),
            count => self.namespaces.insert(EcoString::from(prefix), count),
        };
    }
}

/// The first text behind all that start with `prefix`: nothing when every longer text does.
fn behind(prefix: &str) -> Option<String> {
    let last = prefix.chars().next_back()?;
    let next = (last..=char::MAX).nth(1)?;
    let stem = &prefix[..prefix.len() - last.len_utf8()];
    Some(format!("{stem}{next}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Terms, ValueParts};

    fn put(state: &mut State, key: &str, node: &str, at: Revision) -> Option<Arc<Entry>> {
        let key = Key::from(key);
        let mut terms = Terms::new();
        if !node.is_empty() {
            terms.push(Term { tag: 1, value: node.into() });
        }
        let value = ValueParts { bytes: b"12345", facts: b"" };
        let entry = Entry::spliced(key.clone(), at, at, None, terms, value);
        state.install(&key, Some(Arc::new(entry)), at)
    }

    fn keys<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> Vec<&'a str> {
        entries.map(|entry| entry.key.as_str()).collect()
    }

    #[test]
    fn ranges_stay_inside_their_prefix_and_start_after_a_key() {
        let mut state = State::default();
        for key in ["/registry/a/x/1", "/registry/a/x/2", "/registry/a/xy/1", "/registry/ab/x/1"] {
            put(&mut state, key, "", 1);
        }
        assert_eq!(keys(state.range("/registry/a/", None)).len(), 3);
        assert_eq!(keys(state.range("/registry/a/x/", None)), ["/registry/a/x/1", "/registry/a/x/2"]);
        let after = Key::from("/registry/a/x/1");
        assert_eq!(keys(state.range("/registry/a/x/", Some(&after))), ["/registry/a/x/2"]);
        let before = Key::from("/registry/a/a/1");
        assert_eq!(keys(state.range("/registry/a/x/", Some(&before))).len(), 2);
    }

    #[test]
    fn terms_follow_the_entries() {
        let mut state = State::default();
        put(&mut state, "/registry/a/x/1", "n1", 1);
        put(&mut state, "/registry/a/x/2", "n1", 2);
        put(&mut state, "/registry/a/x/1", "n2", 3);
        let term = |value: &str| Term { tag: 1, value: value.into() };
        assert_eq!(keys(state.by_term("/registry/a/", &term("n1"))), ["/registry/a/x/2"]);
        assert_eq!(keys(state.by_term("/registry/a/", &term("n2"))), ["/registry/a/x/1"]);
        state.install(&"/registry/a/x/1".into(), None, 4);
        assert!(keys(state.by_term("/registry/a/", &term("n2"))).is_empty());
    }

    #[test]
    fn counts_and_bytes_follow_the_entries() {
        let mut state = State::default();
        put(&mut state, "/registry/a/x/1", "", 1);
        put(&mut state, "/registry/a/x/1", "", 2);
        put(&mut state, "/registry/a/y/1", "", 3);
        assert_eq!((state.count("/registry/a/"), state.count("/registry/a/x/")), (2, 1));
        assert_eq!(state.bucket_bytes("/registry/a/"), 10);
        state.install(&"/registry/a/x/1".into(), None, 4);
        assert_eq!((state.count("/registry/a/"), state.count("/registry/a/x/")), (1, 0));
        assert_eq!(state.bucket_bytes("/registry/a/"), 5);
    }

    #[test]
    fn an_older_state_is_not_changed_by_later_ones() {
        let mut state = State::default();
        put(&mut state, "/registry/a/x/1", "n1", 1);
        let old = state.clone();
        put(&mut state, "/registry/a/x/2", "n1", 2);
        state.install(&"/registry/a/x/1".into(), None, 3);
        assert_eq!(keys(old.range("/registry/a/", None)), ["/registry/a/x/1"]);
        assert_eq!(keys(state.range("/registry/a/", None)), ["/registry/a/x/2"]);
    }
}
