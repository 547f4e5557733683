//! The state machine: applies log entries to the view and says what to record.
//!
//! Keeps: deterministic. It reads no clock, random number, flag, node id, free space or schema, iterates no
//! unordered map and never parses a value: two nodes at the same index hold the same state, sessions and floor.

use std::collections::VecDeque;
use std::sync::Arc;

use raft::eraftpb::ConfState;
use smallvec::SmallVec;

use crate::bugs::{Bug, planted};
use crate::codec::Malformed;
use crate::command::{Body, Command, ComparePart, Expect, OpPart, TxnParts};
use crate::disk::mix;
use crate::entry::{Entry, Revision, ValueParts};
use crate::key::Key;
use crate::level::{KEEPS_REMOVED, LEVEL_SUPPORTED};
use crate::marks::Mark;
use crate::members::nodes_of;
use crate::meta::Meta;
use crate::record::Record;
use crate::txn::{Outcome, Why};
use crate::view::State;

/// The largest revision: JSON numbers and JavaScript clients are exact below 2^53.
pub(crate) const REVISION_MAX: Revision = 1 << 53;

/// The replicated state, and what is known about its records.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    pub(crate) state: State,
    pub(crate) meta: Meta,
    /// Changes that superseded an older record which is still stored, oldest first.
    superseded: VecDeque<Superseded>,
    /// How many of them, from the front, the floor has made superfluous.
    garbage: usize,
    bytes: StoredBytes,
    /// The sum of the hashes of all records that the floor has not made superfluous.
    hash: u128,
    /// The newest mark.
    pub(crate) mark: Mark,
}

/// A change at `by` made the record at `previous` superfluous once the floor has reached `by`; a removal makes
/// itself superfluous as well.
#[derive(Clone, Copy, Debug)]
struct Superseded {
    by: Revision,
    previous: Revision,
    bytes: u32,
    removal: bool,
    /// The hashes of what became superfluous.
    hash: u128,
}

/// What the records take, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredBytes {
    /// Current entries and the history above the floor.
    pub(crate) retained: u64,
    /// Records that wait to be erased.
    pub(crate) garbage: u64,
    /// All that was ever superseded since the start of the process.
    pub(crate) superseded: u64,
}

/// Bytes of one record beside its key, facts and value, rounded.
const RECORD_OVERHEAD_BYTES: usize = 64;

fn record_bytes(record: &Record) -> u64 {
    let value = record.entry.as_ref().map_or(0, |entry| entry_value_bytes(entry));
    (RECORD_OVERHEAD_BYTES + record.key.as_str().len() + value) as u64
}

fn entry_value_bytes(entry: &Entry) -> usize {
    entry.bytes().len() + entry.facts().len()
}

/// The hash of one version of a key. The previous version is left out: it is the hash of another record.
fn version_hash(key: &str, revision: Revision, entry: Option<&Entry>) -> u128 {
    let (created, bytes, facts) = entry
        .map_or((0, &[][..], &[][..]), |entry| (entry.created, &entry.bytes()[..], entry.facts().as_ref()));
    let mut hash = (mix(revision), mix(!revision));
    for part in [key.as_bytes(), bytes, facts] {
        let sum = u64::from(crc32fast::hash(part)) << 32 | (part.len() as u64 & u64::from(u32::MAX));
        hash = (mix(hash.0 ^ sum), mix(hash.1.wrapping_add(sum)));
    }
    hash = (mix(hash.0 ^ created), mix(hash.1 ^ u64::from(entry.is_some())));
    u128::from(hash.0) << 64 | u128::from(hash.1)
}

/// One applied change: what to record and what watchers are told.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) record: Record,
    pub(crate) old: Option<Arc<Entry>>,
}

impl Machine {
    /// Starts from recorded meta; the records follow through [`Machine::replay`].
    pub(crate) fn new(meta: Meta) -> Machine {
        let mut state = State::default();
        state.floor = meta.floor;
        Machine { state, meta, ..Machine::default() }
    }

    /// Installs a record that was written before; the same path as a live change.
    pub(crate) fn replay(&mut self, record: Record) -> Result<Change, Malformed> {
        if record.revision <= self.state.revision || record.revision > self.meta.revision {
            return Err(Malformed("record order"));
        }
        let expected = self.state.lookup(record.key.as_str()).map_or(0, |entry| entry.modified);
        // At or below the floor older versions may have been dropped; above it each change finds its own.
        let dropped = record.revision <= self.state.floor && expected == 0;
        if record.previous != expected && !dropped {
            return Err(Malformed("record chain: the previous version is missing"));
        }
        Ok(self.install(record))
    }

