//! Keys in the order in which they run: first come, first served within a namespace, namespaces in turn.

use std::collections::VecDeque;

use ecow::EcoString;
use rustc_hash::FxHashMap;

use crate::key::Key;

/// Keys that are ready. A namespace with many keys does not delay the others.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    names: FxHashMap<EcoString, VecDeque<EcoString>>,
    turns: VecDeque<EcoString>,
    len: usize,
}

impl Rounds {
    pub(crate) fn push(&mut self, key: Key) {
        let names = self.names.entry(key.namespace.clone()).or_default();
        if names.is_empty() {
            self.turns.push_back(key.namespace);
        }
        names.push_back(key.name);
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<Key> {
        let namespace = self.turns.pop_front()?;
        let names = self.names.get_mut(&namespace)?;
        let name = names.pop_front()?;
        if names.is_empty() {
            self.names.remove(&namespace);
        } else {
            self.turns.push_back(namespace.clone());
        }
        self.len -= 1;
        Some(Key { namespace, name })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_namespace_does_not_delay_the_others() {
        let mut rounds = Rounds::default();
        for (namespace, name) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "1"), ("b", "2")] {
            rounds.push(Key::new(namespace, name));
        }
        let order: Vec<String> = std::iter::from_fn(|| rounds.pop()).map(|key| key.to_string()).collect();
        assert_eq!(order, ["a/1", "b/1", "c/1", "a/2", "b/2", "a/3"]);
        assert_eq!(rounds.len(), 0);
    }
}
