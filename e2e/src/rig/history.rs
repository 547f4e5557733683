//! What clients did and saw, as they recorded it. Keeps: a record says only what its client knew: an answer that did
//! not come is `Unknown`, never a failure.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Microseconds since the recording began, on the one clock of all clients.
pub type Time = u64;
/// A resourceVersion.
pub type Revision = u64;
/// A value that no other write carries.
pub type Stamp = u64;

/// What a write was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new object under a name never used before.
    Create,
    /// Another value, whatever the present one is.
    Update,
    /// Another value, on condition that the object is as it was read.
    Conditional,
    /// The end of the object.
    Delete,
}

/// What became of a write, as far as its client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server said that it is done; deletions do not tell their revision.
    Acknowledged(Option<Revision>),
    /// The server said that it did nothing: status and message.
    Refused(u16, String),
    /// No answer, or one that leaves it open.
    Unknown,
}

/// One write of one client.
#[derive(Clone, Debug)]
pub struct Write {
    /// Which client.
    pub client: usize,
    /// Name of the object.
    pub key: String,
    /// What was asked.
    pub change: Change,
    /// What was written; of no meaning for deletions.
    pub stamp: Stamp,
    /// The revision that a conditional write is based on.
    pub based_on: Option<Revision>,
    /// When it was sent.
    pub began: Time,
    /// When the answer was there, or the client gave up.
    pub ended: Time,
    /// The answer.
    pub outcome: Outcome,
}

/// A list of all objects, as answered to one client.
#[derive(Clone, Debug)]
pub struct List {
    /// Which client.
    pub client: usize,
    /// The request's resourceVersion.
    pub asked: &'static str,
    /// When it was sent.
    pub began: Time,
    /// The list's resourceVersion.
    pub revision: Revision,
    /// The objects: their resourceVersion and value.
    pub objects: BTreeMap<String, (Revision, Stamp)>,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was made.
    Added,
    /// It was changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// An event of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub happened: Happened,
    /// Name of the object.
    pub key: String,
    /// The event's revision.
    pub revision: Revision,
    /// The object's value, the last one for deletions.
    pub stamp: Stamp,
}

/// One watcher's whole story: a list, then events, over however many connections.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The revision that the first watch began behind.
    pub from: Revision,
    /// Events in the order of their arrival.
    pub events: Vec<Event>,
    /// Bookmarks: how many events had arrived before, and the revision.
    pub bookmarks: Vec<(usize, Revision)>,
    /// How often it continued on another connection.
    pub resumed: usize,
    /// How often it was told to list again.
    pub relists: usize,
}

/// Everything that was recorded.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Writes.
    pub writes: Vec<Write>,
    /// Lists.
    pub lists: Vec<List>,
    /// Watchers.
    pub watchers: Vec<Watched>,
    /// Lists that were not answered.
    pub failed_reads: usize,
    /// What each node answered at the end: its name and all objects.
    pub ends: Vec<(String, List)>,
}

/// A history that many clients write into.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<History>);

impl Recorder {
    /// Adds a write.
    pub fn write(&self, write: Write) {
        self.lock().writes.push(write);
    }

    /// Adds a list.
    pub fn list(&self, list: List) {
        self.lock().lists.push(list);
    }

    /// Counts a list that was not answered.
    pub fn failed_read(&self) {
        self.lock().failed_reads += 1;
    }

    /// Adds a watcher that has ended.
    pub fn watched(&self, watched: Watched) {
        self.lock().watchers.push(watched);
    }

    /// Adds a node's final answer.
    pub fn end(&self, node: String, list: List) {
        self.lock().ends.push((node, list));
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        let writes = &self.lock().writes;
        writes.iter().filter(|write| matches!(write.outcome, Outcome::Acknowledged(_))).count()
    }

    /// Takes all that was recorded, and begins anew.
    pub fn take(&self) -> History {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, History> {
        // A history is whole after every statement above, so a client that panicked leaves a good one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
