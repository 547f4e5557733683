//! The pauses between attempts to reach a node. Keeps: they double up to a limit, and no two nodes keep step, because
//! half of each pause is random. The same seed gives the same pauses.

use std::time::Duration;

use crate::disk::mix;

#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
    seed: u64,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration, seed: u64) -> Backoff {
        Backoff { min, max, next: min, seed }
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.max);
        self.seed = mix(self.seed.wrapping_add(1));
        let half = full / 2;
        half + Duration::from_nanos(self.seed % (half.as_nanos() as u64).max(1))
    }

    /// Begins anew after a success.
    pub(super) fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_begin_anew_after_a_success() {
        let (min, max) = (Duration::from_millis(20), Duration::from_millis(100));
        let mut backoff = Backoff::new(min, max, 7);
        for full in [20, 40, 80, 100, 100].map(Duration::from_millis) {
            let pause = backoff.pause();
            assert!(full / 2 <= pause && pause < full, "{pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.pause() < min);
    }

    #[test]
    fn seeds_tell_pauses_apart_and_repeat_them() {
        let pause = |seed| Backoff::new(Duration::from_secs(1), Duration::from_secs(1), seed).pause();
        assert_eq!(pause(1), pause(1));
        assert_ne!(pause(1), pause(2));
    }
}
