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
use labels::{
    CodeLabels, ConversionOutcomeLabels, KindLabels, LongLabels, SizeLabels, WebhookCountLabels,
    WebhookNameLabels, WebhookRejectionLabels,
};
pub use labels::{ConversionLabels, Kind, RequestLabels, ResourceLabels, WebhookLabels};

/// Upper bounds of `apiserver_request_duration_seconds`.
const DURATION_SECONDS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];

/// Upper bounds of `apiserver_admission_webhook_admission_duration_seconds`.
const WEBHOOK_SECONDS: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0];

/// Upper bounds of `apiserver_conversion_webhook_duration_seconds`.
const CONVERSION_SECONDS: [f64; 15] =
    [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0];

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
    webhooks: Webhooks,
    converters: Converters,
}

/// What is counted of webhooks that convert objects.
struct Converters {
    durations: Family<ConversionLabels, Histogram, Made<Histogram>>,
    requests: Family<ConversionOutcomeLabels, Counter>,
    request_durations: Family<ConversionOutcomeLabels, Histogram, Made<Histogram>>,
}

impl Converters {
    fn new(registry: &mut Registry) -> Converters {
        let converters = Converters {
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 15))),
            requests: Family::default(),
            request_durations: Family::new_with_constructor(|| Histogram::new(CONVERSION_SECONDS)),
        };
        registry.register(
            "apiserver_crd_conversion_webhook_duration_seconds",
            "Time that objects of a definition took from one version to another",
            converters.durations.clone(),
        );
        registry.register(
            "apiserver_conversion_webhook_request",
            "Questions to webhooks that convert objects",
            converters.requests.clone(),
        );
        registry.register(
            "apiserver_conversion_webhook_duration_seconds",
            "Time that webhooks took that convert objects",
            converters.request_durations.clone(),
        );
        converters
    }
}

/// What is counted of webhooks of admission. Upstream's names of two of the counters do not end as those of counters do.
struct Webhooks {
    durations: Family<WebhookLabels, Histogram, Made<Histogram>>,
    requests: Family<WebhookCountLabels, Counter>,
    rejections: Family<WebhookRejectionLabels, Gauge>,
    failed_open: Family<WebhookNameLabels, Gauge>,
}

impl Webhooks {
    fn new(registry: &mut Registry) -> Webhooks {
        let webhooks = Webhooks {
            durations: Family::new_with_constructor(|| Histogram::new(WEBHOOK_SECONDS)),
            requests: Family::default(),
            rejections: Family::default(),
            failed_open: Family::default(),
        };
        let mut registry = registry.sub_registry_with_prefix("apiserver_admission_webhook");
        let registry = &mut registry;
        registry.register(
            "admission_duration_seconds",
            "Time that a webhook took",
            webhooks.durations.clone(),
        );
        registry.register("request", "Requests that a webhook was asked about", webhooks.requests.clone());
        registry.register("rejection_count", "Requests that ended at a webhook", webhooks.rejections.clone());
        registry.register(
            "fail_open_count",
            "Requests that went on although a webhook failed",
            webhooks.failed_open.clone(),
        );
        webhooks
    }
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
        let mut registry = Registry::default();
        let webhooks = Webhooks::new(&mut registry);
        let converters = Converters::new(&mut registry);
        let mut metrics = Metrics {
            registry,
            webhooks,
            converters,
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

    /// Counts that a webhook was asked. `cause` is why it let nothing through, and empty if it did.
    pub fn asked_webhook(&self, webhook: WebhookLabels, code: u16, cause: &'static str, seconds: f64) {
        let Webhooks { durations, requests, rejections, failed_open } = &self.webhooks;
        durations.get_or_create(&webhook).observe(seconds);
        let (name, kind) = (webhook.name.clone(), webhook.kind);
        match (cause, webhook.is_rejected) {
            ("", _) => {}
            (_, false) => {
                failed_open.get_or_create(&WebhookNameLabels { name, r#type: kind }).inc();
            }
            (cause, true) => {
                let operation = webhook.operation;
                let rejection_code = if code >= 600 { 600 } else { code };
                let labels = WebhookRejectionLabels {
                    name,
                    r#type: kind,
                    operation,
                    error_type: cause,
                    rejection_code,
                };
                rejections.get_or_create(&labels).inc();
            }
        }
        requests.get_or_create(&WebhookCountLabels { webhook, code }).inc();
    }

    /// Counts that a webhook was asked to convert objects. `cause` is why it did not, and empty if it did.
    pub fn asked_converter(&self, labels: ConversionLabels, cause: &'static str, seconds: f64) {
        let Converters { durations, requests, request_durations } = &self.converters;
        let result = if cause.is_empty() { "success" } else { "failure" };
        let outcome = ConversionOutcomeLabels { result, failure_type: cause };
        durations.get_or_create(&labels).observe(seconds);
        requests.get_or_create(&outcome).inc();
        request_durations.get_or_create(&outcome).observe(seconds);
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
