//! The snapshot thread: sends the state to nodes that are too far behind, and builds what it is sent into a new state
//! directory.
//!
//! Records never change, so a snapshot is a meta and all records up to its revision, read while writes go on; only the
//! erasing of garbage waits. Keeps: parts leave no faster than the rate allows; one part per receiver is on its way at a
//! time and in memory, so a snapshot never crowds out anything; a receiver that lost its connection or its process goes on
//! behind the last record that it has; only a leader sends. The owner decides whether what was received is installed.

mod incoming;
mod outgoing;
mod pace;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::disk::mix;
use crate::engine::{Engine, StateStore};
use crate::entry::Revision;
use crate::error::DiskError;
use crate::fatal::fatal;
use crate::level::LEVEL_SUPPORTED;
use crate::machine::Machine;
use crate::mailbox::Mailbox;
use crate::meta::Meta;
use crate::peers::{Body, Chunk, PeerFrame, PeerMessage, SnapshotAnswer};
use crate::shared::{OwnerEvent, Shared};

pub(crate) use incoming::{Incoming, may_resume};
pub(crate) use outgoing::Outgoing;
pub(crate) use pace::Pace;

/// What the snapshot thread is told.
#[derive(Debug)]
pub(crate) enum SnapshotEvent {
    /// Send the state that belongs to this meta.
    Send {
        to: u64,
        meta: Box<Meta>,
        /// Where the log begins that would follow it.
        first_index: u64,
    },
    /// A part arrived.
    Received {
        from: u64,
        chunk: Box<Chunk>,
    },
    /// The receiver of a snapshot has answered.
    Answered {
        from: u64,
        id: u64,
        answer: SnapshotAnswer,
    },
    /// The owner's clock ticked while a snapshot was being sent.
    Tick,
    Stop,
}

/// A state that was received as a whole.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) directory: String,
    pub(crate) records: Arc<dyn StateStore>,
    pub(crate) machine: Machine,
}

/// The snapshot thread's own things.
pub(crate) struct SnapshotThread {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox<SnapshotEvent>>,
    pub(crate) engine: Arc<dyn Engine>,
    /// The directory in which every state has its own.
    pub(crate) states: PathBuf,
    pub(crate) outgoing: BTreeMap<u64, Outgoing>,
    pub(crate) incoming: Option<Incoming>,
    /// Directories in which an earlier process left beginnings of snapshots.
    pub(crate) beginnings: Vec<String>,
    pub(crate) pace: Pace,
    pub(crate) counter: u64,
}

impl SnapshotThread {
    /// Takes turns until told to stop.
    pub(crate) fn run(mut self) {
        self.mailbox.clone().serve(|events| self.turn(events));
    }

    /// Handles events; false after the last one.
    pub(crate) fn turn(&mut self, events: &mut Vec<SnapshotEvent>) -> bool {
        for event in events.drain(..) {
            let mut held = false;
            let done = match event {
                SnapshotEvent::Send { to, meta, first_index } => {
                    held = true;
                    self.begin(to, &meta, first_index);
                    Ok(())
                }
                SnapshotEvent::Received { from, chunk } => self.receive(from, *chunk),
                SnapshotEvent::Answered { from, id, answer } => {
                    self.take_answer(from, id, answer);
                    Ok(())
                }
                SnapshotEvent::Tick => Ok(()),
                SnapshotEvent::Stop => return false,
            };
            if let Err(error) = done.and_then(|()| self.send_due()) {
                fatal(format_args!("a snapshot could not be read or written: {error}"));
            }
            self.shared.snapshots.store(self.outgoing.len(), Ordering::SeqCst);
            if held {
                // From here on the snapshot itself holds the garbage back.
                self.shared.saving.fetch_sub(1, Ordering::SeqCst);
            }
        }
        true
    }

    fn send(&self, to: u64, body: Body) {
        let message = PeerMessage(body);
        let (cluster, from) = (self.shared.identity.cluster, self.shared.identity.node);
        let frame = PeerFrame { cluster, from, to, boot: self.shared.boot, message };
        self.shared.options.peers.send(frame);
    }

    // Sending.

    fn begin(&mut self, to: u64, meta: &Meta, first_index: u64) {
        let now = self.shared.options.clock.now();
        if self.outgoing.get(&to).is_some_and(|outgoing| outgoing.is_usable(first_index, now)) {
            return;
        }
        self.counter += 1;
        let id = self.shared.boot << 32 | self.counter;
        tracing::info!(node = to, index = meta.applied, revision = meta.revision, "sending a snapshot");
        self.outgoing.insert(to, Outgoing::new(id, self.shared.records(), meta, now));
    }

    fn take_answer(&mut self, from: u64, id: u64, answer: SnapshotAnswer) {
        let now = self.shared.options.clock.now();
        if self.outgoing.get_mut(&from).is_some_and(|outgoing| !outgoing.take(id, answer, now)) {
            self.outgoing.remove(&from);
        }
    }

