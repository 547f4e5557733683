//! What clients did and saw, in microseconds of the world, and what the records say really happened.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::entry::{Entry, Revision};
use crate::record::Record;
use crate::sim::Failure;

/// One version of a key, as anybody saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) created: Revision,
    pub(crate) modified: Revision,
    pub(crate) bytes: Bytes,
}

impl Version {
    pub(crate) fn of(entry: &Entry) -> Version {
        Version { created: entry.created, modified: entry.modified, bytes: entry.bytes().clone() }
    }
}

/// What a client expects of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Absent,
    Present,
    Modified(Revision),
}

/// One operation of a write: a value to put, or a removal.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: String,
    /// The unique bytes that are put, without the revision; none removes.
    pub(crate) put: Option<Bytes>,
    pub(crate) spliced: bool,
}

/// A write as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) fence: Option<u64>,
    pub(crate) compares: Vec<(String, Expected)>,
    pub(crate) changes: Vec<Change>,
}

/// What a write was answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Applied { first: Revision, entries: Vec<Option<Version>> },
    Failed { revision: Revision, current: Vec<Option<Version>> },
    NotProposed,
    Unknown,
}

/// A finished write.
#[derive(Clone, Debug)]
pub(crate) struct WriteSeen {
    pub(crate) write: Write,
    pub(crate) answer: Answer,
    /// The newest revision that anybody had been told of when it began.
    pub(crate) known_before: Revision,
}

/// A finished read of one bucket.
#[derive(Clone, Debug)]
pub(crate) struct ReadSeen {
    pub(crate) bucket: String,
    pub(crate) revision: Revision,
    pub(crate) contents: Vec<(String, Version)>,
    /// The least revision it had to show.
    pub(crate) at_least: Revision,
    /// Exactly this revision was asked for.
    pub(crate) exact: bool,
}

/// An event as a watcher saw it.
#[derive(Clone, Debug)]
pub(crate) struct EventSeen {
    pub(crate) revision: Revision,
    pub(crate) key: String,
    pub(crate) old: Option<Version>,
    pub(crate) new: Option<Version>,
}

/// One cursor from its start to its end.
#[derive(Clone, Debug)]
pub(crate) struct WatchSeen {
    pub(crate) bucket: String,
    /// The events of one key only.
    pub(crate) only: Option<String>,
    pub(crate) from: Revision,
    pub(crate) events: Vec<EventSeen>,
    /// Positions the cursor claimed, each with the number of events that had been delivered.
    pub(crate) bookmarks: Vec<(usize, Revision)>,
}

impl WatchSeen {
    /// Whether it began before a revision and came any further. (On a node without a state it waits for one.)
    pub(crate) fn goes_on_from_before(&self, revision: Revision) -> bool {
        let moved = self.bookmarks.iter().any(|(_, position)| *position > self.from);
        self.from < revision && (moved || !self.events.is_empty())
    }
}

/// Everything clients saw.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) writes: Vec<WriteSeen>,
    pub(crate) reads: Vec<ReadSeen>,
    pub(crate) watches: Vec<WatchSeen>,
    pub(crate) histories: Vec<(String, Vec<Record>)>,
    /// Per term: the revision at which its leader began its duties.
    pub(crate) duties: BTreeMap<u64, Revision>,
    /// The newest revision that anybody was told of.
    pub(crate) known: Revision,
    /// Watches from below here, of the cluster that was backed up, must not go on.
    pub(crate) base: Revision,
}

impl History {
    pub(crate) fn learn(&mut self, revision: Revision) {
        self.known = self.known.max(revision);
    }
}

/// What happened, put together from the records of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) records: BTreeMap<Revision, Record>,
    encoded: BTreeMap<Revision, Bytes>,
    /// Per applied index: what a node's meta was there.
    metas: BTreeMap<u64, Bytes>,
}

impl Truth {
    /// Takes in a record that some node wrote.
    pub(crate) fn record(&mut self, revision: Revision, value: &[u8]) -> Result<(), Failure> {
        if let Some(known) = self.encoded.get(&revision) {
            if known != value {
                let what = format!("two nodes recorded different changes under revision {revision}");
                return Err(Failure::new("equal records", what));
            }
            return Ok(());
        }
        let record = Record::decode(revision, value)
            .map_err(|error| Failure::new("equal records", format!("record {revision}: {error}")))?;
        self.encoded.insert(revision, Bytes::copy_from_slice(value));
        self.records.insert(revision, record);
        Ok(())
    }

    /// Takes in the meta of a node that has applied `index`.
    pub(crate) fn meta(&mut self, index: u64, meta: Vec<u8>) -> Result<(), Failure> {
        let meta = Bytes::from(meta);
        match self.metas.insert(index, meta.clone()) {
            Some(known) if known != meta => {
                Err(Failure::new("equal state", format!("two nodes differ at applied index {index}")))
            }
            _ => Ok(()),
        }
    }

    /// What had happened up to a revision: what a cluster restored to it begins with.
    pub(crate) fn through(&self, revision: Revision) -> Truth {
        let mut truth = Truth::default();
        for (at, record) in self.records.range(..=revision) {
            truth.records.insert(*at, record.clone());
            truth.encoded.extend(self.encoded.get(at).map(|value| (*at, value.clone())));
        }
        truth
    }

    /// The newest revision known.
    pub(crate) fn newest(&self) -> Revision {
        self.records.last_key_value().map_or(0, |(revision, _)| *revision)
    }
}
