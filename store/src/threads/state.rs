//! The state thread: applies committed entries, publishes one state per batch, answers the writers, then records.
//!
//! Order per batch: apply everything that waits; swap the published state; push the events; raise `published` and
//! `applied`; answer; write the records behind it. Records carry the applied index in the same atomic write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use raft::eraftpb::ConfState;

use crate::backup::MetaReply;
use crate::bugs::{Bug, planted};
use crate::codec::Reader;
use crate::engine::{StateStore, StateWrite};
use crate::entry::Revision;
use crate::fatal::fatal;
use crate::machine::{Change, Machine};
use crate::mailbox::Mailbox;
use crate::members::{is_member, read_addresses};
use crate::open::known_addresses;
use crate::raft::Committed;
use crate::shared::{Membership, NEVER, OwnerEvent, Reply, Shared};
use crate::threads::{Built, FlushEvent, LogEvent, SnapshotEvent, Wake};
use crate::txn::Outcome;
use crate::watch::{Event, Publisher};

/// Records erased with one write during a round.
const GARBAGE_PER_WRITE: usize = 2_000;

/// What the state thread is told.
#[derive(Debug)]
pub(crate) enum StateEvent {
    Apply(ApplyBatch),
    /// Give the meta and the records that belong to it.
    Meta(MetaReply),
    /// Have the state sent to a node; where the log begins that would follow it.
    Snapshot {
        to: u64,
        first_index: u64,
    },
    /// Go on with a received state.
    Replace(Box<Built>),
    Stop,
}

/// Committed entries, each with the reply of the caller that waits for it here.
pub(crate) type ApplyBatch = Vec<(Committed, Option<Reply>)>;

/// The state thread's own things.
pub(crate) struct StateThread {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox<StateEvent>>,
    pub(crate) machine: Machine,
    pub(crate) publisher: Publisher,
    pub(crate) flush: Arc<Mailbox<FlushEvent>>,
    pub(crate) flush_busy: Arc<AtomicBool>,
    pub(crate) wake: Arc<Mailbox<Wake>>,
    pub(crate) snapshots: Arc<Mailbox<SnapshotEvent>>,
    pub(crate) log: Arc<Mailbox<LogEvent>>,
    pub(crate) records: Arc<dyn StateStore>,
    pub(crate) since_flush: SinceFlush,
    pub(crate) erasing: bool,
    /// The last write; its buffer serves the next one.
    pub(crate) write: StateWrite,
}

/// What the log holds beyond the flushed state.
#[derive(Debug, Default)]
pub(crate) struct SinceFlush {
    pub(crate) bytes: usize,
    pub(crate) entries: u64,
}

impl StateThread {
    /// Takes turns until told to stop.
    pub(crate) fn run(mut self) {
        self.mailbox.clone().serve(|events| self.turn(events));
    }

    /// Handles events; false after the last one.
    pub(crate) fn turn(&mut self, events: &mut Vec<StateEvent>) -> bool {
        let mut batch = Vec::new();
        let mut stop = false;
        for event in events.drain(..) {
            match event {
                StateEvent::Apply(entries) => batch.extend(entries),
                StateEvent::Meta(reply) => {
                    self.apply_all(&mut batch);
                    // A caller that went away needs no answer.
                    let _ = reply.send((self.machine.meta.clone(), self.records.clone()));
                }
                StateEvent::Snapshot { to, first_index } => {
                    self.apply_all(&mut batch);
                    let meta = Box::new(self.machine.meta.clone());
                    // Garbage waits from the moment that the meta names, until the snapshot thread has taken over.
                    self.shared.saving.fetch_add(1, Ordering::SeqCst);
                    self.snapshots.push(SnapshotEvent::Send { to, meta, first_index });
                }
                StateEvent::Replace(built) => {
                    self.apply_all(&mut batch);
                    self.replace(*built);
                }
                StateEvent::Stop => stop = true,
            }
        }
        self.apply_all(&mut batch);
        !stop
    }

    fn apply_all(&mut self, batch: &mut ApplyBatch) {
        if !batch.is_empty() {
            self.apply(std::mem::take(batch));
        }
    }

    /// Goes on with a received state. What watchers have not seen of it they read from its records.
    fn replace(&mut self, built: Built) {
        let Built { records, machine, .. } = built;
        let before = self.machine.state.revision;
        self.machine = machine;
        self.records = records.clone();
        self.since_flush = SinceFlush::default();
        self.erasing = false;
        self.keep_figures();
        self.publish_members();
        self.shared.awaits_state.store(false, Ordering::SeqCst);
        *self.shared.mark.lock() = self.machine.mark;
        self.shared.out_of_service.store(false, Ordering::SeqCst);
        self.shared.figures.snapshots_installed.fetch_add(1, Ordering::Relaxed);
        self.shared.replace_records(records);
        self.shared.state.store(Arc::new(self.machine.state.clone()));
        self.shared.recorded.reach(self.machine.state.revision);
        let wakers = self.publisher.skip(before, self.machine.state.revision);
        self.publish_with(wakers);
        self.publisher.evict();
    }

    fn apply(&mut self, batch: ApplyBatch) {
        let mut changes = Vec::new();
        let mut answers = Vec::with_capacity(batch.len());
        for (entry, reply) in batch {
            let outcome = self.apply_entry(entry, &mut changes);
            if let Some(reply) = reply {
                // An entry without an outcome was applied before under the same sequence; what came of it then
                // was answered then, or nobody knows.
                answers.push((reply, outcome.unwrap_or(Outcome::Unknown)));
            }
        }
        self.keep_figures();
        if self.shared.members.borrow().level != self.machine.meta.cluster_level {
            self.publish_members();
        }
        *self.shared.mark.lock() = self.machine.mark;
        self.publish(&changes);
        for (reply, outcome) in answers {
            reply.send(outcome);
        }
        self.record(&changes);
        self.publisher.evict();
        self.request_flush();
    }

