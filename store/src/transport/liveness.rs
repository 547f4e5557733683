//! Whether what is sent on a connection arrives. Keeps: a slow connection lives as long as anything arrives; a quiet
//! one lives for ever; one that swallows what it is given is dead after a while.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Liveness {
    silence_max: Duration,
    sent: u64,
    arrived: u64,
    /// When something had arrived, or nothing was missing.
    since: Duration,
}

impl Liveness {
    pub(super) fn new(silence_max: Duration, now: Duration) -> Liveness {
        Liveness { silence_max, sent: 0, arrived: 0, since: now }
    }

    /// Counts bytes that are about to be sent.
    pub(super) fn send(&mut self, bytes: usize, now: Duration) {
        if self.arrived == self.sent {
            self.since = now;
        }
        self.sent += bytes as u64;
    }

    /// Takes in how many bytes have arrived altogether.
    pub(super) fn hear(&mut self, arrived: u64, now: Duration) {
        // More than was sent cannot arrive; it would only make this side believe too much.
        let arrived = arrived.min(self.sent);
        if arrived > self.arrived || arrived == self.sent {
            self.since = now;
        }
        self.arrived = arrived.max(self.arrived);
    }

    /// Whether the connection should be given up.
    pub(super) fn is_dead(&self, now: Duration) -> bool {
        self.arrived < self.sent && now.saturating_sub(self.since) > self.silence_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_quiet_connection_lives_and_its_silence_does_not_count_against_what_comes_later() {
        let mut liveness = Liveness::new(at(2), at(0));
        assert!(!liveness.is_dead(at(100)));
        liveness.send(10, at(100));
        assert!(!liveness.is_dead(at(102)));
        assert!(liveness.is_dead(at(103)));
    }

    #[test]
    fn a_slow_connection_lives_while_anything_arrives() {
        let mut liveness = Liveness::new(at(2), at(0));
        liveness.send(10, at(0));
        for second in 1..10 {
            liveness.hear(second, at(second * 2));
            assert!(!liveness.is_dead(at(second * 2 + 1)));
        }
        assert!(liveness.is_dead(at(21)));
    }

    #[test]
    fn pulses_that_repeat_or_exaggerate_prove_nothing() {
        let mut liveness = Liveness::new(at(2), at(0));
        liveness.send(10, at(0));
        liveness.hear(5, at(1));
        liveness.hear(5, at(2));
        liveness.hear(4, at(3));
        assert!(liveness.is_dead(at(4)));
        liveness.hear(1_000, at(4));
        assert!(!liveness.is_dead(at(9)));
        liveness.send(1, at(10));
        assert!(liveness.is_dead(at(13)));
    }
}
