//! The work queue of a controller.
//!
//! Keeps: a key waits at most once and runs at most once at a time; a key that is added while it runs, runs again; a
//! held key runs when its holds are over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::key::Key;
use crate::runtime::backoff::Backoff;
use crate::runtime::hold::Hold;
use crate::runtime::metrics::{Metrics, QueueMetrics};
use crate::runtime::rounds::Rounds;

/// A work queue.
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
    clock: Arc<dyn Clock>,
    metrics: QueueMetrics,
}

#[derive(Default)]
struct State {
    ready: Rounds,
    /// Keys that are to run, with the time since when.
    waiting: FxHashMap<Key, Duration>,
    running: FxHashMap<Key, Duration>,
    held: FxHashMap<Key, Vec<Hold>>,
    delayed: BTreeSet<(Duration, Key)>,
    delays: FxHashMap<Key, Duration>,
    backoff: Backoff<Key>,
}

impl Queue {
    pub(crate) fn new(name: &'static str, clock: Arc<dyn Clock>, metrics: &Metrics) -> Queue {
        Queue { state: Mutex::default(), changed: Notify::new(), clock, metrics: metrics.queue(name) }
    }

    /// Asks for a run of `key`.
    pub fn add(&self, key: Key) {
        self.add_all(std::iter::once(key));
    }

    pub(crate) fn add_all(&self, keys: impl IntoIterator<Item = Key>) {
        let now = self.clock.elapsed();
        let mut state = self.state.lock();
        for key in keys {
            state.add(key, now, &self.metrics);
        }
        self.metrics.depth(state.ready.len());
        drop(state);
        self.changed.notify_one();
    }

    /// Asks for a run of `key` after `delay`; an earlier one that was asked for stays.
    pub fn add_after(&self, key: Key, delay: Duration) {
        let at = self.clock.elapsed() + delay;
        let mut state = self.state.lock();
        match state.delays.get(&key).copied() {
            Some(before) if before <= at => return,
            Some(before) => {
                state.delayed.remove(&(before, key.clone()));
            }
            None => {}
        }
        state.delays.insert(key.clone(), at);
        state.delayed.insert((at, key));
        drop(state);
        self.changed.notify_one();
    }

    /// Asks for a run after a failure: later each time.
    pub fn retry(&self, key: Key, at_least: Option<Duration>) {
        let delay = self.state.lock().backoff.next(key.clone());
        self.metrics.retried();
        self.add_after(key, delay.max(at_least.unwrap_or_default()));
    }

    /// Forgets the failures of a key.
    pub fn forget(&self, key: &Key) {
        self.state.lock().backoff.forget(key);
    }

    /// How often the key has failed in a row.
    pub fn failures(&self, key: &Key) -> u32 {
        self.state.lock().backoff.failures(key)
    }

    /// The next key to run. [`Queue::done`] must follow.
    pub async fn next(&self) -> Key {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let (key, deadline) = self.take();
            if let Some(key) = key {
                // Whoever waits may have been woken for this key only.
                self.changed.notify_one();
                return key;
            }
            match deadline {
                None => changed.await,
                Some(deadline) => match select(changed, self.clock.sleep_until(deadline)).await {
                    Either::Left(_) | Either::Right(_) => {}
                },
            }
        }
    }

    fn take(&self) -> (Option<Key>, Option<Duration>) {
        let now = self.clock.elapsed();
        let mut state = self.state.lock();
        state.move_due(now, &self.metrics);
        let key = state.ready.pop();
        if let Some(key) = &key {
            let since = state.waiting.remove(key).unwrap_or(now);
            state.running.insert(key.clone(), now);
            self.metrics.started(now.saturating_sub(since));
        }
        self.metrics.depth(state.ready.len());
        self.metrics.unfinished(now, &state.running);
        (key, state.delayed.first().map(|(at, _)| *at))
    }

    /// Ends the run of a key. It runs again when it was added meanwhile, and not before `holds` are over.
    pub(crate) fn done(&self, key: &Key, holds: Vec<Hold>) {
        let now = self.clock.elapsed();
        let mut state = self.state.lock();
        if let Some(since) = state.running.remove(key) {
            self.metrics.finished(now.saturating_sub(since));
        }
        self.metrics.unfinished(now, &state.running);
        let holds: Vec<Hold> = holds.into_iter().filter(|hold| !hold.is_over()).collect();
        if !holds.is_empty() {
            state.held.insert(key.clone(), holds);
        } else if state.waiting.contains_key(key) {
            state.ready.push(key.clone());
        }
        self.metrics.depth(state.ready.len());
        drop(state);
        self.changed.notify_one();
    }

    /// Lets go of the keys whose holds are over; called when a view has moved.
    pub(crate) fn recheck(&self) {
        let mut state = self.state.lock();
        if state.held.is_empty() {
            return;
        }
        let State { held, waiting, ready, .. } = &mut *state;
        let mut freed = FxHashSet::default();
        held.retain(|key, holds| {
            holds.retain(|hold| !hold.is_over());
            if holds.is_empty() && waiting.contains_key(key) {
                freed.insert(key.clone());
            }
            !holds.is_empty()
        });
        freed.into_iter().for_each(|key| ready.push(key));
        drop(state);
        self.changed.notify_one();
    }
}

