//! The pace of snapshots: how soon the next part may be read and sent. Keeps: over any while, no more bytes than the rate
//! allows and one part, whatever the number of receivers, so writes find disk and network free.

use std::time::Duration;

/// How far ahead of the rate a part may leave: finer than this the owner's clock does not tick.
const AHEAD: Duration = Duration::from_millis(20);

/// Spends bytes no faster than a rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When everything that was spent will have been allowed.
    even_at: Duration,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: u64) -> Pace {
        Pace { bytes_per_second: bytes_per_second.max(1), even_at: Duration::ZERO }
    }

    /// Whether something may be sent now.
    pub(crate) fn allows(&self, now: Duration) -> bool {
        self.even_at <= now + AHEAD
    }

    pub(crate) fn spend(&mut self, bytes: usize, now: Duration) {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / self.bytes_per_second;
        self.even_at = self.even_at.max(now) + Duration::from_nanos(nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_and_a_rest_saves_nothing_up() {
        let mut pace = Pace::new(1_000);
        let at = Duration::from_millis;
        assert!(pace.allows(at(0)));
        pace.spend(500, at(0));
        assert!(!pace.allows(at(470)) && pace.allows(at(480)));
        pace.spend(500, at(5_000));
        assert!(!pace.allows(at(5_400)));
        let sent = (0..10_000).filter(|moment| {
            let allowed = pace.allows(at(10_000 + moment));
            if allowed {
                pace.spend(100, at(10_000 + moment));
            }
            allowed
        });
        assert!((100..=101).contains(&sent.count()), "100 parts of 100 bytes in 10 s");
    }
}