    /// Ends a replay: the revision is the recorded one, also when its last operations left no record.
    pub(crate) fn replayed(&mut self) {
        if !planted(Bug::ForgottenRevision) {
            self.state.revision = self.meta.revision;
        }
    }

    /// Applies one log entry. Its changes are appended to `changes`.
    pub(crate) fn apply(
        &mut self,
        index: u64,
        term: u64,
        data: &[u8],
        changes: &mut Vec<Change>,
    ) -> Result<Option<Outcome>, Malformed> {
        assert_eq!(index, self.meta.applied + 1, "entries are applied one after the other");
        self.meta.applied = index;
        self.meta.term = term;
        if data.is_empty() {
            return Ok(None);
        }
        let command = Command::decode(data)?;
        if self.meta.removed.contains(&command.session.node) {
            // Its sessions are forgotten, so nobody could tell a second copy from the first.
            return Ok(None);
        }
        if !self.meta.sessions.admit(command.session) && !planted(Bug::DoubleApply) {
            return Ok(None);
        }
        match command.body {
            Body::Txn(txn) => self.apply_txn(term, txn, changes).map(Some),
            Body::Mark => {
                self.mark = Mark { index, hash: self.hash() };
                Ok(Some(Outcome::Applied { first: self.state.revision, entries: SmallVec::new() }))
            }
            Body::Level { level } if level > LEVEL_SUPPORTED => {
                Err(Malformed("cluster level: a newer release is needed"))
            }
            Body::Level { level } => {
                self.meta.cluster_level = self.meta.cluster_level.max(level);
                let first = self.state.revision;
                Ok(Some(Outcome::Applied { first, entries: SmallVec::new() }))
            }
            Body::Compact { floor } => {
                self.raise_floor(floor);
                let first = self.state.revision;
                Ok(Some(Outcome::Applied { first, entries: SmallVec::new() }))
            }
        }
    }

    /// Takes in a membership; whoever is in it no more never will be again.
    pub(crate) fn change_members(&mut self, conf: ConfState) {
        let meta = &mut self.meta;
        if meta.cluster_level >= KEEPS_REMOVED && !planted(Bug::ForgottenRemoval) {
            let now = nodes_of(&conf);
            for node in nodes_of(&meta.conf).difference(&now) {
                meta.removed.insert(*node);
                meta.sessions.forget(*node);
            }
        }
        meta.conf = conf;
    }

