//! What the server counts about itself, under upstream's names, for dashboards made for Kubernetes.
//!
//! Keeps: counting a request takes well under a microsecond and allocates nothing once its labels were seen;
//! labels come from closed sets, so that clients cannot make series.

use std::fmt;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

mod exposition;
mod labels;
mod process;

pub use exposition::{CONTENT_TYPE, Figures, StoreFigures};
use labels::{CodeLabels, KindLabels, LongLabels, SizeLabels};
pub use labels::{Kind, RequestLabels, ResourceLabels};

/// Upper bounds of `apiserver_request_duration_seconds`.
const DURATION_SECONDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];

type Made<M> = fn() -> M;

/// Appends what others count in OpenMetrics' text format, without its end mark.
pub type Source = Box<dyn Fn(&mut String) + Send + Sync>;

/// The counters of a server.
pub struct Metrics {
    registry: Registry,
    sources: Mutex<Vec<Source>>,
    requests: Family<CodeLabels, Counter>,
    durations: Family<RequestLabels, Histogram, Made<Histogram>>,
    sizes: Family<SizeLabels, Histogram, Made<Histogram>>,
    terminations: Family<CodeLabels, Counter>,
    long_running: Family<LongLabels, Gauge>,
    in_flight: [Gauge; 2],
    watch_events: Family<ResourceLabels, Counter>,
    handshake_errors: Counter,
}

/// Counts something that is going on; it counts no more when dropped.
#[derive(Debug)]
pub struct Ongoing {
    gauge: Gauge,
}

impl Ongoing {
    fn new(gauge: Gauge) -> Ongoing {
        gauge.inc();
        Ongoing { gauge }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            sources: Mutex::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_SECONDS)),
            sizes: Family::new_with_constructor(|| Histogram::new(exponential_buckets(1000.0, 10.0, 7))),
            terminations: Family::default(),
            long_running: Family::default(),
            in_flight: [Gauge::default(), Gauge::default()],
            watch_events: Family::default(),
            handshake_errors: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        // The encoder appends `_total` to counters.
        registry.register("apiserver_request", "Requests answered", self.requests.clone());
        registry.register(
            "apiserver_request_duration_seconds",
            "Time from the request to the end of its answer, long-running ones not counted",
            self.durations.clone(),
        );
        registry.register("apiserver_response_sizes", "Bytes of answers", self.sizes.clone());
        registry.register(
            "apiserver_request_terminations",
            "Requests refused or cut off to protect the server",
            self.terminations.clone(),
        );
        registry.register(
            "apiserver_longrunning_requests",
            "Watches and other requests that stay open",
            self.long_running.clone(),
        );
        let in_flight: Family<KindLabels, Gauge> = Family::default();
        self.in_flight = [Kind::ReadOnly, Kind::Mutating]
            .map(|kind| in_flight.get_or_create(&KindLabels { request_kind: kind.as_str() }).clone());
        registry.register(
            "apiserver_current_inflight_requests",
            "Requests being worked on, long-running ones not counted",
            in_flight,
        );
        registry.register("apiserver_watch_events", "Events sent to watchers", self.watch_events.clone());
        registry.register(
            "apiserver_tls_handshake_errors",
            "Connections that ended before their handshake did",
            self.handshake_errors.clone(),
        );
    }

    /// Adds what others in the process count to `/metrics`.
    pub fn add_source(&self, source: Source) {
        self.sources.lock().push(source);
    }

    /// Counts an answered request.
    pub fn answered(&self, labels: &RequestLabels, code: u16, seconds: f64, bytes: usize) {
        self.requests.get_or_create(&CodeLabels { request: *labels, code }).inc();
        self.durations.get_or_create(labels).observe(seconds);
        if matches!(labels.verb, "GET" | "LIST") {
            self.sizes.get_or_create(&SizeLabels::from(labels)).observe(bytes as f64);
        }
    }

    /// Counts a long-running request that has ended; its duration says nothing.
    pub fn ended(&self, labels: &RequestLabels, code: u16) {
        self.requests.get_or_create(&CodeLabels { request: *labels, code }).inc();
    }

    /// Counts a request that was refused for being one too many, or cut off by its deadline.
    pub fn terminated(&self, labels: &RequestLabels, code: u16) {
        self.terminations.get_or_create(&CodeLabels { request: *labels, code }).inc();
    }

    /// Counts a request as being worked on.
    pub fn in_flight(&self, kind: Kind) -> Ongoing {
        Ongoing::new(self.in_flight[kind as usize].clone())
    }

    /// Counts a long-running request as open.
    pub fn long_running(&self, labels: &RequestLabels) -> Ongoing {
        Ongoing::new(self.long_running.get_or_create(&LongLabels::from(labels)).clone())
    }

    /// The counter of events sent about a resource; a watcher keeps it.
    pub fn watch_events(&self, labels: ResourceLabels) -> Counter {
        self.watch_events.get_or_create(&labels).clone()
    }

    /// Counts a connection whose handshake failed.
    pub fn handshake_failed(&self) {
        self.handshake_errors.inc();
    }
}

#[cfg(test)]
mod tests;
