//! Monitors: one reflector per collected resource, started and ended as discovery says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ecow::EcoString;
use futures_util::future::{Either, select};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::kinds::is_collected;
use super::{Collector, DISCOVERY_INTERVAL, PATIENCE};
use crate::api::{ListOptions, Object, Resource, Version, WatchEvent};
use crate::runtime::Backoff;
use crate::runtime::reflector::{Sink, reflect};

/// Puts the objects of a resource into the graph.
struct Monitor {
    collector: Arc<Collector>,
    resource: Arc<Resource>,
    filled: AtomicBool,
    progress: Arc<Notify>,
}

impl Monitor {
    fn observe(&self, object: &Object) {
        match self.collector.graph.observe(&self.resource, object) {
            Ok(wake) => self.collector.wake(wake),
            Err(error) => {
                tracing::warn!(resource = %self.resource, %error, "an object could not be understood");
                self.collector.context.metrics.broken(&self.resource);
            }
        }
    }
}

impl Sink for Monitor {
    /// The uids of the list; its objects are in the graph already.
    type Gathered = FxHashSet<EcoString>;

    fn gather(&self, gathered: &mut FxHashSet<EcoString>, items: Vec<Object>) {
        for object in items {
            self.observe(&object);
            gathered.insert(object.meta.uid);
        }
    }

    fn replace(&self, gathered: FxHashSet<EcoString>, _: Version) {
        for wake in self.collector.graph.retain(&self.resource, &gathered) {
            self.collector.wake(wake);
        }
        self.filled.store(true, Ordering::Release);
        self.progress.notify_one();
    }

    fn apply(&self, events: Vec<WatchEvent>) {
        for event in events {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => self.observe(&object),
                WatchEvent::Deleted(object) => {
                    self.collector.wake(self.collector.graph.forget(&object.meta.uid));
                }
                WatchEvent::Bookmark(_) | WatchEvent::Expired => {}
            }
        }
    }
}

/// What is being watched.
#[derive(Default)]
struct Monitors {
    running: FxHashMap<Resource, (Arc<Monitor>, AbortHandle)>,
    tasks: JoinSet<()>,
    progress: Arc<Notify>,
}

/// Follows discovery until it is dropped. Lets the workers begin when the first lists are in.
pub(super) async fn follow(collector: &Arc<Collector>) {
    let clock = &collector.context.clock;
    let mut monitors = Monitors::default();
    let mut backoff = Backoff::default();
    let mut begun = false;
    loop {
        let delay = match collector.context.shared.discover().await {
            Ok(discovery) => {
                collector.kinds.learn(&discovery);
                let wanted = discovery.resources.iter().filter(|served| is_collected(served));
                let wanted: FxHashSet<Resource> = wanted.map(|served| served.resource.clone()).collect();
                // A group that could not be asked keeps its monitors.
                monitors.start(collector, &wanted);
                if discovery.failed.is_empty() {
                    monitors.end_all_but(collector, &wanted);
                }
                backoff.forget(&());
                DISCOVERY_INTERVAL
            }
            Err(error) => {
                tracing::warn!(%error, "discovery failed and will be tried again");
                backoff.next(()).min(DISCOVERY_INTERVAL)
            }
        };
        if !begun && !monitors.running.is_empty() {
            let filled = std::pin::pin!(monitors.filled());
            if let Either::Right(_) = select(filled, clock.sleep(PATIENCE)).await {
                tracing::warn!(
                    "not every resource could be listed yet; garbage collection begins without them"
                );
            }
            begun = true;
            collector.ready.send_replace(true);
        }
        clock.sleep(delay).await;
    }
}

impl Monitors {
    fn start(&mut self, collector: &Arc<Collector>, wanted: &FxHashSet<Resource>) {
        for resource in wanted {
            if self.running.contains_key(resource) {
                continue;
            }
            let monitor = Arc::new(Monitor {
                collector: collector.clone(),
                resource: Arc::new(resource.clone()),
                filled: AtomicBool::new(false),
                progress: self.progress.clone(),
            });
            let options = ListOptions { metadata_only: true, ..ListOptions::default() };
            let (api, clock) = (collector.context.shared.clone(), collector.context.clock.clone());
            let task = self.tasks.spawn(reflect(api, resource.clone(), options, clock, monitor.clone()));
            self.running.insert(resource.clone(), (monitor, task));
        }
    }

    fn end_all_but(&mut self, collector: &Arc<Collector>, wanted: &FxHashSet<Resource>) {
        self.running.retain(|resource, (_, task)| {
            if wanted.contains(resource) {
                return true;
            }
            task.abort();
            for wake in collector.graph.retain(resource, &FxHashSet::default()) {
                collector.wake(wake);
            }
            false
        });
    }

    /// Resolves when every resource was listed once.
    async fn filled(&self) {
        while !self.running.values().all(|(monitor, _)| monitor.filled.load(Ordering::Acquire)) {
            self.progress.notified().await;
        }
    }
}
