//! Watch fan-out: many watchers, a steady writer, and how long each event takes from the write to each watcher.
//! Keeps: a scenario counts only when every watcher got every event.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{sync::Notify, task::JoinSet, time};

use super::{
    Error, Result,
    clock::Moment,
    connection::Call,
    latencies::Latencies,
    objects::quoted_after,
    target::{Target, Usage},
};

/// How long the last events may take to arrive.
const DELIVERY_MAX: Duration = Duration::from_secs(20);

/// Watchers and a writer.
pub struct FanOut<W, C> {
    /// How many watchers.
    pub watchers: usize,
    /// Watches on each connection.
    pub per_connection: usize,
    /// The watch of a watcher, by its number.
    pub watch: W,
    /// The write with this number; the text goes into the object as `"stamp":"..."`.
    pub write: C,
    /// Writes a second.
    pub writes_per_second: u32,
    /// Writes altogether.
    pub writes: usize,
    /// Watchers that each write reaches.
    pub reached: usize,
}

/// What was measured.
pub struct Delivered {
    /// Connections of the watchers.
    pub connections: usize,
    /// Time from sending a write to each watcher having its event.
    pub lags: Latencies,
    /// From the first write to the last delivery.
    pub elapsed: Duration,
    /// What the server's processes used meanwhile.
    pub usage: Option<Usage>,
    /// Resident memory that the watchers added before the first write, in bytes.
    pub memory_of_watchers: Option<i64>,
}

struct Deliveries {
    lags: Mutex<Latencies>,
    expected: usize,
    all: Notify,
}

impl<W, C> FanOut<W, C>
where
    W: FnMut(usize) -> Call,
    C: FnMut(usize, &str) -> Call,
{
    /// Opens the watches, writes, and waits until everything was delivered.
    pub async fn run(mut self, target: &Target) -> Result<Delivered> {
        let expected = self.writes * self.reached;
        let deliveries = Arc::new(Deliveries { lags: Mutex::default(), expected, all: Notify::new() });
        let began = Moment::now();
        let resident_before = target.usage().map(|usage| usage.memory.resident);
        let mut watchers = JoinSet::new();
        for first in (0..self.watchers).step_by(self.per_connection) {
            let mut connection = target.connect().await?;
            for watcher in first..self.watchers.min(first + self.per_connection) {
                let body = connection.stream(&(self.watch)(watcher)).await?;
                watchers.spawn(watch(body, began, deliveries.clone()));
            }
        }
        let resident = target.usage().map(|usage| usage.memory.resident);
        let mut writer = target.connect().await?;
        target.reset_peak();
        let before = target.usage();
        let started = Moment::now();
        let mut ticks = time::interval(Duration::from_secs(1) / self.writes_per_second);
        for number in 0..self.writes {
            ticks.tick().await;
            let stamp = began.elapsed().as_micros().to_string();
            writer.call(&(self.write)(number, &stamp)).await?;
        }
        if expected > 0 && time::timeout(DELIVERY_MAX, deliveries.all.notified()).await.is_err() {
            return Err(Error::Undelivered { delivered: deliveries.count(), expected });
        }
        let elapsed = started.elapsed();
        let usage = before.zip(target.usage()).map(|(before, after)| Usage {
            processor: after.processor.saturating_sub(before.processor),
            memory: after.memory,
        });
        let memory_of_watchers =
            resident.zip(resident_before).map(|(after, before)| after as i64 - before as i64);
        let lags = deliveries.lags.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Delivered {
            connections: self.watchers.div_ceil(self.per_connection),
            lags,
            elapsed,
            usage,
            memory_of_watchers,
        })
    }
}

impl Deliveries {
    fn add(&self, lag: Duration) {
        let mut lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        lags.add(lag);
        if lags.count() == self.expected {
            self.all.notify_one();
        }
    }

    fn count(&self) -> usize {
        self.lags.lock().unwrap_or_else(PoisonError::into_inner).count()
    }
}

/// Reads events until the stream ends; a missing event is noticed by the count.
async fn watch(mut body: Incoming, began: Moment, deliveries: Arc<Deliveries>) {
    let mut rest = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(data) = frame.data_ref() else { continue };
        let mut unread: &[u8] = data;
        while let Some(end) = unread.iter().position(|&byte| byte == b'\n') {
            let (line, tail) = unread.split_at(end + 1);
            unread = tail;
            let line = if rest.is_empty() {
                line
            } else {
                rest.extend_from_slice(line);
                &rest
            };
            if let Some(sent) = quoted_after(line, br#""stamp":"#).and_then(|stamp| stamp.parse().ok()) {
                deliveries.add(began.elapsed().saturating_sub(Duration::from_micros(sent)));
            }
            rest.clear();
        }
        rest.extend_from_slice(unread);
    }
}
