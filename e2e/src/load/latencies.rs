//! Latencies of a scenario and their percentiles. Keeps every sample: a run is short, and nothing is rounded.

use std::time::Duration;

/// Samples in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    microseconds: Vec<u32>,
}

impl Latencies {
    /// Adds a sample.
    pub fn add(&mut self, latency: Duration) {
        self.microseconds.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds another set's samples.
    pub fn extend(&mut self, other: Latencies) {
        self.microseconds.extend(other.microseconds);
    }

    /// How many samples there are.
    pub fn count(&self) -> usize {
        self.microseconds.len()
    }

    /// The smallest samples that at least these shares (0 to 1) of all samples do not exceed.
    pub fn percentiles<const N: usize>(mut self, shares: [f64; N]) -> [Duration; N] {
        self.microseconds.sort_unstable();
        shares.map(|share| {
            let rank = (share * self.microseconds.len() as f64).ceil() as usize;
            let sample = self.microseconds.get(rank.saturating_sub(1)).copied().unwrap_or(0);
            Duration::from_micros(u64::from(sample))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut latencies = Latencies::default();
        for milliseconds in (1..=1000).rev() {
            latencies.add(Duration::from_millis(milliseconds));
        }
        let expected = [500, 990, 999].map(Duration::from_millis);
        assert_eq!(latencies.percentiles([0.5, 0.99, 0.999]), expected);
    }

    #[test]
    fn one_sample_is_every_percentile() {
        let mut latencies = Latencies::default();
        latencies.add(Duration::from_micros(7));
        assert_eq!(latencies.percentiles([0.5, 0.999]), [Duration::from_micros(7); 2]);
    }
}
