//! Declaring what a controller watches, and the caches that all controllers share.

use std::any::{Any, TypeId};
use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;
use tokio::task::JoinSet;

use crate::api::{Api, ListOptions};
use crate::clock::Clock;
use crate::controller::{Controller, Mapping, own_key};
use crate::digest::{Change, Digest};
use crate::runtime::cache::{AnyCache, Cache, Subscriber};
use crate::runtime::metrics::Metrics;
use crate::runtime::queue::Queue;
use crate::runtime::reflector::reflect;
use crate::runtime::viewer::{Viewer, WeakViewer};

/// Starts the reflector of a cache.
type Start = Box<dyn FnOnce(Arc<dyn Api>, Arc<dyn Clock>, &mut JoinSet<()>)>;

/// The caches of all controllers, one per digest type.
pub(crate) struct Caches {
    by_digest: FxHashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    starts: Vec<Start>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// Takes a controller's declarations.
pub struct Watches<'a> {
    caches: &'a mut Caches,
    queue: Arc<Queue>,
    viewer: Viewer,
    attached: Vec<Arc<dyn AnyCache>>,
    primary: Option<Arc<dyn AnyCache>>,
}

impl Watches<'_> {
    /// Watches the resource whose objects are the keys. A key whose object is broken does not run.
    pub fn primary<D: Digest>(&mut self) {
        self.primary = Some(self.attach::<D>(Some(own_key::<D>)));
    }

    /// Watches a resource; `mapping` says which keys a change concerns.
    pub fn watch<D: Digest>(&mut self, mapping: Mapping<D>) {
        self.attach::<D>(Some(mapping));
    }

    /// Holds a resource in the view; its changes wake nobody.
    pub fn view<D: Digest>(&mut self) {
        self.attach::<D>(None);
    }

    fn attach<D: Digest>(&mut self, mapping: Option<Mapping<D>>) -> Arc<dyn AnyCache> {
        let cache = self.caches.cache::<D>();
        let (queue, viewer) = (Arc::downgrade(&self.queue), self.viewer.downgrade());
        cache.subscribe(Box::new(Wake { queue, viewer, mapping }));
        self.attached.push(cache.clone());
        cache
    }
}

/// Puts the keys of changes into a queue. The cache must not keep alive what keeps it alive.
struct Wake<D> {
    queue: Weak<Queue>,
    viewer: WeakViewer,
    mapping: Option<Mapping<D>>,
}

impl<D: Digest> Subscriber<D> for Wake<D> {
    fn changed(&self, changes: &[Change<'_, D>]) {
        let (Some(queue), Some(viewer)) = (self.queue.upgrade(), self.viewer.upgrade()) else { return };
        if let Some(mapping) = self.mapping
            && !changes.is_empty()
        {
            let view = viewer.view();
            let mut keys = Vec::new();
            for change in changes {
                mapping(change, &view, &mut |key| keys.push(key));
            }
            queue.add_all(keys);
        }
        queue.recheck();
    }
}

impl Caches {
    pub(crate) fn new(clock: Arc<dyn Clock>, metrics: Metrics) -> Caches {
        Caches { by_digest: FxHashMap::default(), starts: Vec::new(), clock, metrics }
    }

    /// Takes the declarations of a controller.
    pub(crate) fn attach(&mut self, controller: &Controller, queue: &Arc<Queue>) -> Viewer {
        let viewer = Viewer::default();
        let mut watches = Watches {
            caches: self,
            queue: queue.clone(),
            viewer: viewer.clone(),
            attached: Vec::new(),
            primary: None,
        };
        (controller.watches)(&mut watches);
        let Watches { attached, primary, .. } = watches;
        viewer.set(attached, primary);
        viewer
    }

    fn cache<D: Digest>(&mut self) -> Arc<Cache<D>> {
        if let Some(cache) = self.by_digest.get(&TypeId::of::<D>())
            && let Ok(cache) = cache.clone().downcast::<Cache<D>>()
        {
            return cache;
        }
        let cache = Arc::new(Cache::<D>::new(self.metrics.clone()));
        self.by_digest.insert(TypeId::of::<D>(), cache.clone());
        let filled = cache.clone();
        self.starts.push(Box::new(move |api, clock, tasks| {
            let options = ListOptions { metadata_only: D::METADATA_ONLY, ..ListOptions::default() };
            tasks.spawn(reflect(api, D::RESOURCE.clone(), options, clock, filled));
        }));
        cache
    }

    /// Starts the reflectors.
    pub(crate) fn start(self, api: &Arc<dyn Api>, tasks: &mut JoinSet<()>) {
        for start in self.starts {
            start(api.clone(), self.clock.clone(), tasks);
        }
    }
}
