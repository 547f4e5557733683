//! What the runtime counts, under upstream's names.
//!
//! Keeps: one set of counters outlives every term of leadership; labels are names of controllers and resources.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use rustc_hash::FxHashMap;

use crate::api::Resource;
use crate::key::Key;

type Seconds = Gauge<f64, AtomicU64>;
type Made<M> = fn() -> M;

/// The counters of all controllers.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    adds: Family<Name, Counter>,
    retries: Family<Name, Counter>,
    depth: Family<Name, Gauge>,
    queued: Family<Name, Histogram, Made<Histogram>>,
    worked: Family<Name, Histogram, Made<Histogram>>,
    unfinished: Family<Name, Seconds>,
    longest: Family<Name, Seconds>,
    broken: Family<Broken, Counter>,
    lost_events: Family<Name, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    name: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Broken {
    resource: String,
}

/// The counters of one queue.
pub(crate) struct QueueMetrics {
    adds: Counter,
    retries: Counter,
    depth: Gauge,
    queued: Histogram,
    worked: Histogram,
    unfinished: Seconds,
    longest: Seconds,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let histogram = || Histogram::new(exponential_buckets(1e-8, 10.0, 12));
        let mut inner = Inner {
            registry: Registry::default(),
            adds: Family::default(),
            retries: Family::default(),
            depth: Family::default(),
            queued: Family::new_with_constructor(histogram),
            worked: Family::new_with_constructor(histogram),
            unfinished: Family::default(),
            longest: Family::default(),
            broken: Family::default(),
            lost_events: Family::default(),
        };
        inner.register();
        Metrics { inner: Arc::new(inner) }
    }
}

impl Inner {
    fn register(&mut self) {
        let registry = &mut self.registry;
        // The encoder appends `_total` to counters.
        registry.register("workqueue_adds", "Keys added to a controller's queue", self.adds.clone());
        registry.register("workqueue_retries", "Keys added again after a failure", self.retries.clone());
        registry.register("workqueue_depth", "Keys that wait", self.depth.clone());
        registry.register(
            "workqueue_queue_duration_seconds",
            "How long keys waited before they ran",
            self.queued.clone(),
        );
        registry.register("workqueue_work_duration_seconds", "How long runs took", self.worked.clone());
        registry.register(
            "workqueue_unfinished_work_seconds",
            "How long the runs that are going on have taken together",
            self.unfinished.clone(),
        );
        registry.register(
            "workqueue_longest_running_processor_seconds",
            "How long the longest run that is going on has taken",
            self.longest.clone(),
        );
        registry.register(
            "pintle_controllers_broken_objects",
            "Versions of objects that controllers could not understand",
            self.broken.clone(),
        );
        registry.register(
            "pintle_controllers_lost_events",
            "Events that were not written: too many at once, or refused",
            self.lost_events.clone(),
        );
    }
}

impl Metrics {
    /// Appends everything in OpenMetrics' text format, without its end mark.
    pub fn encode(&self, out: &mut String) {
        text::encode_registry(out, &self.inner.registry).expect("a string takes every write");
    }

    pub(crate) fn queue(&self, name: &'static str) -> QueueMetrics {
        let name = Name { name };
        let inner = &self.inner;
        QueueMetrics {
            adds: inner.adds.get_or_create(&name).clone(),
            retries: inner.retries.get_or_create(&name).clone(),
            depth: inner.depth.get_or_create(&name).clone(),
            queued: inner.queued.get_or_create(&name).clone(),
            worked: inner.worked.get_or_create(&name).clone(),
            unfinished: inner.unfinished.get_or_create(&name).clone(),
            longest: inner.longest.get_or_create(&name).clone(),
        }
    }

    pub(crate) fn broken(&self, resource: &Resource) {
        self.inner.broken.get_or_create(&Broken { resource: resource.to_string() }).inc();
    }

    pub(crate) fn lost_event(&self, name: &'static str) {
        self.inner.lost_events.get_or_create(&Name { name }).inc();
    }
}

impl QueueMetrics {
    pub(crate) fn added(&self) {
        self.adds.inc();
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    pub(crate) fn depth(&self, depth: usize) {
        self.depth.set(depth as i64);
    }

    pub(crate) fn started(&self, waited: Duration) {
        self.queued.observe(waited.as_secs_f64());
    }

    pub(crate) fn finished(&self, took: Duration) {
        self.worked.observe(took.as_secs_f64());
    }

    pub(crate) fn unfinished(&self, now: Duration, running: &FxHashMap<Key, Duration>) {
        let seconds = running.values().map(|since| now.saturating_sub(*since).as_secs_f64());
        let (sum, longest) = seconds.fold((0.0, 0.0_f64), |(sum, longest), it| (sum + it, longest.max(it)));
        self.unfinished.set(sum);
        self.longest.set(longest);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
