//! Which events are written, which count an earlier one up, and which are too many.
//!
//! Keeps: at most a bounded number of objects and series is remembered; what is forgotten is written as new.

use std::time::Duration;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::event::{Event, Regarding, Severity};

/// Events about one object that may come at once.
const BURST: f64 = 25.0;
/// How long until another one may come.
const REFILL: Duration = Duration::from_secs(300);
/// Different messages with one reason about one object, after which they are counted as one.
const SIMILAR_MAX: usize = 10;
/// How long similar messages are remembered.
const SIMILAR_WINDOW: Duration = Duration::from_secs(600);
/// Objects and series that are remembered.
const REMEMBERED_MAX: usize = 4096;

/// What stands before a message that stands for several.
const COMBINED: &str = "(combined from similar events): ";

/// What is to be done with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Write it under this name.
    Create { name: String, message: String },
    /// Count up the one that was written under this name.
    CountUp { name: String, message: String, count: u32 },
    /// There were too many about this object.
    Drop,
}

/// Remembers what was written.
#[derive(Debug, Default)]
pub(crate) struct Correlator {
    buckets: FxHashMap<Regarding, Bucket>,
    groups: FxHashMap<Group, Similar>,
    series: FxHashMap<(Group, String), Series>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Group {
    regarding: Regarding,
    severity: Severity,
    reason: &'static str,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

#[derive(Debug)]
struct Similar {
    messages: FxHashSet<String>,
    at: Timestamp,
}

#[derive(Debug)]
struct Series {
    name: String,
    count: u32,
    at: Timestamp,
}

impl Correlator {
    /// Decides about an event that happened at `now`.
    pub(crate) fn judge(&mut self, event: &Event, now: Timestamp) -> Verdict {
        if !self.admit(&event.regarding, now) {
            return Verdict::Drop;
        }
        let group =
            Group { regarding: event.regarding.clone(), severity: event.severity, reason: event.reason };
        let combined = self.combine(&group, &event.message, now);
        let (term, message) = if combined {
            (String::new(), format!("{COMBINED}{}", event.message))
        } else {
            (event.message.clone(), event.message.clone())
        };
        make_room(&mut self.series, |series| series.at);
        let series = self.series.entry((group, term)).or_insert_with(|| Series {
            name: format!("{}.{:x}", event.regarding.name, now.as_nanosecond()),
            count: 0,
            at: now,
        });
        series.count += 1;
        series.at = now;
        let (name, count) = (series.name.clone(), series.count);
        if count == 1 { Verdict::Create { name, message } } else { Verdict::CountUp { name, message, count } }
    }

    fn admit(&mut self, regarding: &Regarding, now: Timestamp) -> bool {
        make_room(&mut self.buckets, |bucket| bucket.at);
        let bucket = self.buckets.entry(regarding.clone()).or_insert(Bucket { tokens: BURST, at: now });
        let passed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + passed / REFILL.as_secs_f64()).min(BURST);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    fn combine(&mut self, group: &Group, message: &str, now: Timestamp) -> bool {
        make_room(&mut self.groups, |similar| similar.at);
        let similar = self
            .groups
            .entry(group.clone())
            .or_insert_with(|| Similar { messages: FxHashSet::default(), at: now });
        if now.duration_since(similar.at).as_secs_f64() > SIMILAR_WINDOW.as_secs_f64() {
            similar.messages.clear();
        }
        similar.at = now;
        if similar.messages.len() < SIMILAR_MAX {
            similar.messages.insert(message.to_owned());
        }
        similar.messages.len() >= SIMILAR_MAX
    }
}

/// Forgets the older half when there is too much.
fn make_room<K: Clone + Eq + std::hash::Hash, V>(map: &mut FxHashMap<K, V>, at: impl Fn(&V) -> Timestamp) {
    if map.len() < REMEMBERED_MAX {
        return;
    }
    let mut times: Vec<Timestamp> = map.values().map(&at).collect();
    times.sort_unstable();
    let middle = times[times.len() / 2];
    map.retain(|_, value| at(value) > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, message: &str) -> Event {
        Event::warning(Regarding { name: name.into(), ..Regarding::default() }, "Failed", message)
    }

    #[test]
    fn the_same_again_counts_up() {
        let mut correlator = Correlator::default();
        let now = Timestamp::UNIX_EPOCH;
        let Verdict::Create { name, .. } = correlator.judge(&event("a", "x"), now) else { panic!("new") };
        assert_eq!(
            correlator.judge(&event("a", "x"), now),
            Verdict::CountUp { name, message: "x".to_owned(), count: 2 }
        );
        assert!(matches!(correlator.judge(&event("b", "x"), now), Verdict::Create { .. }));
    }

    #[test]
    fn many_similar_ones_become_one() {
        let mut correlator = Correlator::default();
        let now = Timestamp::UNIX_EPOCH;
        let verdicts: Vec<Verdict> =
            (0..12).map(|i| correlator.judge(&event("a", &format!("m{i}")), now)).collect();
        let created = |verdict: &&Verdict| matches!(verdict, Verdict::Create { .. });
        assert_eq!(verdicts.iter().filter(created).count(), 10);
        let Verdict::CountUp { message, count, .. } = &verdicts[11] else { panic!("combined") };
        assert_eq!((message.as_str(), *count), ("(combined from similar events): m11", 3));
    }

    #[test]
    fn a_noisy_object_is_silenced_and_others_are_not() {
        let mut correlator = Correlator::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let dropped = (0..40).filter(|_| correlator.judge(&event("a", "x"), now) == Verdict::Drop).count();
        assert_eq!(dropped, 15);
        assert_ne!(correlator.judge(&event("b", "x"), now), Verdict::Drop);
        now += REFILL;
        assert_ne!(correlator.judge(&event("a", "x"), now), Verdict::Drop);
        assert_eq!(correlator.judge(&event("a", "x"), now), Verdict::Drop);
    }
}
