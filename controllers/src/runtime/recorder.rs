//! The recorder: writes events about objects.
//!
//! Keeps: recording never waits and never fails its caller; what cannot be written is counted and forgotten.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::api::{Api, ApiError, PatchType, Resource, Target, WriteOptions};
use crate::clock::{self, Clock};
use crate::event::Event;
use crate::runtime::correlator::{Correlator, Verdict};
use crate::runtime::metrics::Metrics;

/// Events that wait to be written.
const WAITING_EVENTS_MAX: usize = 1_000;

const EVENTS: &Resource = &Resource::namespaced("", "v1", "events", "Event");

/// Writes events as one controller.
#[derive(Clone, Debug)]
pub struct Recorder {
    sender: mpsc::Sender<(Event, Timestamp)>,
    metrics: Metrics,
    name: &'static str,
    clock: Now,
}

#[derive(Clone)]
struct Now(Arc<dyn Clock>);

impl std::fmt::Debug for Now {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Recorder {
    pub(crate) fn start(
        name: &'static str,
        api: Arc<dyn Api>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        tasks: &mut JoinSet<()>,
    ) -> Recorder {
        let (sender, mut receiver) = mpsc::channel::<(Event, Timestamp)>(WAITING_EVENTS_MAX);
        let writer = Writer { name, api };
        let counted = metrics.clone();
        tasks.spawn(async move {
            let mut correlator = Correlator::default();
            while let Some((event, at)) = receiver.recv().await {
                let verdict = correlator.judge(&event, at);
                if let Err(error) = writer.write(&event, verdict, at).await {
                    tracing::debug!(%error, reason = event.reason, "an event was not written");
                    counted.lost_event(name);
                }
            }
            // Recorders live as long as their controllers; the set of tasks must not see one end before the others.
            std::future::pending::<()>().await;
        });
        Recorder { sender, metrics, name, clock: Now(clock) }
    }

    /// Tells people.
    pub fn record(&self, event: Event) {
        if self.sender.try_send((event, self.clock.0.now())).is_err() {
            self.metrics.lost_event(self.name);
        }
    }
}

struct Writer {
    name: &'static str,
    api: Arc<dyn Api>,
}

impl Writer {
    async fn write(&self, event: &Event, verdict: Verdict, at: Timestamp) -> Result<(), ApiError> {
        let namespace = match event.regarding.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        match verdict {
            Verdict::Drop => Ok(()),
            Verdict::Create { name, message } => self.create(event, namespace, &name, &message, 1, at).await,
            Verdict::CountUp { name, message, count } => {
                let patch = json!({ "count": count, "lastTimestamp": clock::time(at), "message": message });
                let target = Target::new(EVENTS, namespace, &name);
                let options = WriteOptions::default();
                match self.api.patch(target, PatchType::Merge, bytes(&patch), &options).await {
                    Ok(_) => Ok(()),
                    // It has expired, or somebody has tidied up.
                    Err(error) if error.is_not_found() => {
                        self.create(event, namespace, &name, &message, count, at).await
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    async fn create(
        &self,
        event: &Event,
        namespace: &str,
        name: &str,
        message: &str,
        count: u32,
        at: Timestamp,
    ) -> Result<(), ApiError> {
        let regarding = &event.regarding;
        let mut involved = json!({
            "kind": regarding.kind, "apiVersion": regarding.api_version, "name": regarding.name, "uid": regarding.uid,
        });
        if !regarding.namespace.is_empty() {
            involved["namespace"] = json!(regarding.namespace);
        }
        let object = json!({
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": { "name": name, "namespace": namespace },
            "involvedObject": involved,
            "reason": event.reason,
            "message": message,
            "source": { "component": self.name },
            "firstTimestamp": clock::time(at),
            "lastTimestamp": clock::time(at),
            "count": count,
            "type": event.severity.as_str(),
            "reportingComponent": self.name,
        });
        let target = Target::new(EVENTS, namespace, name);
        self.api.create(target, bytes(&object), &WriteOptions::default()).await.map(drop)
    }
}

fn bytes(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}
