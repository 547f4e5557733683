//! Plans: what a controller wants done, as data.

use std::time::Duration;

use ecow::EcoString;
use serde_json::Value;

use crate::api::{DeleteOptions, PatchType, Resource, WriteOptions};
use crate::event::Event;

/// What is to be done about a key. Actions are carried out in order, and the first refusal ends the run; the key runs
/// again then, and [`crate::View::failure`] tells why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In order.
    pub actions: Vec<Action>,
    /// When to look again even if nothing changes.
    pub requeue_after: Option<Duration>,
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Create the object that `object.metadata` names.
    Create {
        /// Where.
        resource: &'static Resource,
        /// The whole object.
        object: Value,
    },
    /// Replace the object that `object.metadata` names. A resourceVersion in it is a precondition.
    Update {
        /// Where.
        resource: &'static Resource,
        /// `status` …; empty for the object itself.
        subresource: &'static str,
        /// The whole object.
        object: Value,
    },
    /// Change an object.
    Patch {
        /// Where.
        resource: &'static Resource,
        /// Its namespace.
        namespace: EcoString,
        /// Its name.
        name: EcoString,
        /// How the patch is meant.
        kind: PatchType,
        /// The patch.
        patch: Value,
        /// Subresource and field manager.
        options: WriteOptions,
    },
    /// Delete an object. One that is gone already is no failure.
    Delete {
        /// Where.
        resource: &'static Resource,
        /// Its namespace.
        namespace: EcoString,
        /// Its name.
        name: EcoString,
        /// Preconditions, propagation and grace.
        options: DeleteOptions,
    },
    /// Tell people.
    Record(Event),
}

impl Plan {
    /// Nothing to do.
    pub fn done() -> Plan {
        Plan::default()
    }

    /// Nothing to do before `delay` is over.
    pub fn after(delay: Duration) -> Plan {
        Plan { requeue_after: Some(delay), ..Plan::default() }
    }
}

impl From<Vec<Action>> for Plan {
    fn from(actions: Vec<Action>) -> Plan {
        Plan { actions, requeue_after: None }
    }
}