impl State {
    fn add(&mut self, key: Key, now: Duration, metrics: &QueueMetrics) {
        if self.waiting.contains_key(&key) {
            return;
        }
        metrics.added();
        self.waiting.insert(key.clone(), now);
        if !self.running.contains_key(&key) && !self.held.contains_key(&key) {
            self.ready.push(key);
        }
    }

    fn move_due(&mut self, now: Duration, metrics: &QueueMetrics) {
        while let Some((at, _)) = self.delayed.first()
            && *at <= now
        {
            let Some((_, key)) = self.delayed.pop_first() else { return };
            self.delays.remove(&key);
            self.add(key, now, metrics);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeClock;

    fn queue() -> (Arc<FakeClock>, Queue) {
        let clock = Arc::new(FakeClock::default());
        let queue = Queue::new("test", clock.clone(), &Metrics::default());
        (clock, queue)
    }

    fn ready(queue: &Queue) -> Option<String> {
        queue.take().0.map(|key| key.to_string())
    }

    #[test]
    fn a_key_waits_once_and_runs_again_when_added_while_it_runs() {
        let (_, queue) = queue();
        let key = Key::new("a", "1");
        queue.add(key.clone());
        queue.add(key.clone());
        assert_eq!(ready(&queue).as_deref(), Some("a/1"));
        assert_eq!(ready(&queue), None);
        queue.add(key.clone());
        assert_eq!(ready(&queue), None, "it runs");
        queue.done(&key, Vec::new());
        assert_eq!(ready(&queue).as_deref(), Some("a/1"));
        queue.done(&key, Vec::new());
        assert_eq!(ready(&queue), None);
    }

    #[test]
    fn failures_are_retried_later_each_time() {
        let (clock, queue) = queue();
        let key = Key::new("a", "1");
        let mut delays = Vec::new();
        for _ in 0..20 {
            queue.retry(key.clone(), None);
            let mut waited = 0_u64;
            while ready(&queue).is_none() {
                clock.advance(Duration::from_millis(5));
                waited += 5;
            }
            queue.done(&key, Vec::new());
            delays.push(waited);
        }
        assert_eq!(delays[..6], [5, 10, 20, 40, 80, 160]);
        assert_eq!(delays[19], 300_000);
        queue.forget(&key);
        queue.retry(key, Some(Duration::from_secs(1)));
        clock.advance(Duration::from_millis(999));
        assert_eq!(ready(&queue), None);
        clock.advance(Duration::from_millis(1));
        assert_eq!(ready(&queue).as_deref(), Some("a/1"));
    }

    #[test]
    fn the_earlier_of_two_delays_counts() {
        let (clock, queue) = queue();
        queue.add_after(Key::new("", "n"), Duration::from_secs(5));
        queue.add_after(Key::new("", "n"), Duration::from_secs(2));
        queue.add_after(Key::new("", "n"), Duration::from_secs(9));
        clock.advance(Duration::from_secs(2));
        assert_eq!(ready(&queue).as_deref(), Some("n"));
        queue.done(&Key::new("", "n"), Vec::new());
        clock.advance(Duration::from_secs(20));
        assert_eq!(ready(&queue), None);
    }
}
