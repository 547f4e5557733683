//! Events: what one change did to one key, with the encoded forms that watchers share.
//!
//! Keeps: a form is made once per event and lives as long as the event; while the event stands in a ring, its
//! bytes count against the rings' budget.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::entry::{Entry, Revision, Term};
use crate::key::Key;
use crate::watch::Budget;

/// Struct and allocation headers of one event, rounded.
const EVENT_OVERHEAD_BYTES: usize = 224;

/// One change of one key.
pub struct Event {
    /// The revision of the change.
    pub revision: Revision,
    /// The changed key.
    pub key: Key,
    /// The entry before, none for a creation.
    pub old: Option<Arc<Entry>>,
    /// The entry after, none for a removal.
    pub new: Option<Arc<Entry>>,
    forms: Mutex<Forms>,
}

#[derive(Default)]
struct Forms {
    made: SmallVec<[(u64, Bytes); 1]>,
    /// Set while the event stands in a ring.
    budget: Option<Arc<Budget>>,
    charged: usize,
}

impl Event {
    pub(crate) fn new(
        revision: Revision,
        key: Key,
        old: Option<Arc<Entry>>,
        new: Option<Arc<Entry>>,
    ) -> Event {
        Event { revision, key, old, new, forms: Mutex::new(Forms::default()) }
    }

    /// The same change between other entries, for those to whom objects are shown otherwise than they are stored.
    pub fn with_entries(&self, old: Option<Arc<Entry>>, new: Option<Arc<Entry>>) -> Event {
        Event::new(self.revision, self.key.clone(), old, new)
    }

    /// The encoded form `id`, made on first need and shared by all who ask for it.
    pub fn form(&self, id: u64, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut forms = self.forms.lock();
        if let Some((_, bytes)) = forms.made.iter().find(|(made, _)| *made == id) {
            return bytes.clone();
        }
        let bytes = make();
        forms.made.push((id, bytes.clone()));
        if let Some(budget) = &forms.budget {
            budget.charge(bytes.len());
            forms.charged += bytes.len();
        }
        bytes
    }

    /// The terms of the old and the new entry; one that both have comes twice.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &Term> {
        [&self.old, &self.new].into_iter().flatten().flat_map(|entry| entry.terms())
    }

    /// Counts the event against the rings. The new entry is the view's own, so only what it replaced adds
    /// memory.
    pub(crate) fn enter_ring(&self, budget: &Arc<Budget>) {
        let mut forms = self.forms.lock();
        let bytes = EVENT_OVERHEAD_BYTES + self.old.as_ref().map_or(0, |entry| entry.weight());
        budget.charge(bytes);
        forms.charged = bytes;
        forms.budget = Some(budget.clone());
    }

    pub(crate) fn leave_ring(&self) {
        let mut forms = self.forms.lock();
        if let Some(budget) = forms.budget.take() {
            budget.release(forms.charged);
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (old, new) = (self.old.is_some(), self.new.is_some());
        write!(formatter, "Event({} {} old {old} new {new})", self.revision, self.key)
    }
}
