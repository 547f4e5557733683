//! Views: what a controller knows of the cluster when it decides.
//!
//! Keeps: a view never changes while a controller looks at it; snapshots are persistent maps, so taking one is O(1).

use std::any::{Any, TypeId};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use rustc_hash::FxHashMap;

use crate::api::{ApiError, Version};
use crate::digest::{Digest, Held, Term};
use crate::key::Key;

/// The digests of one resource at one version.
#[derive(Clone)]
pub struct Snapshot<D> {
    /// By namespace and name; each object has a number that stays its own while it is here.
    numbers: OrdMap<Key, u64>,
    objects: OrdMap<u64, Arc<Held<D>>>,
    terms: OrdSet<(Term, u64)>,
    version: Version,
}

impl<D> Default for Snapshot<D> {
    fn default() -> Snapshot<D> {
        Snapshot { numbers: OrdMap::new(), objects: OrdMap::new(), terms: OrdSet::new(), version: 0 }
    }
}

impl<D: Digest> Snapshot<D> {
    /// The object `name` of `namespace` (empty at cluster scope).
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Held<D>>> {
        self.by_key(&Key::new(namespace, name))
    }

    /// The object of a key.
    pub fn by_key(&self, key: &Key) -> Option<&Arc<Held<D>>> {
        self.objects.get(self.numbers.get(key)?)
    }

    /// Every object, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Held<D>>> {
        self.numbers.values().filter_map(|number| self.objects.get(number))
    }

    /// The objects of a namespace, by name.
    pub fn namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Held<D>>> {
        self.numbers
            .range(Key::new(namespace, "")..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .filter_map(|(_, number)| self.objects.get(number))
    }

    /// The objects that have a term, in no order that means anything.
    pub fn indexed(&self, term: Term) -> impl Iterator<Item = &Arc<Held<D>>> + use<'_, D> {
        self.terms.range((term, 0)..=(term, u64::MAX)).filter_map(|(_, number)| self.objects.get(number))
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

    pub(crate) fn put(&mut self, held: Arc<Held<D>>) {
        let key = Key::from(&held.meta);
        let number = self.numbers.get(&key).copied().unwrap_or_else(|| {
            let number = self.objects.get_max().map_or(0, |(last, _)| last + 1);
            self.numbers.insert(key, number);
            number
        });
        let before = self.objects.insert(number, held.clone());
        let (old, new) = (before.as_ref().map_or(&[][..], |before| before.terms()), held.terms());
        // Most changes leave an object where it is found.
        if old != new {
            for term in old {
                self.terms.remove(&(*term, number));
            }
            self.terms.extend(new.iter().map(|term| (*term, number)));
        }
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Held<D>>> {
        let number = self.numbers.remove(key)?;
        let before = self.objects.remove(&number)?;
        for term in before.terms() {
            self.terms.remove(&(*term, number));
        }
        Some(before)
    }
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
    use crate::api::Meta;
    use crate::digests::{Pod, Service};

    fn pod(node: &str, labels: &[(&str, &str)]) -> Arc<Held<Pod>> {
        let mut pod = Pod::default();
        pod.metadata.namespace = "default".into();
        pod.metadata.labels = labels.iter().map(|&(key, value)| (key.into(), value.into())).collect();
        pod.spec.node_name = node.into();
        let meta = Meta { namespace: "default".into(), name: "a".into(), ..Meta::default() };
        Arc::new(Held::new(meta, pod, false))
    }

    #[test]
    fn an_object_is_found_under_the_values_of_its_newest_version_alone() {
        let mut pods = Snapshot::default();
        let found = |pods: &Snapshot<Pod>| {
            let labels = [("a", "1"), ("a", "2"), ("b", "1")]
                .map(|(key, value)| (format!("{key}={value}"), Pod::label_term("default", key, value)));
            let nodes = ["n", "m"].map(|node| (node.to_owned(), Pod::node_term(node)));
            let all = labels.into_iter().chain(nodes);
            all.filter(|(_, term)| pods.indexed(*term).count() == 1).map(|(name, _)| name).collect::<Vec<_>>()
        };
        pods.put(pod("", &[("a", "1"), ("b", "1")]));
        assert_eq!(found(&pods), ["a=1", "b=1"]);
        pods.put(pod("n", &[("a", "2"), ("b", "1")]));
        assert_eq!(found(&pods), ["a=2", "b=1", "n"]);
        pods.put(pod("m", &[("a", "2")]));
        assert_eq!(found(&pods), ["a=2", "m"]);
        pods.remove(&Key::new("default", "a"));
        assert_eq!(found(&pods), Vec::<String>::new());
        assert!(pods.terms.is_empty() && pods.is_empty() && pods.iter().next().is_none());
    }

    #[test]
    fn terms_differ_where_their_parts_or_indexes_do() {
        let label = Pod::label_term("n", "a", "1");
        assert_eq!(label, Pod::label_term("n", "a", "1"));
        assert_ne!(label, Pod::label_term("n", "a1", ""));
        assert_ne!(label, Pod::label_term("na", "", "1"));
        assert_ne!(Pod::node_term("n"), Service::divided_term());
    }
}