    /// Sends what is due, as far as the pace allows.
    fn send_due(&mut self) -> Result<(), DiskError> {
        let now = self.shared.options.clock.now();
        // Two leaders' snapshots would displace each other at their receiver for ever.
        let leads = self.shared.replica.lock().leads;
        self.outgoing.retain(|_, outgoing| leads && !outgoing.is_given_up(now));
        let mut due = Vec::new();
        for (to, outgoing) in &mut self.outgoing {
            if !self.pace.allows(now) {
                break;
            }
            if let Some(part) = outgoing.due(self.shared.options.snapshot_part_bytes, now)? {
                self.pace.spend(part.records.len() + part.meta.len(), now);
                due.push((*to, Body::Snapshot(Box::new(part))));
            }
        }
        due.into_iter().for_each(|(to, body)| self.send(to, body));
        Ok(())
    }

    // Receiving.

    fn receive(&mut self, from: u64, chunk: Chunk) -> Result<(), DiskError> {
        let id = chunk.id;
        let answer = match self.take_part(from, &chunk) {
            Ok(answer) => answer,
            Err(DiskError::Malformed(error)) => {
                tracing::warn!(node = from, %error, "a snapshot was dropped");
                self.forget()?;
                SnapshotAnswer::NotNeeded
            }
            Err(error) => return Err(error),
        };
        self.send(from, Body::SnapshotAnswer { id, answer });
        Ok(())
    }

    fn take_part(&mut self, from: u64, chunk: &Chunk) -> Result<SnapshotAnswer, DiskError> {
        if self.incoming.as_ref().is_none_or(|incoming| !incoming.is(from, chunk.id)) {
            if let Some(reached) = self.resume(from, chunk.id)? {
                return Ok(SnapshotAnswer::ResumesAt(reached));
            }
            if chunk.after != 0 {
                return Ok(SnapshotAnswer::ResumesAt(0));
            }
            let meta = Meta::decode(&chunk.meta)?;
            if !self.needs(&meta) {
                return Ok(SnapshotAnswer::NotNeeded);
            }
            self.forget()?;
            self.incoming = Some(Incoming::begin(&*self.engine, &self.states, from, chunk, meta)?);
        }
        let Some(incoming) = &mut self.incoming else { return Ok(SnapshotAnswer::NotNeeded) };
        if !incoming.is_built()
            && chunk.after == incoming.reached()
            && let Some(built) = incoming.take(chunk)?
        {
            self.shared.owner.push(OwnerEvent::SnapshotBuilt(Box::new(built)));
        }
        Ok(match incoming.is_built() {
            true => SnapshotAnswer::Whole,
            false => SnapshotAnswer::Has(incoming.reached()),
        })
    }

    /// Goes on with a snapshot that an earlier process has begun to receive; gives how far it is.
    fn resume(&mut self, from: u64, id: u64) -> Result<Option<Revision>, DiskError> {
        let own = format!("-{from:x}-{id:x}");
        let Some(at) = self.beginnings.iter().position(|directory| directory.ends_with(&own)) else {
            return Ok(None);
        };
        let directory = self.beginnings.remove(at);
        let resumed = match Incoming::resume(&*self.engine, &self.states, from, id, &directory) {
            Ok(resumed) => resumed.filter(|incoming| self.needs(incoming.meta())),
            // What cannot be read is sent again.
            Err(error) => {
                tracing::warn!(%error, "the beginning of a snapshot cannot be used");
                None
            }
        };
        let Some(incoming) = resumed else {
            self.engine.remove_state(&self.states.join(&directory))?;
            return Ok(None);
        };
        self.forget()?;
        let reached = incoming.reached();
        tracing::info!(node = from, revision = reached, "going on with a snapshot");
        self.shared.figures.snapshots_resumed.fetch_add(1, Ordering::Relaxed);
        self.incoming = Some(incoming);
        Ok(Some(reached))
    }

    /// Drops what was received, unless it is a state by now, and what earlier processes left.
    fn forget(&mut self) -> Result<(), DiskError> {
        let dropped = self.incoming.take().filter(|incoming| !incoming.is_built());
        self.beginnings.extend(dropped.map(|incoming| incoming.directory().to_owned()));
        for directory in self.beginnings.drain(..) {
            self.engine.remove_state(&self.states.join(directory))?;
        }
        Ok(())
    }

    /// Whether a state would bring this node forward.
    fn needs(&self, meta: &Meta) -> bool {
        if meta.cluster_level > LEVEL_SUPPORTED {
            tracing::error!(
                level = meta.cluster_level,
                known = LEVEL_SUPPORTED,
                "the cluster uses formats that this release does not know: start a newer one"
            );
            return false;
        }
        let replaces_wrong = self.shared.out_of_service.load(Ordering::SeqCst);
        let reached = self.shared.applied.reached();
        if meta.applied < reached || (meta.applied == reached && !replaces_wrong) {
            self.shared.owner.push(OwnerEvent::SnapshotNotNeeded(meta.applied, meta.term));
            return false;
        }
        true
    }
}

/// The hash with which a snapshot begins.
fn hash_of_meta(id: u64, meta: &[u8]) -> u64 {
    hash_of_record(mix(id), 0, meta)
}

/// The hash of a snapshot up to a record, given that before it: how it was cut into parts does not matter.
fn hash_of_record(before: u64, revision: Revision, value: &[u8]) -> u64 {
    let content = u64::from(crc32fast::hash(value)) << 32 | (value.len() as u64 & u64::from(u32::MAX));
    mix(mix(before ^ content) ^ revision)
}
