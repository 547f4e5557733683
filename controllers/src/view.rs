//! Views: what a controller knows of the cluster when it decides.
//!
//! Keeps: a view never changes while a controller looks at it; snapshots are persistent maps, so taking one is O(1).

use std::any::{Any, TypeId};
use std::sync::Arc;

use ecow::EcoString;
use imbl::{OrdMap, OrdSet};
use rustc_hash::FxHashMap;

use crate::api::{ApiError, Version};
use crate::digest::{Digest, Held, Index};
use crate::key::Key;

/// The digests of one resource at one version.
#[derive(Clone)]
pub struct Snapshot<D> {
    objects: OrdMap<Key, Arc<Held<D>>>,
    terms: OrdSet<(Index, EcoString, Key)>,
    version: Version,
}

impl<D> Default for Snapshot<D> {
    fn default() -> Snapshot<D> {
        Snapshot { objects: OrdMap::new(), terms: OrdSet::new(), version: 0 }
    }
}

impl<D: Digest> Snapshot<D> {
    /// The object `name` of `namespace` (empty at cluster scope).
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Held<D>>> {
        self.by_key(&Key::new(namespace, name))
    }

    /// The object of a key.
    pub fn by_key(&self, key: &Key) -> Option<&Arc<Held<D>>> {
        self.objects.get(key)
    }

    /// Every object, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Held<D>>> {
        self.objects.values()
    }

    /// The objects of a namespace, by name.
    pub fn namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Held<D>>> {
        self.objects
            .range(Key::new(namespace, "")..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, held)| held)
    }

    /// The objects that have `value` in an index, by namespace and name.
    pub fn indexed<'a>(
        &'a self,
        index: Index,
        value: &str,
    ) -> impl Iterator<Item = &'a Arc<Held<D>>> + use<'a, D> {
        let value = EcoString::from(value);
        self.terms
            .range((index, value.clone(), Key::default())..)
            .take_while(move |(at, term, _)| *at == index && *term == value)
            .filter_map(|(_, _, key)| self.objects.get(key))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The version up to which changes are in.
    pub fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn reach(&mut self, version: Version) {
        self.version = self.version.max(version);
    }

    pub(crate) fn put(&mut self, held: Held<D>) -> Option<Arc<Held<D>>> {
        let key = Key::from(&held.meta);
        let held = Arc::new(held);
        let before = self.objects.insert(key.clone(), held.clone());
        let terms = terms(&held.digest);
        let old = before.as_ref().map(|before| self::terms(&before.digest)).unwrap_or_default();
        // Most changes leave an object where it is found.
        for (index, value) in old.iter().filter(|term| !terms.contains(term)) {
            self.terms.remove(&(*index, value.clone(), key.clone()));
        }
        for (index, value) in terms.into_iter().filter(|term| !old.contains(term)) {
            self.terms.insert((index, value, key.clone()));
        }
        before
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Held<D>>> {
        let before = self.objects.remove(key)?;
        for (index, value) in terms(&before.digest) {
            self.terms.remove(&(index, value, key.clone()));
        }
        Some(before)
    }
}

/// Under which values an object is found in which index.
fn terms<D: Digest>(digest: &D) -> Vec<(Index, EcoString)> {
    let mut terms = Vec::new();
    digest.index(&mut |index, value| {
        // `EcoString::from` copies byte by byte.
        let mut term = EcoString::with_capacity(value.len());
        term.push_str(value);
        terms.push((index, term));
    });
    terms
}

/// The snapshots of everything that a controller watches.
#[derive(Clone, Default)]
pub struct View {
    snapshots: FxHashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    failure: Option<ApiError>,
}

impl View {
    /// The snapshot of a digest that the controller watches.
    pub fn of<D: Digest>(&self) -> &Snapshot<D> {
        self.snapshots
            .get(&TypeId::of::<D>())
            .and_then(|snapshot| snapshot.downcast_ref())
            .expect("a controller reads what it declared to watch")
    }

    /// Why the last run for this key could not carry out its plan.
    pub fn failure(&self) -> Option<&ApiError> {
        self.failure.as_ref()
    }

    pub(crate) fn with_failure(mut self, failure: Option<ApiError>) -> View {
        self.failure = failure;
        self
    }

    pub(crate) fn insert<D: Digest>(&mut self, snapshot: Arc<Snapshot<D>>) {
        self.snapshots.insert(TypeId::of::<D>(), snapshot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digests::Pod;

    fn pod(node: &str, labels: &[(&str, &str)]) -> Held<Pod> {
        let mut held = Held::<Pod>::default();
        held.meta.namespace = "default".into();
        held.meta.name = "a".into();
        held.digest.metadata.namespace = "default".into();
        held.digest.metadata.labels = labels.iter().map(|&(key, value)| (key.into(), value.into())).collect();
        held.digest.spec.node_name = node.into();
        held
    }

    #[test]
    fn an_object_is_found_under_the_values_of_its_newest_version_alone() {
        let mut pods = Snapshot::default();
        let found = |pods: &Snapshot<Pod>| {
            let labels = ["a=1", "a=2", "b=1"];
            let mut found: Vec<&str> = labels
                .into_iter()
                .filter(|label| pods.indexed(Pod::BY_LABEL, &format!("default/{label}")).count() == 1)
                .collect();
            found.extend(["n", "m"].into_iter().filter(|node| pods.indexed(Pod::BY_NODE, node).count() == 1));
            found
        };
        pods.put(pod("", &[("a", "1"), ("b", "1")]));
        assert_eq!(found(&pods), ["a=1", "b=1"]);
        pods.put(pod("n", &[("a", "2"), ("b", "1")]));
        assert_eq!(found(&pods), ["a=2", "b=1", "n"]);
        pods.put(pod("m", &[("a", "2")]));
        assert_eq!(found(&pods), ["a=2", "m"]);
        pods.remove(&Key::new("default", "a"));
        assert_eq!(found(&pods), Vec::<&str>::new());
        assert!(pods.terms.is_empty());
    }
}
