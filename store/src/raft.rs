//! The replica: a sans-IO state machine around raft-rs.
//!
//! Keeps: no threads, clock, disk or network in here; the same code runs in production and under simulation.

mod core;
mod logger;
mod reads;
mod tail;

pub(crate) use self::core::{Committed, Core, CoreOptions, LogBatch, Role};
pub(crate) use self::logger::logger;
pub(crate) use self::tail::{Tail, TailEntry};