    fn apply_entry(&mut self, entry: Committed, changes: &mut Vec<Change>) -> Option<Outcome> {
        self.since_flush.bytes += entry.data.len() + 64;
        self.since_flush.entries += 1;
        let outcome =
            self.machine.apply(entry.index, entry.term, &entry.data, changes).unwrap_or_else(|error| {
                // To skip what others apply would be to diverge from them.
                fatal(format_args!("log entry {} cannot be applied: {error}", entry.index))
            });
        if planted(Bug::LocalFloor) && self.shared.options.clock.now().as_millis().is_multiple_of(50) {
            self.machine.raise_floor(self.machine.state.revision.saturating_sub(5));
        }
        if planted(Bug::Nondeterminism) && (entry.index ^ self.shared.identity.node).is_multiple_of(64) {
            self.machine.meta.addresses.insert(0, entry.index.to_string());
        }
        if let Some((conf, context)) = entry.conf {
            self.change_members(entry.index, conf, &context);
        }
        outcome
    }

    fn change_members(&mut self, index: u64, conf: ConfState, context: &[u8]) {
        let meta = &mut self.machine.meta;
        if !context.is_empty() {
            let addresses = read_addresses(&mut Reader::new(context)).unwrap_or_else(|error| {
                fatal(format_args!("log entry {index} cannot be applied: {error}"));
            });
            meta.addresses.extend(addresses);
        }
        meta.addresses.retain(|node, _| is_member(&conf, *node));
        self.machine.change_members(conf);
        self.publish_members();
    }

    fn publish_members(&self) {
        let meta = &self.machine.meta;
        self.log.push(LogEvent::Addresses(known_addresses(meta)));
        self.shared.members.send_replace(Membership::of(meta));
    }

    fn publish(&mut self, changes: &[Change]) {
        let state = Arc::new(self.machine.state.clone());
        let revision = state.revision;
        self.shared.state.store(state);
        let wakers = self.publisher.publish(changes.iter().map(event_of).collect(), revision);
        self.publish_with(wakers);
    }

    /// Tells everybody who waits how far the state has come.
    fn publish_with(&mut self, wakers: Vec<Waker>) {
        let shared = &self.shared;
        let revision = self.machine.state.revision;
        shared.published.reach(revision);
        let applied = self.machine.meta.applied;
        shared.applied.reach(applied);
        if applied >= shared.owner_waits_for.load(Ordering::SeqCst) {
            shared.owner_waits_for.store(NEVER, Ordering::SeqCst);
            shared.owner.push(OwnerEvent::Applied);
        }
        let lost = planted(Bug::LostWake) && revision.is_multiple_of(16);
        Wake::send(if lost { Vec::new() } else { wakers }, &self.wake);
    }

    fn record(&mut self, changes: &[Change]) {
        self.write.records.clear();
        for Change { record, .. } in changes {
            self.write.records.push_with(record.revision, |buffer| record.encode_into(buffer));
        }
        self.write.erase = self.garbage();
        self.write.meta = self.machine.meta.encode();
        self.write.revision = self.machine.state.revision;
        if let Err(error) = self.records.write(&self.write) {
            fatal(format_args!("records could not be written: {error}"));
        }
        self.shared.recorded.reach(self.machine.state.revision);
    }

    fn garbage(&mut self) -> Vec<Revision> {
        let readers =
            self.shared.snapshots.load(Ordering::SeqCst) + self.shared.saving.load(Ordering::SeqCst);
        if readers > 0 {
            return Vec::new();
        }
        let bytes = self.machine.bytes();
        let threshold = self.shared.options.garbage_round_bytes.max(bytes.retained / 4);
        let crowded = bytes.retained + bytes.garbage >= self.shared.options.quota_bytes;
        if !self.erasing && bytes.garbage < threshold && !crowded {
            return Vec::new();
        }
        let garbage = self.machine.take_garbage(GARBAGE_PER_WRITE);
        self.erasing = !garbage.is_empty();
        garbage
    }

    fn request_flush(&mut self) {
        let options = &self.shared.options;
        let due = self.since_flush.bytes >= options.flush_log_bytes
            || self.since_flush.entries >= options.flush_log_entries;
        // Without room the log stays longer; what waits in memory is written when there is some.
        let due = due && !self.shared.figures.room_scarce.load(Ordering::Relaxed);
        if due && !self.flush_busy.swap(true, Ordering::AcqRel) {
            self.since_flush = SinceFlush::default();
            if let Err(error) = self.records.begin_flush() {
                fatal(format_args!("the state could not be flushed: {error}"));
            }
            self.flush.push(FlushEvent::Flush(self.records.clone(), self.machine.meta.applied));
        }
    }

    pub(crate) fn keep_figures(&self) {
        let figures = &self.shared.figures;
        let bytes = self.machine.bytes();
        figures.retained_bytes.store(bytes.retained, Ordering::Relaxed);
        figures.superseded_bytes.store(bytes.superseded, Ordering::Relaxed);
        figures.ring_bytes.store(self.publisher.ring_bytes() as u64, Ordering::Relaxed);
    }
}

/// The event that watchers get for a change.
pub(crate) fn event_of(change: &Change) -> Arc<Event> {
    let record = &change.record;
    let old = if planted(Bug::MissingPrevious) { None } else { change.old.clone() };
    Arc::new(Event::new(record.revision, record.key.clone(), old, record.entry.clone()))
}
