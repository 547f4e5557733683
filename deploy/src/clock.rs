//! The time of day, read here and handed down.

use jiff::Timestamp;

/// Now.
#[allow(clippy::disallowed_methods, reason = "this is the clock of the binary")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
