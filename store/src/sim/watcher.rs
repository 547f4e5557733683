//! Watchers: they follow a bucket or a key, some of them slowly, and resume on another node where they stopped.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::entry::Revision;
use crate::key::{Key, Prefix};
use crate::sim::Failure;
use crate::sim::client::BUCKETS;
use crate::sim::history::{EventSeen, History, Version, WatchSeen};
use crate::sim::node::Flag;
use crate::sim::random::Random;
use crate::store::Store;
use crate::watch::{Cursor, Event, Interest};

/// One watcher.
pub(crate) struct Watcher {
    pub(crate) node: usize,
    pub(crate) flag: Arc<Flag>,
    pub(crate) random: Random,
    /// How long it may do something else between two looks, in microseconds.
    pub(crate) pace: u64,
    pub(crate) cursor: Option<Cursor>,
    bucket: &'static str,
    only: Option<String>,
    seen: Option<WatchSeen>,
    /// Where it goes on; none to begin anew at what is current.
    position: Option<Revision>,
}

impl Watcher {
    pub(crate) fn new(node: usize, mut random: Random) -> Watcher {
        let bucket = BUCKETS[random.within(0..2) as usize];
        let only = random.chance(30).then(|| match bucket {
            "/registry/a/" => format!("/registry/a/ns{}/k{}", random.within(0..2), random.within(0..4)),
            _ => format!("/registry/b/k{}", random.within(0..3)),
        });
        let pace = [100, 10_000, 1_000_000][random.within(0..3) as usize];
        Watcher {
            node,
            flag: Flag::raised(),
            random,
            pace,
            cursor: None,
            bucket,
            only,
            seen: None,
            position: Some(0),
        }
    }

    /// Up to where everything was delivered.
    pub(crate) fn reached(&self) -> Option<Revision> {
        self.cursor.as_ref().map(Cursor::position)
    }

    /// Ends the cursor, as a broken connection does. The next one goes on where this one was.
    pub(crate) fn leave(&mut self, history: &mut History) {
        self.cursor = None;
        history.watches.extend(self.seen.take());
    }

    /// Looks for events. Gives what goes into the trace.
    pub(crate) fn look(&mut self, store: &Store, history: &mut History) -> Result<u64, Failure> {
        if self.cursor.is_none() && !self.open(store) {
            return Ok(1);
        }
        if let Some(seen) = self.seen.as_ref().filter(|seen| seen.goes_on_from_before(history.base)) {
            let what =
                format!("a watch from {} goes on in a cluster that began at {}", seen.from, history.base);
            return Err(Failure::new("old watches end at a restore", what));
        }
        let Some(cursor) = &mut self.cursor else { return Ok(2) };
        let Some(seen) = &mut self.seen else { return Ok(3) };
        let mut trace = 0;
        let waker = Waker::from(self.flag.clone());
        for _ in 0..3 {
            let mut events = Vec::new();
            let wanted = self.random.within(1..6) as usize;
            match cursor.poll_next(&mut Context::from_waker(&waker), wanted, &mut events) {
                Poll::Ready(Ok(progress)) => {
                    seen.events.extend(events.iter().map(|event| seen_of(event)));
                    seen.bookmarks.push((seen.events.len(), progress.position));
                    self.position = Some(progress.position);
                    let newest = events.last().map_or(0, |event| event.revision);
                    history.learn(newest);
                    trace += newest;
                    self.flag.raise();
                }
                Poll::Ready(Err(compacted)) => {
                    let position = self.position.unwrap_or(0);
                    if compacted.floor <= position {
                        let what = format!("a cursor at {position} was told of floor {}", compacted.floor);
                        return Err(Failure::new("watch resumable", what));
                    }
                    self.position = None;
                    self.leave(history);
                    self.flag.raise();
                    return Ok(4);
                }
                Poll::Pending => {
                    if self.random.chance(30) {
                        let position = cursor.position();
                        seen.bookmarks.push((seen.events.len(), position));
                        self.position = Some(position);
                    }
                    return Ok(trace);
                }
            }
        }
        Ok(trace)
    }

    fn open(&mut self, store: &Store) -> bool {
        let state = store.state();
        let from = self.position.unwrap_or(state.revision);
        let interest = self.only.as_ref().map_or(Interest::All, |key| Interest::Key(Key::new(key.as_str())));
        match store.watch(self.bucket, Prefix::new(self.bucket), from, interest) {
            Ok(cursor) => {
                self.cursor = Some(cursor);
                self.position = Some(from);
                self.seen = Some(WatchSeen {
                    bucket: self.bucket.to_owned(),
                    only: self.only.clone(),
                    from,
                    events: Vec::new(),
                    bookmarks: Vec::new(),
                });
                true
            }
            Err(_) => {
                self.position = None;
                self.flag.raise();
                false
            }
        }
    }
}

fn seen_of(event: &Event) -> EventSeen {
    EventSeen {
        revision: event.revision,
        key: event.key.as_str().to_owned(),
        old: event.old.as_ref().map(|entry| Version::of(entry)),
        new: event.new.as_ref().map(|entry| Version::of(entry)),
    }
}
