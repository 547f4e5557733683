//! How long clients could not write, out of what they recorded. Keeps: a gap is the time between two acknowledged
//! writes, so nothing has to be known about when a fault was noticed or over.

use std::time::Duration;

use super::history::{Outcome, Time, Write};
use crate::load::latencies::Latencies;

/// Gaps around faults.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    /// For each fault: the longest time in which no client had a write acknowledged.
    pub service: Latencies,
    /// For each fault and client: the longest time between two of its own.
    pub clients: Latencies,
}

/// Finds the gaps of faults that struck at these times; each one's clients are looked at for `window` afterwards.
pub fn gaps(writes: &[Write], struck: &[Time], window: Duration) -> Gaps {
    // The last write of a recording is not a client's.
    let acknowledged =
        |write: &&Write| matches!(write.outcome, Outcome::Acknowledged(_)) && write.client != usize::MAX;
    let mut all: Vec<(usize, Time)> =
        writes.iter().filter(acknowledged).map(|write| (write.client, write.ended)).collect();
    all.sort_unstable();
    let mut of_clients: Vec<Vec<Time>> = Vec::new();
    for of_one in all.chunk_by(|one, next| one.0 == next.0) {
        of_clients.push(of_one.iter().map(|(_, ended)| *ended).collect());
    }
    let mut together: Vec<Time> = all.iter().map(|(_, ended)| *ended).collect();
    together.sort_unstable();
    let window = u64::try_from(window.as_micros()).unwrap_or(Time::MAX);
    let mut gaps = Gaps::default();
    for from in struck {
        let to = from.saturating_add(window);
        gaps.service.add(longest(&together, *from, to));
        for of_one in &of_clients {
            gaps.clients.add(longest(of_one, *from, to));
        }
    }
    gaps
}

/// The longest time between two neighbours of which the second is behind `from` and the first before `to`. A client
/// that never came back has a gap up to the window's end.
fn longest(times: &[Time], from: Time, to: Time) -> Duration {
    let first = times.partition_point(|time| *time <= from).saturating_sub(1);
    let within = times.get(first..).unwrap_or_default();
    let mut longest = 0;
    for (number, time) in within.iter().enumerate().take_while(|(_, time)| **time < to) {
        let next = within.get(number + 1).copied().unwrap_or(to);
        longest = longest.max(next.saturating_sub(*time));
    }
    Duration::from_micros(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_around_a_fault_is_found() {
        let times = [10, 20, 500, 510, 900, 2_000];
        for (from, to, expected) in [
            (15, 100, 480),        // it struck between 10 and 20, nothing came until 500
            (30, 100, 480),        // it struck within the gap
            (505, 600, 390),       // the last one before it counts
            (950, 990, 1_100),     // a gap that lasts longer than the window
            (2_500, 3_000, 1_000), // nobody came back
        ] {
            assert_eq!(longest(&times, from, to), Duration::from_micros(expected), "{from} to {to}");
        }
    }
}
