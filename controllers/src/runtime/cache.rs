//! Caches: the digests of one type, filled by a reflector and read as snapshots.
//!
//! Keeps: subscribers hear of a change after it is in the snapshot; an object that cannot be understood is counted and
//! held as broken.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::api::{Object, Resource, Version, WatchEvent};
use crate::digest::{Change, Digest, Held};
use crate::key::Key;
use crate::runtime::hold::Seen;
use crate::runtime::metrics::Metrics;
use crate::runtime::reflector::Sink;
use crate::view::{Snapshot, View};

/// Is told of a batch of changes.
pub(crate) trait Subscriber<D>: Send + Sync {
    fn changed(&self, changes: &[Change<'_, D>]);
}

/// The digests of one type.
pub(crate) struct Cache<D: Digest> {
    current: RwLock<Arc<Snapshot<D>>>,
    subscribers: RwLock<Vec<Box<dyn Subscriber<D>>>>,
    synced: watch::Sender<bool>,
    metrics: Metrics,
}

/// A cache whose digest is not known here.
pub(crate) trait AnyCache: Send + Sync {
    fn resource(&self) -> &'static Resource;
    fn snapshot(&self, view: &mut View);
    fn synced(&self) -> BoxFuture<'_, ()>;
    fn has_seen(&self, seen: &Seen) -> bool;
    /// The uid of an object, and whether it is broken.
    fn find(&self, key: &Key) -> Option<(ecow::EcoString, bool)>;
    /// The keys of all objects.
    fn keys(&self) -> Vec<Key>;
}

/// A change that owns its sides.
struct Changed<D> {
    old: Option<Arc<Held<D>>>,
    new: Option<Arc<Held<D>>>,
}

impl<D: Digest> Cache<D> {
    pub(crate) fn new(metrics: Metrics) -> Cache<D> {
        Cache {
            current: RwLock::default(),
            subscribers: RwLock::default(),
            synced: watch::Sender::new(false),
            metrics,
        }
    }

    pub(crate) fn subscribe(&self, subscriber: Box<dyn Subscriber<D>>) {
        self.subscribers.write().push(subscriber);
    }

    fn extract(&self, object: Object, before: Option<&Held<D>>) -> Held<D> {
        let (held, error) = Held::extract(object, before);
        if let Some(error) = error {
            let (resource, key) = (D::RESOURCE, Key::from(&held.meta));
            tracing::warn!(%resource, %key, error, "an object could not be understood");
            self.metrics.broken(resource);
        }
        held
    }

    /// Publishes a snapshot, then tells of the changes.
    fn publish(&self, snapshot: Snapshot<D>, changed: &[Changed<D>]) {
        *self.current.write() = Arc::new(snapshot);
        let changes: Vec<Change<'_, D>> = changed
            .iter()
            .map(|change| Change { old: change.old.as_deref(), new: change.new.as_deref() })
            .collect();
        for subscriber in self.subscribers.read().iter() {
            subscriber.changed(&changes);
        }
    }

    fn put(&self, snapshot: &mut Snapshot<D>, object: Object, changed: &mut Vec<Changed<D>>) {
        let key = Key::from(&object.meta);
        let before = snapshot.by_key(&key).cloned();
        // A list and the watch after it may both bring a version.
        if before.as_ref().is_some_and(|before| {
            before.meta.uid == object.meta.uid && before.meta.version >= object.meta.version
        }) {
            return;
        }
        let held = Arc::new(self.extract(object, before.as_deref()));
        snapshot.put(held.clone());
        changed.push(Changed { old: before, new: Some(held) });
    }
}

impl<D: Digest> Sink for Cache<D> {
    type Gathered = Vec<Object>;

    fn gather(&self, gathered: &mut Vec<Object>, items: Vec<Object>) {
        gathered.extend(items);
    }

    fn replace(&self, gathered: Vec<Object>, version: Version) {
        let mut snapshot = (**self.current.read()).clone();
        let mut changed = Vec::new();
        let present: rustc_hash::FxHashSet<Key> = gathered.iter().map(|it| Key::from(&it.meta)).collect();
        let gone: Vec<Key> =
            snapshot.iter().map(|held| Key::from(&held.meta)).filter(|key| !present.contains(key)).collect();
        for key in gone {
            let old = snapshot.remove(&key);
            changed.push(Changed { old, new: None });
        }
        for object in gathered {
            self.put(&mut snapshot, object, &mut changed);
        }
        snapshot.reach(version);
        self.publish(snapshot, &changed);
        self.synced.send_replace(true);
    }

    fn apply(&self, events: Vec<WatchEvent>) {
        let mut snapshot = (**self.current.read()).clone();
        let mut changed = Vec::new();
        for event in events {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    snapshot.reach(object.meta.version);
                    self.put(&mut snapshot, object, &mut changed);
                }
                WatchEvent::Deleted(object) => {
                    snapshot.reach(object.meta.version);
                    let old = snapshot.remove(&Key::from(&object.meta));
                    changed.push(Changed { old, new: None });
                }
                WatchEvent::Bookmark(version) => snapshot.reach(version),
                WatchEvent::Expired => {}
            }
        }
        self.publish(snapshot, &changed);
    }
}

impl<D: Digest> AnyCache for Cache<D> {
    fn resource(&self) -> &'static Resource {
        D::RESOURCE
    }

    fn snapshot(&self, view: &mut View) {
        view.insert(self.current.read().clone());
    }

    fn synced(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // The sender lives as long as the cache.
            let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
        })
    }

    fn has_seen(&self, seen: &Seen) -> bool {
        let snapshot = self.current.read();
        match seen {
            Seen::Version(version) => snapshot.version() >= *version,
            Seen::Gone(key, uid) => snapshot.by_key(key).is_none_or(|held| held.meta.uid != *uid),
        }
    }

    fn find(&self, key: &Key) -> Option<(ecow::EcoString, bool)> {
        self.current.read().by_key(key).map(|held| (held.meta.uid.clone(), held.broken))
    }

    fn keys(&self) -> Vec<Key> {
        self.current.read().iter().map(|held| Key::from(&held.meta)).collect()
    }
}
