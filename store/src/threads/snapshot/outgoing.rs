//! A snapshot on its way to another node. Keeps: one part is in memory and on its way at a time; one that is lost is sent
//! again; a receiver that began anew is answered from any part's end on, out of the same snapshot.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::{put_bytes, put_varint};
use crate::engine::StateStore;
use crate::entry::Revision;
use crate::error::DiskError;
use crate::meta::Meta;
use crate::peers::{Chunk, SnapshotAnswer};
use crate::threads::snapshot::{hash_of_meta, hash_of_record};

/// A part without an answer is sent again after this time.
const AGAIN: Duration = Duration::from_secs(1);
/// A snapshot without an answer is given up after this time: the last answer comes only when the receiver has checked
/// and flushed everything. If it is still needed, Raft asks again.
const PATIENCE: Duration = Duration::from_secs(120);
/// A receiver that is silent for so long does not depend on this very snapshot.
const SILENCE: Duration = Duration::from_secs(5);

/// A snapshot on its way to another node.
#[derive(Debug)]
pub(crate) struct Outgoing {
    id: u64,
    records: Arc<dyn StateStore>,
    applied: u64,
    revision: Revision,
    meta: Vec<u8>,
    /// The hash of everything up to the end of each part that was sent.
    hashes: BTreeMap<Revision, u64>,
    /// The part that is on its way.
    part: Option<Chunk>,
    /// The newest record in it.
    reached: Revision,
    /// Behind which record the next part begins, once it may be sent.
    next: Option<Revision>,
    sent_at: Duration,
    answered_at: Duration,
}

impl Outgoing {
    pub(crate) fn new(id: u64, records: Arc<dyn StateStore>, meta: &Meta, now: Duration) -> Outgoing {
        let bytes = meta.encode();
        Outgoing {
            id,
            records,
            applied: meta.applied,
            revision: meta.revision,
            hashes: BTreeMap::from([(0, hash_of_meta(id, &bytes))]),
            meta: bytes,
            part: None,
            reached: 0,
            next: Some(0),
            sent_at: now,
            answered_at: now,
        }
    }

    /// Whether it should be finished rather than begun anew: its receiver takes it, or the log goes on behind it.
    pub(crate) fn is_usable(&self, first_index: u64, now: Duration) -> bool {
        self.applied + 1 >= first_index || now < self.answered_at + SILENCE
    }

    pub(crate) fn is_given_up(&self, now: Duration) -> bool {
        now >= self.answered_at + PATIENCE
    }

    /// Takes an answer; false when this snapshot is over.
    pub(crate) fn take(&mut self, id: u64, answer: SnapshotAnswer, now: Duration) -> bool {
        if id != self.id {
            return true;
        }
        self.answered_at = now;
        match answer {
            SnapshotAnswer::Has(revision) if self.part.is_some() && revision == self.reached => {
                self.next = Some(revision);
            }
            // An answer to an earlier part.
            SnapshotAnswer::Has(_) => {}
            SnapshotAnswer::ResumesAt(revision) if self.hashes.contains_key(&revision) => {
                self.next = Some(revision);
            }
            SnapshotAnswer::ResumesAt(_) | SnapshotAnswer::Whole | SnapshotAnswer::NotNeeded => return false,
        }
        true
    }

    /// The part that should be sent now, if any: the next one, or the last one again.
    pub(crate) fn due(&mut self, part_bytes: usize, now: Duration) -> Result<Option<Chunk>, DiskError> {
        if let Some(after) = self.next.take() {
            self.fill(after, part_bytes)?;
        } else if now < self.sent_at + AGAIN {
            return Ok(None);
        }
        self.sent_at = now;
        Ok(self.part.clone())
    }

    /// Reads the part behind a record.
    fn fill(&mut self, after: Revision, part_bytes: usize) -> Result<(), DiskError> {
        let meta = if after == 0 { self.meta.clone() } else { Vec::new() };
        let mut part = Chunk { id: self.id, after, meta, records: Vec::new(), hash: None };
        let mut hash = self.hashes.get(&after).copied().unwrap_or(0);
        let (mut reached, mut full) = (after, false);
        self.records.visit(after, self.revision, &mut |revision, value| {
            put_varint(&mut part.records, revision);
            put_bytes(&mut part.records, value);
            hash = hash_of_record(hash, revision, value);
            reached = revision;
            full = part.records.len() >= part_bytes;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        self.hashes.insert(reached, hash);
        part.hash = (!full).then_some(hash);
        (self.reached, self.part) = (reached, Some(part));
        Ok(())
    }
}
