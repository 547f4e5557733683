//! Gathering: how long a batch of proposals waits for more before it is synced.
//!
//! A sync costs the processor far more than a proposal does. When many callers write at once, waiting a moment for
//! those who were answered last saves most syncs; a lone caller never waits.

use std::time::Duration;

/// Decides when a batch is complete enough.
#[derive(Debug)]
pub(crate) struct Gather {
    /// The longest wait of a batch.
    patience: Duration,
    /// The number of proposals that were lately in flight together, in eighths, falling slowly.
    crowd: usize,
    since: Option<Duration>,
}

impl Gather {
    pub(crate) fn new(patience: Duration) -> Gather {
        Gather { patience, crowd: 0, since: None }
    }

    /// How many more proposals are worth waiting for now, and until when; none when the batch should go.
    pub(crate) fn wait(
        &mut self,
        now: Duration,
        queued: usize,
        in_flight: usize,
    ) -> Option<(usize, Duration)> {
        if queued == 0 {
            return None;
        }
        let crowd = self.crowd.max(in_flight * 8);
        // Three quarters of the crowd: waiting for the last ones is not worth it.
        let target = crowd * 3 / 32;
        let until = *self.since.get_or_insert(now) + self.patience;
        if queued >= target || now >= until {
            self.crowd = crowd - crowd / 8;
            self.since = None;
            return None;
        }
        Some((target - queued, until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(2);

    fn at(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn a_lone_caller_never_waits() {
        let mut gather = Gather::new(PATIENCE);
        for moment in 0..10 {
            assert_eq!(gather.wait(at(moment), 1, 1), None);
        }
    }

    #[test]
    fn a_crowd_is_waited_for_but_not_for_long() {
        let mut gather = Gather::new(PATIENCE);
        assert_eq!(gather.wait(at(0), 64, 64), None);
        assert_eq!(gather.wait(at(1_000), 2, 2), Some((40, at(3_000))));
        assert_eq!(gather.wait(at(2_000), 20, 20), Some((22, at(3_000))));
        assert_eq!(gather.wait(at(3_000), 20, 20), None);
        assert!(gather.wait(at(3_100), 1, 1).is_some());
    }

    #[test]
    fn a_crowd_that_left_is_forgotten() {
        let mut gather = Gather::new(PATIENCE);
        assert_eq!(gather.wait(at(0), 64, 64), None);
        let mut now = 0;
        let waits = (0..100).filter(|_| {
            now += 10_000;
            let waits = gather.wait(at(now), 1, 1).is_some();
            gather.wait(at(now + 2_000), 1, 1);
            waits
        });
        assert!(waits.count() < 40);
        assert_eq!(gather.wait(at(now + 10_000), 1, 1), None);
    }
}
