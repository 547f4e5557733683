//! The simulator: a whole cluster of the production code on one thread, from one seed.
//!
//! Only what touches the world is replaced: clock, disk, network, and who takes the next turn. Keeps: the same seed
//! gives the same run, event by event; every choice is drawn from the seed, none from a hash order, the wall clock or
//! an address.

mod check;
mod client;
pub(crate) mod disk;
mod faults;
mod history;
mod network;
mod node;
mod random;
mod watcher;
mod world;

#[cfg(test)]
mod tests;

pub use crate::bugs::Bug;
pub use faults::Plan;
pub use world::{Figures, Verdict, run};

/// How a simulation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which check noticed.
    pub check: &'static str,
    /// What it saw.
    pub what: String,
}

impl Failure {
    pub(crate) fn new(check: &'static str, what: impl Into<String>) -> Failure {
        Failure { check, what: what.into() }
    }
}