    fn apply_txn(
        &mut self,
        term: u64,
        txn: TxnParts<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<Outcome, Malformed> {
        if txn.fence.is_some_and(|fence| fence != term) && !planted(Bug::Unfenced) {
            return Ok(Outcome::NotProposed(Why::Fenced));
        }
        if !txn.compares.iter().all(|compare| self.holds(compare)) {
            let current = txn.compares.iter().map(|compare| self.state.lookup(compare.key).cloned());
            return Ok(Outcome::Failed { current: current.collect(), revision: self.state.revision });
        }
        let first = self.state.revision + 1;
        if first + txn.ops.len() as u64 > REVISION_MAX {
            return Err(Malformed("revision: the counter is exhausted"));
        }
        let mut entries = SmallVec::with_capacity(txn.ops.len());
        for op in txn.ops {
            if planted(Bug::SharedRevision) && !entries.is_empty() {
                self.state.revision -= 1;
            }
            entries.push(self.apply_op(op, changes));
        }
        Ok(Outcome::Applied { first, entries })
    }

    fn holds(&self, compare: &ComparePart<'_>) -> bool {
        let current = self.state.lookup(compare.key);
        match compare.expect {
            Expect::Absent => current.is_none(),
            Expect::Present => current.is_some(),
            Expect::Modified(revision) => current.is_some_and(|entry| entry.modified == revision),
        }
    }

    fn apply_op(&mut self, op: OpPart<'_>, changes: &mut Vec<Change>) -> Option<Arc<Entry>> {
        let revision = self.state.revision + 1;
        match op {
            OpPart::Put { key, splice_at, terms, facts, bytes } => {
                let current = self.state.lookup(key);
                let previous = current.map_or(0, |entry| entry.modified);
                let created = current.map_or(revision, |entry| entry.created);
                let key = current.map_or_else(|| Key::new(key), |entry| entry.key.clone());
                let value = ValueParts { bytes, facts };
                let entry = Entry::spliced(key.clone(), created, revision, splice_at, terms, value);
                let entry = Arc::new(entry);
                let record = Record { revision, key, previous, entry: Some(entry.clone()) };
                changes.push(self.install(record));
                Some(entry)
            }
            OpPart::Delete { key } => {
                let Some(current) = self.state.lookup(key).cloned() else {
                    self.advance(revision);
                    return None;
                };
                let previous = current.modified;
                let record = Record { revision, key: current.key.clone(), previous, entry: None };
                changes.push(self.install(record));
                Some(current)
            }
        }
    }

    fn install(&mut self, record: Record) -> Change {
        let revision = record.revision;
        let old = self.state.install(&record.key, record.entry.clone(), revision);
        let removal = record.entry.is_none();
        self.bytes.retained += record_bytes(&record);
        let hash = version_hash(record.key.as_str(), revision, record.entry.as_deref());
        self.hash = self.hash.wrapping_add(hash);
        if old.is_some() || removal {
            self.supersede(&record, old.as_deref());
        }
        self.advance(revision);
        Change { record, old }
    }

    fn supersede(&mut self, by: &Record, old: Option<&Entry>) {
        let key = by.key.as_str().len();
        let older = old.map_or(0, |entry| (RECORD_OVERHEAD_BYTES + key + entry_value_bytes(entry)) as u64);
        let own = if by.entry.is_none() { record_bytes(by) } else { 0 };
        let bytes = older + own;
        let older = old.map_or(0, |entry| version_hash(by.key.as_str(), entry.modified, Some(entry)));
        let own = if by.entry.is_none() { version_hash(by.key.as_str(), by.revision, None) } else { 0 };
        let superseded = Superseded {
            hash: older.wrapping_add(own),
            by: by.revision,
            previous: old.map_or(0, |entry| entry.modified),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            removal: by.entry.is_none(),
        };
        self.bytes.superseded += u64::from(superseded.bytes);
        self.superseded.push_back(superseded);
        self.count_garbage();
    }

    /// Moves what the floor has reached from history to garbage.
    fn count_garbage(&mut self) {
        while let Some(next) = self.superseded.get(self.garbage) {
            let early = if planted(Bug::CompactionLosesPrevious) { 20 } else { 0 };
            if next.by > self.state.floor + early {
                break;
            }
            let bytes = u64::from(next.bytes);
            self.bytes.retained = self.bytes.retained.saturating_sub(bytes);
            self.bytes.garbage += bytes;
            self.hash = self.hash.wrapping_sub(next.hash);
            self.garbage += 1;
        }
    }

    /// Changes the state's hash, as a flipped bit in memory would.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn flip_memory(&mut self, bit: u64) {
        self.hash ^= 1 << (bit % 128);
    }

    /// The hash of everything that every node must have at this index.
    pub(crate) fn hash(&self) -> u128 {
        let meta = self.meta.encode();
        self.hash.wrapping_add(u128::from(mix(u64::from(crc32fast::hash(&meta)))))
    }

    pub(crate) fn bytes(&self) -> StoredBytes {
        self.bytes
    }

    fn advance(&mut self, revision: Revision) {
        assert!(revision > self.state.revision, "revisions only grow");
        self.state.revision = revision;
        self.meta.revision = self.meta.revision.max(revision);
    }

    /// The floor only rises, and never above the newest revision.
    pub(crate) fn raise_floor(&mut self, floor: Revision) {
        let floor = floor.min(self.state.revision).max(self.state.floor);
        self.state.floor = floor;
        self.meta.floor = floor;
        self.count_garbage();
    }

    /// Takes at most `limit` revisions of records that the floor has made superfluous.
    pub(crate) fn take_garbage(&mut self, limit: usize) -> Vec<Revision> {
        let mut garbage = Vec::new();
        if planted(Bug::CompactionLosesDelete) {
            let removals = self.superseded.iter().skip(self.garbage).filter(|next| next.removal);
            garbage.extend(removals.take(1).map(|next| next.by));
        }
        while garbage.len() < limit && self.garbage > 0 {
            let Some(front) = self.superseded.pop_front() else { break };
            self.garbage -= 1;
            self.bytes.garbage = self.bytes.garbage.saturating_sub(u64::from(front.bytes));
            if front.previous != 0 {
                garbage.push(front.previous);
            }
            if front.removal {
                garbage.push(front.by);
            }
        }
        garbage
    }
}

#[cfg(test)]
mod tests;
