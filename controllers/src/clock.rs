//! Time, given to controllers instead of read by them.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// Time for the runtime and the controllers.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Time since some moment in the past; it never goes back.
    fn elapsed(&self) -> Duration;

    /// Resolves when [`Clock::elapsed`] has reached `deadline`.
    fn sleep_until(&self, deadline: Duration) -> BoxFuture<'static, ()>;
}

impl dyn Clock {
    /// Resolves after `duration`.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.elapsed() + duration)
    }
}

/// A time as the API writes `metav1.Time`.
pub fn time(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// A time as the API writes `metav1.MicroTime`.
pub fn micro_time(at: Timestamp) -> String {
    format!("{at:.6}")
}
