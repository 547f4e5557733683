//! The clock of the measurements: the only place of this crate that reads one.

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
