//! The tail of the log in memory: raft-rs's storage reads only this, never a disk.
//!
//! Keeps: every entry that is not yet applied is here; applied ones stay while they fit the limit, for followers
//! that are a little behind. A follower that needs older ones gets a snapshot.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::util::limit_size;
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};

/// An entry and its place in the chain.
#[derive(Clone, Debug)]
pub(crate) struct TailEntry {
    pub(crate) entry: Entry,
    pub(crate) chain: u64,
}

/// The newest entries of the log, and the state raft-rs starts from.
#[derive(Debug)]
pub(crate) struct Tail {
    entries: VecDeque<TailEntry>,
    bytes: usize,
    bytes_max: usize,
    /// The entry before the first one in memory.
    before: (u64, u64, u64),
    hard_state: HardState,
    conf_state: ConfState,
    /// Nodes that need older entries than these.
    wishes: RefCell<BTreeSet<u64>>,
    /// While snapshots are on their way, entries behind them are kept longer.
    held: bool,
}

/// How much more may be kept while snapshots are on their way: what is written meanwhile must follow them, or their
/// receivers never catch up. At the default sizes that is 16 MiB a second for each GiB of state.
const HELD_FACTOR: usize = 16;
/// Memory of one entry beside its data, rounded.
const ENTRY_OVERHEAD_BYTES: usize = 128;

impl Tail {
    /// Starts a tail behind the entry `(index, term, chain)`.
    pub(crate) fn new(
        before: (u64, u64, u64),
        bytes_max: usize,
        hard_state: HardState,
        conf: ConfState,
    ) -> Tail {
        Tail {
            entries: VecDeque::new(),
            bytes: 0,
            bytes_max,
            before,
            hard_state,
            conf_state: conf,
            wishes: RefCell::default(),
            held: false,
        }
    }

    /// Appends entries that follow the last one, or that replace a conflicting end.
    pub(crate) fn append(&mut self, entries: impl IntoIterator<Item = TailEntry>) {
        for entry in entries {
            self.cut_from(entry.entry.index);
            assert_eq!(entry.entry.index, self.last().0 + 1, "the log has no gaps");
            self.bytes += weight(&entry);
            self.entries.push_back(entry);
        }
    }

    /// Drops entries from `index` on.
    fn cut_from(&mut self, index: u64) {
        assert!(index > self.before.0, "an erased entry is never replaced");
        while self.entries.back().is_some_and(|last| last.entry.index >= index) {
            let dropped = self.entries.pop_back().expect("there is a last entry");
            self.bytes -= weight(&dropped);
        }
    }

    /// Index, term and chain value of the last entry.
    pub(crate) fn last(&self) -> (u64, u64, u64) {
        self.entries.back().map_or(self.before, |last| (last.entry.index, last.entry.term, last.chain))
    }

    /// The entries behind an index.
    pub(crate) fn behind(&self, index: u64) -> Vec<TailEntry> {
        self.entries.iter().filter(|entry| entry.entry.index > index).cloned().collect()
    }

    /// The chain value of the entry at `index`, which is in memory or right before it.
    pub(crate) fn chain(&self, index: u64) -> Option<u64> {
        if index == self.before.0 {
            return Some(self.before.2);
        }
        self.at(index).map(|entry| entry.chain)
    }

    fn at(&self, index: u64) -> Option<&TailEntry> {
        let offset = index.checked_sub(self.before.0 + 1)?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    /// Sets how many bytes of applied entries are kept.
    pub(crate) fn keep(&mut self, bytes: usize) {
        self.bytes_max = bytes;
    }

    /// Takes the nodes that need a snapshot.
    pub(crate) fn take_wishes(&mut self) -> BTreeSet<u64> {
        self.wishes.take()
    }

    /// Keeps entries longer, or no longer.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Forgets applied entries that do not fit the limit.
    pub(crate) fn trim(&mut self, applied: u64) {
        let bytes_max = if self.held { self.bytes_max * HELD_FACTOR } else { self.bytes_max };
        while self.bytes > bytes_max {
            match self.entries.front() {
                Some(first) if first.entry.index <= applied => {
                    self.before = (first.entry.index, first.entry.term, first.chain);
                    self.bytes -= weight(first);
                    self.entries.pop_front();
                }
                _ => break,
            }
        }
        if self.entries.capacity() > 1_024 && self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }
}

fn weight(entry: &TailEntry) -> usize {
    entry.entry.data.len() + entry.entry.context.len() + ENTRY_OVERHEAD_BYTES
}

impl Storage for Tail {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.conf_state.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.before.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        if high > self.last().0 + 1 || low > high {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let max_size = max_size.into();
        let from = (low - self.before.0 - 1) as usize;
        let to = (high - self.before.0 - 1) as usize;
        let mut size = 0;
        let mut entries = Vec::new();
        for TailEntry { entry, .. } in self.entries.range(from..to) {
            // Stop copying where the limit cuts; the cut itself follows raft-rs's own rule.
            size += entry.data.len() as u64;
            entries.push(entry.clone());
            if max_size.is_some_and(|max| size > max) {
                break;
            }
        }
        limit_size(&mut entries, max_size);
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.before.0 {
            return Ok(self.before.1);
        }
        if index < self.before.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        self.at(index).map(|entry| entry.entry.term).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.before.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last().0)
    }

    /// Snapshots do not travel in Raft's messages: the wish is noted, and whoever gets one answers as if it had.
    fn snapshot(&self, _request_index: u64, to: u64) -> raft::Result<Snapshot> {
        self.wishes.borrow_mut().insert(to);
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64) -> TailEntry {
        TailEntry {
            entry: Entry { index, term, data: vec![0; 1_000], ..Entry::default() },
            chain: index * 10,
        }
    }

    fn tail(bytes_max: usize) -> Tail {
        let mut tail = Tail::new((4, 1, 40), bytes_max, HardState::default(), ConfState::default());
        tail.append((5..=9).map(|index| entry(index, 2)));
        tail
    }

    fn indexes(tail: &Tail, low: u64, high: u64, max: u64) -> Vec<u64> {
        let entries = tail.entries(low, high, max, GetEntriesContext::empty(false)).expect("entries");
        entries.iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn entries_are_limited_by_size_but_never_empty() {
        let tail = tail(1 << 20);
        assert_eq!(indexes(&tail, 5, 10, u64::MAX), [5, 6, 7, 8, 9]);
        assert_eq!(indexes(&tail, 6, 9, 10), [6]);
    }

    #[test]
    fn a_conflicting_end_is_replaced() {
        let mut tail = tail(1 << 20);
        tail.append([entry(7, 3)]);
        assert_eq!(tail.last(), (7, 3, 70));
        assert_eq!(tail.term(6).expect("term"), 2);
    }

    #[test]
    fn only_applied_entries_are_trimmed() {
        let mut tail = tail(1);
        tail.trim(6);
        assert_eq!((tail.first_index().expect("first"), tail.term(6).expect("term")), (7, 2));
        assert!(matches!(tail.term(5), Err(Error::Store(StorageError::Compacted))));
        assert_eq!(tail.chain(6), Some(60));
    }
}
