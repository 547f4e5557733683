//! Growing delays per key.

use std::hash::Hash;
use std::time::Duration;

use rustc_hash::FxHashMap;

/// The delay after the first failure.
const DELAY_MIN: Duration = Duration::from_millis(5);
/// No delay grows beyond this.
const DELAY_MAX: Duration = Duration::from_secs(300);

/// Counts failures per key.
#[derive(Debug)]
pub struct Backoff<K> {
    failures: FxHashMap<K, u32>,
}

impl<K: Hash + Eq> Default for Backoff<K> {
    fn default() -> Backoff<K> {
        Backoff { failures: FxHashMap::default() }
    }
}

impl<K: Hash + Eq> Backoff<K> {
    /// Counts a failure; answers how long to wait.
    pub fn next(&mut self, key: K) -> Duration {
        let failures = self.failures.entry(key).or_default();
        let delay = delay(*failures);
        *failures = failures.saturating_add(1);
        delay
    }

    /// How often the key has failed in a row.
    pub fn failures(&self, key: &K) -> u32 {
        self.failures.get(key).copied().unwrap_or(0)
    }

    /// Forgets the failures of a key.
    pub fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }
}

/// The delay after so many earlier failures.
pub(crate) fn delay(failures: u32) -> Duration {
    DELAY_MIN.saturating_mul(1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX)).min(DELAY_MAX)
}
