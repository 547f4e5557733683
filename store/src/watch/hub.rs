//! A hub: the ring of one bucket's newest events, and the watchers that wait at it.
//!
//! Keeps: the ring holds every event of its bucket above `evicted_through`; a slot is armed only under the lock
//! under which events are pushed, so no event falls between reading the ring and waiting.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use crate::bugs::{Bug, planted};
use crate::entry::Revision;
use crate::key::Prefix;
use crate::watch::slots::{Group, Slots};
use crate::watch::{Budget, Event, Interest};

/// How many events one look at a ring may pass before it lets others have the lock.
const SCAN_EVENTS_MAX: usize = 2_048;

/// One bucket's ring and waiting watchers.
#[derive(Debug)]
pub(crate) struct Hub {
    bucket: Arc<str>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    ring: VecDeque<Arc<Event>>,
    evicted_through: Revision,
    slots: Slots,
}

/// A reader's place at a hub.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) range: Prefix,
    pub(crate) interest: Interest,
    /// Everything at or below was delivered or is not of interest.
    pub(crate) position: Revision,
    /// Set once the reader has reached the end of the ring.
    slot: Option<usize>,
}

/// What a look at the ring found.
pub(crate) enum Look {
    /// Events were delivered.
    Delivered,
    /// Nothing was delivered yet, but there is more ring to look at.
    More,
    /// The reader is at the end and will be woken.
    Waiting,
    /// The ring no longer reaches back to the reader's position; records do.
    Behind,
}

impl Place {
    pub(crate) fn new(range: Prefix, interest: Interest, position: Revision) -> Place {
        Place { range, interest, position, slot: None }
    }

    fn group(&self, bucket: &str) -> Group {
        match &self.interest {
            Interest::Key(key) => Group::Key(key.clone()),
            Interest::Term(term) => Group::Term(term.clone()),
            Interest::All if is_namespace(bucket, self.range.as_str()) => {
                Group::Namespace(self.range.clone())
            }
            Interest::All => Group::Everyone,
        }
    }

    pub(crate) fn wants(&self, event: &Event) -> bool {
        self.range.contains(&event.key) && self.interest.matches(event)
    }
}

/// Whether a range is exactly one namespace of a bucket.
fn is_namespace(bucket: &str, range: &str) -> bool {
    let inside = range.strip_prefix(bucket).unwrap_or("");
    inside.len() > 1 && inside.find('/') == Some(inside.len() - 1)
}

impl Hub {
    pub(crate) fn new(bucket: Arc<str>, evicted_through: Revision) -> Hub {
        let inner = Inner { ring: VecDeque::new(), evicted_through, slots: Slots::default() };
        Hub { bucket, inner: Mutex::new(inner) }
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Appends events and takes the wakers of the watchers they concern.
    pub(crate) fn push(&self, events: &[Arc<Event>], budget: &Arc<Budget>, wakers: &mut Vec<Waker>) {
        let mut inner = self.inner.lock();
        for event in events {
            let newest = inner.ring.back().map_or(inner.evicted_through, |last| last.revision);
            assert!(event.revision > newest, "events enter a ring in order");
            event.enter_ring(budget);
            inner.ring.push_back(event.clone());
        }
        inner.slots.note(events, wakers);
    }

    /// Empties the ring, which goes on behind `through`. Every watcher looks again from `first` on.
    pub(crate) fn skip(&self, first: Revision, through: Revision, wakers: &mut Vec<Waker>) {
        let mut inner = self.inner.lock();
        for event in inner.ring.drain(..) {
            event.leave_ring();
        }
        inner.evicted_through = through;
        inner.slots.note_all(first, wakers);
    }

    /// Drops the oldest event.
    pub(crate) fn evict(&self) {
        let evicted = {
            let mut inner = self.inner.lock();
            let evicted = inner.ring.pop_front();
            if let Some(event) = &evicted {
                inner.evicted_through = event.revision;
            }
            if inner.ring.capacity() > 64 && inner.ring.len() < inner.ring.capacity() / 4 {
                let room = inner.ring.len() * 2;
                inner.ring.shrink_to(room);
            }
            evicted
        };
        if let Some(event) = evicted {
            event.leave_ring();
        }
    }

    /// Delivers the next events of interest into `out`, at most `events_max`, or arms the place's slot.
    /// `published` is the revision up to which every hub has its events.
    pub(crate) fn look(
        &self,
        place: &mut Place,
        events_max: usize,
        out: &mut Vec<Arc<Event>>,
        published: &AtomicU64,
        waker: Option<&Waker>,
    ) -> Look {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let mut start = place.position + 1;
        if let Some(slot) = place.slot {
            match inner.slots.first(slot) {
                0 => {
                    place.position = place.position.max(published.load(Ordering::Acquire));
                    return wait(&mut inner.slots, slot, waker);
                }
                first => start = start.max(first),
            }
            // Nothing between the old position and the first revision noted was of interest.
            place.position = start - 1;
        }
        if place.position < inner.evicted_through && planted(Bug::WatchSkips) {
            place.position = inner.evicted_through;
        }
        if place.position < inner.evicted_through {
            return Look::Behind;
        }
        let delivered = out.len();
        let from = inner.ring.partition_point(|event| event.revision < start);
        let mut next = from;
        while let Some(event) = inner.ring.get(next) {
            if out.len() - delivered >= events_max || next - from >= SCAN_EVENTS_MAX {
                break;
            }
            if place.wants(event) {
                out.push(event.clone());
            }
            place.position = event.revision;
            next += 1;
        }
        let rest = inner.ring.get(next).map(|event| event.revision);
        let slot = match (place.slot, rest) {
            (Some(slot), rest) => {
                inner.slots.set_first(slot, rest.unwrap_or(0));
                Some(slot)
            }
            (None, Some(_)) => None,
            (None, None) => Some(inner.slots.insert(place.group(&self.bucket))),
        };
        place.slot = slot;
        if out.len() > delivered {
            return Look::Delivered;
        }
        match (rest, slot) {
            (None, Some(slot)) => {
                place.position = place.position.max(published.load(Ordering::Acquire));
                wait(&mut inner.slots, slot, waker)
            }
            _ => Look::More,
        }
    }

    /// The revision up to which a place has seen everything of interest.
    pub(crate) fn position(&self, place: &Place, published: &AtomicU64) -> Revision {
        let inner = self.inner.lock();
        match place.slot {
            // The load is under the lock: whatever is published now was pushed before.
            Some(slot) if inner.slots.first(slot) == 0 => {
                place.position.max(published.load(Ordering::Acquire))
            }
            _ => place.position,
        }
    }

    /// Forgets a place that will not look again.
    pub(crate) fn leave(&self, place: &mut Place) {
        if let Some(slot) = place.slot.take() {
            self.inner.lock().slots.remove(slot);
        }
    }

    /// The events of this bucket above `revision` that the ring holds, when it reaches back that far.
    pub(crate) fn since(&self, revision: Revision) -> Option<Vec<Arc<Event>>> {
        let inner = self.inner.lock();
        if revision < inner.evicted_through {
            return None;
        }
        let from = inner.ring.partition_point(|event| event.revision <= revision);
        Some(inner.ring.range(from..).cloned().collect())
    }
}

fn wait(slots: &mut Slots, slot: usize, waker: Option<&Waker>) -> Look {
    if let Some(waker) = waker {
        slots.set_waker(slot, waker);
    }
    Look::Waiting
}
