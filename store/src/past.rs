//! The past: states at older revisions, and the history of a key.
//!
//! An older state of a bucket is the current one with the changes above that revision undone, newest first: from
//! the ring when it reaches back that far, otherwise from the records. Any node gives the same answer.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::bugs::{Bug, planted};
use crate::engine::StateStore;
use crate::entry::{Entry, Revision};
use crate::error::DiskError;
use crate::key::Key;
use crate::record::{Record, RecordHead};
use crate::view::State;
use crate::watch::Event;

const ROOTS_MAX: usize = 16;
const ROOT_BYTES_MAX: usize = 32 << 20;

/// Older states that were made for a read, kept for the next page of it.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    /// Least recently used first.
    roots: VecDeque<Root>,
    bytes: usize,
}

#[derive(Debug)]
struct Root {
    bucket: Box<str>,
    revision: Revision,
    state: Arc<State>,
    /// Bytes that only this root keeps alive, as far as known.
    bytes: usize,
}

impl Roots {
    pub(crate) fn find(&mut self, bucket: &str, revision: Revision) -> Option<Arc<State>> {
        let at = self.roots.iter().position(|root| root.revision == revision && *root.bucket == *bucket)?;
        let root = self.roots.remove(at)?;
        let state = root.state.clone();
        self.roots.push_back(root);
        Some(state)
    }

    pub(crate) fn keep(&mut self, bucket: &str, state: Arc<State>, bytes: usize, floor: Revision) {
        let revision = state.revision;
        self.roots.push_back(Root { bucket: bucket.into(), revision, state, bytes });
        self.bytes += bytes;
        let below_floor: usize =
            self.roots.iter().filter(|root| root.revision < floor).map(|root| root.bytes).sum();
        self.roots.retain(|root| root.revision >= floor);
        self.bytes -= below_floor;
        while self.roots.len() > ROOTS_MAX || self.bytes > ROOT_BYTES_MAX {
            let Some(oldest) = self.roots.pop_front() else { break };
            self.bytes -= oldest.bytes;
        }
    }
}

/// Undoes events, given oldest first, in a state that contains them; counts the bytes this brings back.
pub(crate) fn undo_events(state: &mut State, events: &[Arc<Event>], to: Revision) -> usize {
    let mut bytes = 0;
    for event in events.iter().rev() {
        if planted(Bug::UndoForgetsDeletes) && event.new.is_none() {
            continue;
        }
        bytes += event.old.as_ref().map_or(0, |entry| entry.weight());
        state.install(&event.key, event.old.clone(), to);
    }
    state.revision = to;
    bytes
}

/// Undoes the recorded changes of a bucket above `to`, in a state that contains them.
pub(crate) fn undo_records(
    records: &dyn StateStore,
    state: &mut State,
    bucket: &str,
    to: Revision,
) -> Result<usize, DiskError> {
    // The oldest change of a key above `to` names the version that was current at `to`.
    let mut previous: FxHashMap<Key, Revision> = FxHashMap::default();
    records.visit(to, state.revision, &mut |revision, value| {
        let head = RecordHead::decode(revision, value)?;
        if head.key.starts_with(bucket) && !previous.contains_key(head.key) {
            previous.insert(Key::new(head.key), head.previous);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut bytes = 0;
    for (key, revision) in previous {
        let entry = entry_at(records, revision)?;
        bytes += entry.as_ref().map_or(0, |entry| entry.weight());
        state.install(&key, entry, to);
    }
    state.revision = to;
    Ok(bytes)
}

/// The entry that a record holds; none at revision 0.
pub(crate) fn entry_at(
    records: &dyn StateStore,
    revision: Revision,
) -> Result<Option<Arc<Entry>>, DiskError> {
    if revision == 0 {
        return Ok(None);
    }
    let value = records.record(revision)?.ok_or_else(|| missing(revision))?;
    Ok(Record::decode(revision, &value)?.entry)
}

fn missing(revision: Revision) -> DiskError {
    DiskError::Engine(format!("the record of revision {revision} is missing"))
}

/// The recorded changes of a key, newest first, at most `limit`. `newest` is the revision of the newest one.
pub(crate) fn versions(
    records: &dyn StateStore,
    newest: Revision,
    floor: Revision,
    limit: usize,
) -> Result<Vec<Record>, DiskError> {
    let mut versions = Vec::new();
    let mut revision = newest;
    while revision != 0 && versions.len() < limit {
        let Some(value) = records.record(revision)? else {
            if revision > floor {
                return Err(missing(revision));
            }
            break;
        };
        let record = Record::decode(revision, &value)?;
        // At or below the floor only the newest version is certain to be kept.
        let complete = revision > floor;
        revision = record.previous;
        versions.push(record);
        if !complete {
            break;
        }
    }
    Ok(versions)
}

/// The newest recorded change of a key that may be gone from the current state.
pub(crate) fn newest_change(
    records: &dyn StateStore,
    key: &Key,
    above: Revision,
    through: Revision,
) -> Result<Revision, DiskError> {
    let mut newest = 0;
    records.visit(above, through, &mut |revision, value| {
        if RecordHead::decode(revision, value)?.key == key.as_str() {
            newest = revision;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(newest)
}
