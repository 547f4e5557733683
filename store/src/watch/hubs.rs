//! All hubs of a store, and the publisher that feeds them.
//!
//! Keeps: `published` is raised only after every hub has the events up to it, so a bookmark at `published` never
//! passes an event. The oldest events leave first, whichever bucket they are in, when the rings exceed their
//! budget.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::bugs::{Bug, planted};
use crate::entry::Revision;
use crate::key::bucket_of;
use crate::watch::{Budget, Event, Hub};

/// The hubs by bucket.
#[derive(Debug)]
pub(crate) struct Hubs {
    hubs: RwLock<FxHashMap<Arc<str>, Arc<Hub>>>,
    /// The revision up to which a bucket that has no hub has no events either.
    base: AtomicU64,
    published: AtomicU64,
}

/// The one writer of all hubs; the state thread owns it.
#[derive(Debug)]
pub(crate) struct Publisher {
    hubs: Arc<Hubs>,
    budget: Arc<Budget>,
    /// Which hub the oldest events stand in, as runs.
    order: VecDeque<(Arc<Hub>, usize)>,
    /// Events that a planted bug holds back.
    held: Vec<(Arc<Hub>, Vec<Arc<Event>>)>,
}

impl Hubs {
    pub(crate) fn new(base: Revision) -> Hubs {
        Hubs { hubs: RwLock::default(), base: AtomicU64::new(base), published: AtomicU64::new(0) }
    }

    /// The hub of a bucket, made on first need.
    pub(crate) fn hub(&self, bucket: &str) -> Arc<Hub> {
        if let Some(hub) = self.hubs.read().get(bucket) {
            return hub.clone();
        }
        let mut hubs = self.hubs.write();
        let name: Arc<str> = bucket.into();
        hubs.entry(name.clone())
            .or_insert_with(|| Arc::new(Hub::new(name, self.base.load(Ordering::SeqCst))))
            .clone()
    }

    /// The revision up to which every hub has its events.
    pub(crate) fn published_cell(&self) -> &AtomicU64 {
        &self.published
    }
}

impl Publisher {
    pub(crate) fn new(hubs: Arc<Hubs>, ring_bytes: usize) -> Publisher {
        Publisher {
            hubs,
            budget: Arc::new(Budget::new(ring_bytes)),
            order: VecDeque::new(),
            held: Vec::new(),
        }
    }

    /// Hands out events, oldest first, that bring the store to `revision`, and gives the wakers of the watchers
    /// they concern.
    pub(crate) fn publish(&mut self, events: Vec<Arc<Event>>, revision: Revision) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let kept = if planted(Bug::WatchTorn) { 1 } else { usize::MAX };
        let mut runs: Vec<(Arc<Hub>, Vec<Arc<Event>>)> = Vec::new();
        for event in events.into_iter().take(kept) {
            let bucket = bucket_of(event.key.as_str());
            match runs.iter_mut().find(|(hub, _)| hub.bucket() == bucket) {
                Some((_, run)) => run.push(event),
                None => runs.push((self.hubs.hub(bucket), vec![event])),
            }
        }
        if planted(Bug::BookmarkAhead)
            && let Some(run) = runs.pop()
        {
            let held = std::mem::replace(&mut self.held, vec![run]);
            runs.extend(held);
        }
        for (hub, run) in runs {
            hub.push(&run, &self.budget, &mut wakers);
            match self.order.back_mut() {
                Some((last, count)) if Arc::ptr_eq(last, &hub) => *count += run.len(),
                _ => self.order.push_back((hub, run.len())),
            }
        }
        self.hubs.published.store(revision, Ordering::Release);
        wakers
    }

    /// Goes on at `revision` without the events since `before`: the records have them. Gives the wakers of all
    /// watchers.
    pub(crate) fn skip(&mut self, before: Revision, revision: Revision) -> Vec<Waker> {
        let mut wakers = Vec::new();
        self.hubs.base.store(revision, Ordering::SeqCst);
        // Under the lock no hub is made with the old base.
        let hubs: Vec<_> = self.hubs.hubs.write().values().cloned().collect();
        for hub in hubs {
            let first = if planted(Bug::SnapshotSkipsEvents) { 0 } else { before + 1 };
            hub.skip(first, revision, &mut wakers);
        }
        self.order.clear();
        self.hubs.published.store(revision, Ordering::Release);
        wakers
    }

    /// Drops the oldest events that exceed the budget. To be called when their records can be read, because a
    /// watcher that still needs them will look there.
    pub(crate) fn evict(&mut self) {
        while self.budget.exceeded() {
            let Some((hub, count)) = self.order.front_mut() else { return };
            hub.evict();
            *count -= 1;
            if *count == 0 {
                self.order.pop_front();
            }
        }
    }

    /// The bytes that all rings hold.
    pub(crate) fn ring_bytes(&self) -> usize {
        self.budget.used()
    }
}
