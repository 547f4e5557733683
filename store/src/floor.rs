//! The floor policy: how far the leader may compact, by age and by bytes.
//!
//! Keeps: time is looked at only here, on the leader; it enters the replicated state as a proposed floor.

use std::collections::VecDeque;
use std::time::Duration;

use crate::entry::Revision;

/// How many samples cover the whole history.
const SAMPLES: u32 = 60;

/// Decides the floor from samples of the past.
#[derive(Debug)]
pub(crate) struct FloorPolicy {
    history: Duration,
    history_bytes: u64,
    samples: VecDeque<Sample>,
}

/// Where the store stood at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) revision: Revision,
    /// Bytes of records superseded so far, counted from the start of the process.
    pub(crate) superseded: u64,
}

impl FloorPolicy {
    pub(crate) fn new(history: Duration, history_bytes: u64) -> FloorPolicy {
        FloorPolicy { history, history_bytes, samples: VecDeque::new() }
    }

    /// Takes a sample when one is due, and says where the floor should be.
    pub(crate) fn floor(&mut self, now: Sample) -> Option<Revision> {
        let due = self.samples.back().is_none_or(|last| now.at >= last.at + self.history / SAMPLES);
        let crowded = self.bytes_above(self.samples.front(), now) > self.history_bytes;
        if !due && !crowded {
            return None;
        }
        if due {
            self.samples.push_back(now);
        }
        let mut floor = None;
        while let Some(oldest) = self.samples.front().copied() {
            let old = now.at.saturating_sub(oldest.at) >= self.history;
            let crowded = self.bytes_above(Some(&oldest), now) > self.history_bytes;
            if !old && !crowded {
                break;
            }
            floor = Some(oldest.revision);
            self.samples.pop_front();
        }
        floor
    }

    fn bytes_above(&self, sample: Option<&Sample>, now: Sample) -> u64 {
        sample.map_or(0, |sample| now.superseded.saturating_sub(sample.superseded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: u64, revision: Revision, superseded: u64) -> Sample {
        Sample { at: Duration::from_secs(seconds), revision, superseded }
    }

    #[test]
    fn the_floor_follows_age() {
        let mut policy = FloorPolicy::new(Duration::from_secs(60), 1_000);
        assert_eq!(policy.floor(sample(0, 5, 0)), None);
        assert_eq!(policy.floor(sample(30, 8, 0)), None);
        assert_eq!(policy.floor(sample(59, 9, 0)), None);
        assert_eq!(policy.floor(sample(60, 10, 0)), Some(5));
        assert_eq!(policy.floor(sample(90, 11, 0)), Some(8));
    }

    #[test]
    fn too_many_bytes_raise_the_floor_early() {
        let mut policy = FloorPolicy::new(Duration::from_secs(60), 1_000);
        assert_eq!(policy.floor(sample(0, 5, 0)), None);
        assert_eq!(policy.floor(sample(1, 6, 900)), None);
        assert_eq!(policy.floor(sample(2, 7, 1_100)), Some(5));
        assert_eq!(policy.floor(sample(3, 8, 2_000)), Some(6));
    }
}
