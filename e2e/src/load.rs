//! The load program's parts: an HTTP/2 client over TLS, closed loops, watchers, and the scenarios that use them.
//! Keeps: an answer that is not the expected one ends the scenario with an error; it is never counted as an operation.

pub mod clock;
pub mod closed_loop;
pub mod connection;
pub mod endpoint_watchers;
pub mod error;
pub mod latencies;
pub mod life_cycle;
pub mod machine;
pub mod objects;
pub mod scenarios;
pub mod table;
pub mod target;
pub mod watchers;

pub use error::{Error, Result};
