//! The store's threads, each a loop over turns that a simulation takes one by one. The owner drives the core and touches neither disk nor state; the log thread writes and
//! syncs one batch at a time; the state thread applies, publishes and records; the flush thread makes the state
//! durable so that the log can be cut; the wake thread wakes crowds of watchers.

mod flush;
mod log;
mod owner;
mod pending;
mod snapshot;
mod state;
mod wake;

pub(crate) use flush::{FlushEvent, FlushThread};
pub(crate) use log::{LogEvent, LogThread, Switch};
pub(crate) use owner::{Owner, OwnerParts};
pub(crate) use snapshot::{Built, Pace, SnapshotEvent, SnapshotThread, may_resume};
pub(crate) use state::{SinceFlush, StateEvent, StateThread, event_of};
#[cfg(any(test, feature = "simulation"))]
pub(crate) use wake::wake_turn;
pub(crate) use wake::{Wake, run_wake};
