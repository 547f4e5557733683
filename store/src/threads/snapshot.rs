//! The snapshot thread: sends the state to nodes that are too far behind, and builds what it is sent into a new state
//! directory.
//!
//! Records never change, so a snapshot is a meta and all records up to its revision, read while writes go on; only the
//! erasing of garbage waits. Keeps: one chunk is on its way at a time and in memory, so a snapshot never crowds out
//! anything; a chunk that is lost is sent again; what arrives is served from only after its hash, its record chain and
//! its flush are right. The owner decides whether it is installed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::bugs::{Bug, planted};
use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::disk::mix;
use crate::engine::{Engine, StateStore, StateWrite};
use crate::entry::Revision;
use crate::error::DiskError;
use crate::fatal::fatal;
use crate::machine::Machine;
use crate::mailbox::Mailbox;
use crate::meta::Meta;
use crate::peers::{Body, Chunk, PeerFrame, PeerMessage};
use crate::record::Record;
use crate::shared::{OwnerEvent, Shared};

/// Bytes of records from which a chunk is full.
const CHUNK_BYTES: usize = 512 << 10;
/// What a receiver wants next when it wants nothing of this snapshot: it is further already, or what came is damaged.
const NOT_NEEDED: u64 = u64::MAX;
/// A chunk without an answer is sent again after this time.
const AGAIN: Duration = Duration::from_secs(1);
/// A snapshot without an answer is given up after this time: the last answer comes only when the receiver has checked
/// and flushed everything. If it is still needed, Raft asks again.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the snapshot thread is told.
#[derive(Debug)]
pub(crate) enum SnapshotEvent {
    /// Send the state that belongs to this meta.
    Send {
        to: u64,
        meta: Box<Meta>,
    },
    /// A chunk arrived.
    Received {
        from: u64,
        chunk: Box<Chunk>,
    },
    /// The receiver of a snapshot wants this chunk next.
    Acked {
        from: u64,
        id: u64,
        next: u64,
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
    pub(crate) counter: u64,
}

/// A snapshot on its way to another node.
#[derive(Debug)]
pub(crate) struct Outgoing {
    records: Arc<dyn StateStore>,
    revision: Revision,
    /// The newest record that was put into a chunk.
    position: Revision,
    chunk: Chunk,
    hash: u64,
    sent_at: Duration,
    answered_at: Duration,
}

/// A snapshot on its way in.
#[derive(Debug)]
pub(crate) struct Incoming {
    from: u64,
    id: u64,
    next: u64,
    directory: String,
    records: Arc<dyn StateStore>,
    meta: Meta,
    hash: u64,
    /// Whether it was handed to the owner.
    built: bool,
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
                SnapshotEvent::Send { to, meta } => {
                    held = true;
                    self.begin(to, *meta)
                }
                SnapshotEvent::Received { from, chunk } => self.receive(from, *chunk),
                SnapshotEvent::Acked { from, id, next } => self.go_on(from, id, next),
                SnapshotEvent::Tick => {
                    self.tick();
                    Ok(())
                }
                SnapshotEvent::Stop => return false,
            };
            if let Err(error) = done {
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

    fn begin(&mut self, to: u64, meta: Meta) -> Result<(), DiskError> {
        if self.outgoing.contains_key(&to) {
            return Ok(());
        }
        self.counter += 1;
        let id = self.shared.boot << 32 | self.counter;
        let meta_bytes = meta.encode();
        let hash = chain(id, &meta_bytes);
        let mut outgoing = Outgoing {
            records: self.shared.records(),
            revision: meta.revision,
            position: 0,
            chunk: Chunk { id, number: 0, meta: meta_bytes, records: Vec::new(), hash: None },
            hash,
            sent_at: self.shared.options.clock.now(),
            answered_at: self.shared.options.clock.now(),
        };
        outgoing.fill()?;
        tracing::info!(node = to, index = meta.applied, revision = meta.revision, "sending a snapshot");
        self.send(to, Body::Snapshot(Box::new(outgoing.chunk.clone())));
        self.outgoing.insert(to, outgoing);
        Ok(())
    }

    fn go_on(&mut self, to: u64, id: u64, next: u64) -> Result<(), DiskError> {
        let Some(outgoing) = self.outgoing.get_mut(&to).filter(|outgoing| outgoing.chunk.id == id) else {
            return Ok(());
        };
        if next <= outgoing.chunk.number {
            // An old answer, or the receiver has lost what it had: then Raft asks again.
            if next == 0 {
                self.outgoing.remove(&to);
            }
            return Ok(());
        }
        if outgoing.chunk.hash.is_some() || next == NOT_NEEDED {
            self.outgoing.remove(&to);
            return Ok(());
        }
        outgoing.chunk = Chunk { id, number: next, meta: Vec::new(), records: Vec::new(), hash: None };
        let now = self.shared.options.clock.now();
        (outgoing.sent_at, outgoing.answered_at) = (now, now);
        outgoing.fill()?;
        let body = Body::Snapshot(Box::new(outgoing.chunk.clone()));
        self.send(to, body);
        Ok(())
    }

    fn tick(&mut self) {
        let now = self.shared.options.clock.now();
        self.outgoing.retain(|_, outgoing| now < outgoing.answered_at + PATIENCE);
        let mut again = Vec::new();
        for (to, outgoing) in &mut self.outgoing {
            if now >= outgoing.sent_at + AGAIN {
                outgoing.sent_at = now;
                again.push((*to, Body::Snapshot(Box::new(outgoing.chunk.clone()))));
            }
        }
        again.into_iter().for_each(|(to, body)| self.send(to, body));
    }

    // Receiving.

    fn receive(&mut self, from: u64, chunk: Chunk) -> Result<(), DiskError> {
        let known =
            self.incoming.as_ref().is_some_and(|incoming| (incoming.from, incoming.id) == (from, chunk.id));
        if !known {
            if chunk.number != 0 {
                self.send(from, Body::SnapshotAck { id: chunk.id, next: 0 });
                return Ok(());
            }
            let Some(incoming) = self.open(from, &chunk)? else {
                self.send(from, Body::SnapshotAck { id: chunk.id, next: NOT_NEEDED });
                return Ok(());
            };
            self.incoming = Some(incoming);
        }
        let Some(incoming) = &mut self.incoming else { return Ok(()) };
        if chunk.number == incoming.next {
            match incoming.take(&chunk) {
                Ok(Some(built)) => self.shared.owner.push(OwnerEvent::SnapshotBuilt(Box::new(built))),
                Ok(None) => {}
                Err(DiskError::Malformed(error)) => {
                    tracing::warn!(node = from, %error, "a snapshot was dropped");
                    self.incoming = None;
                    self.send(from, Body::SnapshotAck { id: chunk.id, next: NOT_NEEDED });
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(incoming) = &self.incoming {
            self.send(from, Body::SnapshotAck { id: chunk.id, next: incoming.next });
        }
        Ok(())
    }

    fn open(&self, from: u64, chunk: &Chunk) -> Result<Option<Incoming>, DiskError> {
        let Ok(mut meta) = Meta::decode(&chunk.meta) else { return Ok(None) };
        let replaces_wrong = self.shared.out_of_service.load(Ordering::SeqCst);
        let reached = self.shared.applied.reached();
        if meta.applied < reached || (meta.applied == reached && !replaces_wrong) {
            self.shared.owner.push(OwnerEvent::SnapshotNotNeeded(meta.applied, meta.term));
            return Ok(None);
        }
        if planted(Bug::SnapshotLosesSessions) {
            meta.sessions = Default::default();
        }
        let directory = format!("{}-{from:x}-{:x}", meta.applied, chunk.id);
        let path = self.states.join(&directory);
        self.engine.remove_state(&path)?;
        let records = self.engine.open_state(&path)?;
        let hash = chain(chunk.id, &chunk.meta);
        Ok(Some(Incoming { from, id: chunk.id, next: 0, directory, records, meta, hash, built: false }))
    }
}

impl Outgoing {
    /// Fills the chunk with the next records.
    fn fill(&mut self) -> Result<(), DiskError> {
        let Outgoing { records, revision, position, chunk, .. } = self;
        let mut full = false;
        records.visit(*position, *revision, &mut |at, value| {
            put_varint(&mut chunk.records, at);
            put_bytes(&mut chunk.records, value);
            *position = at;
            full = chunk.records.len() >= CHUNK_BYTES;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        self.hash = chain(self.hash, &chunk.records);
        if !full {
            chunk.hash = Some(self.hash);
        }
        Ok(())
    }
}

impl Incoming {
    /// Writes a chunk; after the last one gives the whole.
    fn take(&mut self, chunk: &Chunk) -> Result<Option<Built>, DiskError> {
        let mut write = StateWrite { meta: self.meta.encode(), ..StateWrite::default() };
        let mut reader = Reader::new(&chunk.records);
        while !reader.is_empty() {
            let revision = reader.varint()?;
            let value = reader.bytes()?;
            write.records.push_with(revision, |buffer| buffer.extend_from_slice(value));
            write.revision = revision;
        }
        self.hash = chain(self.hash, &chunk.records);
        self.records.write(&write)?;
        self.next += 1;
        let Some(hash) = chunk.hash.filter(|_| !self.built) else { return Ok(None) };
        if hash != self.hash {
            return Err(Malformed("snapshot hash").into());
        }
        self.built = true;
        self.records.begin_flush()?;
        self.records.finish_flush()?;
        let machine = replay(&*self.records, self.meta.clone())?;
        let (directory, records) = (self.directory.clone(), self.records.clone());
        Ok(Some(Built { directory, records, machine }))
    }
}

/// Builds the state from its records, which checks their chain.
fn replay(records: &dyn StateStore, meta: Meta) -> Result<Machine, DiskError> {
    let mut machine = Machine::new(meta);
    records.visit(0, u64::MAX - 1, &mut |revision, value| {
        machine.replay(Record::decode(revision, value)?)?;
        Ok(ControlFlow::Continue(()))
    })?;
    machine.replayed();
    Ok(machine)
}

fn chain(previous: u64, bytes: &[u8]) -> u64 {
    mix(mix(previous ^ u64::from(crc32fast::hash(bytes))) ^ bytes.len() as u64)
}
