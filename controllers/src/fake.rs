//! Doubles for tests: an API in memory, a clock that stands still, and a harness that runs controllers on them.
//!
//! Keeps: what happens is decided by the test alone: time moves when it says so, a call fails when it says so, and the
//! watches lag behind for as long as it says so.

#![allow(dead_code, reason = "a double offers what no controller happens to need yet")]

mod api;
mod clock;
mod harness;
mod patch;
mod store;

pub(crate) use api::{FakeApi, Fault};
pub(crate) use clock::FakeClock;
pub(crate) use harness::Harness;
