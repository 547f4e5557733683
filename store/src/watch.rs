//! Watching: events in shared rings, and cursors that read them.
//!
//! Keeps: an event is delivered once, in order, or the cursor learns that history was compacted; never silently
//! skipped. A watcher costs a writer nothing beyond its wake-up.

mod budget;
mod cursor;
mod event;
mod hub;
mod hubs;
mod slots;

pub(crate) use budget::Budget;
pub(crate) use cursor::CATCH_UPS_MAX;
pub use cursor::{Cursor, Progress};
pub use event::Event;
pub(crate) use hub::{Hub, Place};
pub(crate) use hubs::{Hubs, Publisher};

use crate::entry::Term;
use crate::key::Key;

/// Which events of its range a watcher wants. The store wakes it only for those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Every event.
    All,
    /// The events of one key.
    Key(Key),
    /// The events whose old or new entry has this term.
    Term(Term),
}

impl Interest {
    pub(crate) fn matches(&self, event: &Event) -> bool {
        match self {
            Interest::All => true,
            Interest::Key(key) => event.key == *key,
            Interest::Term(term) => event.terms().any(|other| other == term),
        }
    }
}
