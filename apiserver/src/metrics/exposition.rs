//! The body of `/metrics` in Prometheus' text format 0.0.4.
//!
//! Keeps: figures that others own (the store's, the kernel's) are read when asked for and not counted twice.

use std::fmt::Write as _;

use prometheus_client::encoding::text;

use super::{Metrics, process};
use crate::storage::Health;
use crate::version;

/// Content-Type of the body.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Figures that are taken at the time of asking.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The store's.
    pub store: StoreFigures,
    /// How many objects each resource has: `deployments.apps`, 7.
    pub objects: Vec<(String, u64)>,
}

/// What the store says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// A leader is known.
    pub has_leader: bool,
    /// This node leads.
    pub is_leader: bool,
    /// The current Raft term.
    pub term: u64,
    /// Newest committed log index.
    pub committed: u64,
    /// Newest applied log index.
    pub applied: u64,
    /// Proposals in flight.
    pub pending: u64,
    /// Synced writes of the log.
    pub log_syncs: u64,
    /// Newest revision.
    pub revision: u64,
    /// Oldest revision with complete history.
    pub floor: u64,
    /// Bytes of retained records.
    pub stored_bytes: u64,
    /// Bytes above which growth is refused.
    pub quota_bytes: u64,
    /// Bytes held for watchers.
    pub ring_bytes: u64,
    /// Room on the disk, when it is known.
    pub free_bytes: Option<u64>,
    /// Whether it can do its work.
    pub health: Option<Health>,
    /// Nodes that applied the same log differ.
    pub state_hash_differs: bool,
}

/// The conditions of a store, as metrics name them.
const CONDITIONS: [(Health, &str); 6] = [
    (Health::Good, "good"),
    (Health::AwaitsState, "awaits_state"),
    (Health::NoLeader, "no_leader"),
    (Health::DiskFull, "disk_full"),
    (Health::QuotaExceeded, "quota_exceeded"),
    (Health::Stopping, "stopping"),
];

/// Samples that are written as they are read.
#[derive(Debug, Default)]
pub(super) struct Samples {
    text: String,
}

impl Samples {
    fn sample(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        writeln!(self.text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n{name} {value}")
            .expect("a string takes every write");
    }

    /// A value that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.sample(name, "gauge", help, value);
    }

    /// A value that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.sample(name, "counter", help, value);
    }

    /// The text so far.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn store(&mut self, store: &StoreFigures) {
        let number = |value: u64| value as f64;
        let flag = |value: bool| if value { 1.0 } else { 0.0 };
        self.gauge("etcd_server_has_leader", "Whether the store has a leader", flag(store.has_leader));
        self.gauge("etcd_server_is_leader", "Whether this node leads the store", flag(store.is_leader));
        self.gauge("pintle_store_raft_term", "The current Raft term", number(store.term));
        let applied = number(store.applied);
        self.gauge("etcd_server_proposals_committed_total", "Committed log entries", number(store.committed));
        self.gauge("etcd_server_proposals_applied_total", "Applied log entries", applied);
        self.gauge("etcd_server_proposals_pending", "Proposals in flight", number(store.pending));
        let syncs = number(store.log_syncs);
        self.counter("pintle_store_log_syncs_total", "Synced writes of the log", syncs);
        let revision = number(store.revision);
        self.gauge("etcd_debugging_mvcc_current_revision", "The newest revision", revision);
        let floor = number(store.floor);
        self.gauge(
            "etcd_debugging_mvcc_compact_revision",
            "The oldest revision with complete history",
            floor,
        );
        let bytes = number(store.stored_bytes);
        self.gauge("apiserver_storage_size_bytes", "Bytes of retained records, history included", bytes);
        self.gauge("etcd_mvcc_db_total_size_in_bytes", "Bytes of retained records, history included", bytes);
        let quota = number(store.quota_bytes);
        self.gauge("etcd_server_quota_backend_bytes", "Bytes above which growth is refused", quota);
        self.gauge("pintle_store_ring_bytes", "Bytes held for watchers", number(store.ring_bytes));
        if let Some(free) = store.free_bytes {
            self.gauge(
                "pintle_store_disk_free_bytes",
                "Room on the disk of the data directory",
                number(free),
            );
        }
        let differs = flag(store.state_hash_differs);
        self.gauge(
            "pintle_store_state_hash_alarm",
            "Whether nodes that applied the same log differ",
            differs,
        );
        self.health(store);
    }

    fn health(&mut self, store: &StoreFigures) {
        let name = "pintle_store_health";
        writeln!(
            self.text,
            "# HELP {name} The condition of the store: 1 for the one that it is in.\n# TYPE {name} gauge"
        )
        .expect("a string takes every write");
        for (health, condition) in CONDITIONS {
            let value = u8::from(store.health == Some(health));
            writeln!(self.text, "{name}{{condition=\"{condition}\"}} {value}")
                .expect("a string takes every write");
        }
    }

    fn objects(&mut self, objects: &[(String, u64)]) {
        for name in ["apiserver_resource_objects", "apiserver_storage_objects"] {
            writeln!(self.text, "# HELP {name} Stored objects by resource.\n# TYPE {name} gauge")
                .expect("a string takes every write");
            for (resource, count) in objects {
                let labels = if name == "apiserver_storage_objects" {
                    format!("resource=\"{resource}\"")
                } else {
                    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
                    format!("group=\"{group}\",resource=\"{resource}\"")
                };
                writeln!(self.text, "{name}{{{labels}}} {count}").expect("a string takes every write");
            }
        }
    }

    fn build(&mut self) {
        let name = "kubernetes_build_info";
        writeln!(
            self.text,
            "# HELP {name} The API version and the build.\n# TYPE {name} gauge\n\
             {name}{{major=\"{}\",minor=\"{}\",git_version=\"{}\"}} 1",
            version::MAJOR,
            version::MINOR,
            version::GIT_VERSION
        )
        .expect("a string takes every write");
    }
}

impl Metrics {
    /// The body of `/metrics`.
    pub fn text(&self, figures: &Figures) -> String {
        let mut counted = String::new();
        text::encode_registry(&mut counted, &self.registry).expect("a string takes every write");
        self.sources.lock().iter().for_each(|source| source(&mut counted));
        let mut samples = Samples { text: String::with_capacity(counted.len() + 16 * 1024) };
        for line in counted.lines() {
            samples.text.push_str(&older(line));
            samples.text.push('\n');
        }
        samples.build();
        samples.objects(&figures.objects);
        samples.store(&figures.store);
        process::write(&mut samples);
        samples.into_text()
    }
}

/// A line of OpenMetrics in the older format, where a counter is named with its `_total` everywhere.
fn older(line: &str) -> std::borrow::Cow<'_, str> {
    let comment = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
    match comment {
        Some(("TYPE", rest)) => match rest.strip_suffix(" counter") {
            Some(name) => format!("# TYPE {name}_total counter").into(),
            None => line.into(),
        },
        _ => line.into(),
    }
}
