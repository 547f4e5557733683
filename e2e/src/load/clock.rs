//! The clock of the measurements and heartbeats: the only place of this crate that reads one.

use std::time::{Duration, Instant};

/// A moment, to measure from.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Instant);

impl Moment {
    /// This moment.
    #[expect(clippy::disallowed_methods, reason = "measuring time is what the load program is for")]
    pub fn now() -> Moment {
        Moment(Instant::now())
    }

    /// Time since then.
    pub fn elapsed(self) -> Duration {
        Moment::now().0.duration_since(self.0)
    }
}

/// The time of day in UTC, in seconds, as the API writes it.
pub fn utc_seconds() -> String {
    now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The same in microseconds.
pub fn utc_microseconds() -> String {
    now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Seconds since the Unix epoch.
pub fn unix_seconds() -> i64 {
    now().as_second()
}

#[expect(clippy::disallowed_methods, reason = "clients write the time of day into their heartbeats")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
