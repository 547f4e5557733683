//! Judges a history. Every change has a revision, so there is one order of all changes; what each client saw must follow
//! from that order alone. Keeps: it believes no client about another one's writes, and the server about nothing.
//!
//! What is judged:
//! - an acknowledged write is there, once, at the revision that was answered; a refused one is not; each has one effect;
//! - a conditional write follows directly on what its client had read;
//! - a list is exactly the state at its revision, and not older than what was acknowledged to anyone before it was sent;
//! - no client sees a revision go back;
//! - a watcher gets every change behind its list, once, in order, over all its connections, and never has to list again;
//!   a bookmark is never ahead of an event;
//! - at the end all nodes have one and the same state, the one that follows from the changes.

use std::{
    collections::{BTreeMap, HashMap, btree_map},
    fmt::Write as _,
};

use super::history::{
    Change, Event, Happened, History, List, Outcome, Revision, Stamp, Time, Watched, Write,
};

/// Sentences shown for each broken rule; a broken cluster breaks it a thousand times.
const SHOWN_MAX: usize = 5;

/// What a history contains, and every rule it breaks.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Acknowledged writes.
    pub acknowledged: usize,
    /// Writes whose outcome only the history knows.
    pub unknown: usize,
    /// Writes that were refused for now (429).
    pub refused: usize,
    /// Changes.
    pub changes: usize,
    /// Lists.
    pub lists: usize,
    /// Events of all watchers.
    pub events: usize,
    /// Continued watches.
    pub resumed: usize,
    /// Broken rules, a sentence each.
    pub broken: Vec<String>,
}

/// Judges a history.
pub fn check(history: &History) -> Verdict {
    let mut judge = Judge::default();
    judge.order(&history.watchers);
    judge.writes(&history.writes);
    judge.values();
    judge.conditions(&history.writes);
    judge.lists(&history.lists, &history.writes);
    for (number, watched) in history.watchers.iter().enumerate() {
        judge.watcher(number, watched);
    }
    judge.ends(&history.ends);
    let outcomes =
        |wanted: fn(&Outcome) -> bool| history.writes.iter().filter(|write| wanted(&write.outcome)).count();
    Verdict {
        acknowledged: outcomes(|outcome| matches!(outcome, Outcome::Acknowledged(_))),
        unknown: outcomes(|outcome| matches!(outcome, Outcome::Unknown)),
        refused: outcomes(|outcome| matches!(outcome, Outcome::Refused(..))),
        changes: judge.changes.len(),
        lists: history.lists.len(),
        events: history.watchers.iter().map(|watched| watched.events.len()).sum(),
        resumed: history.watchers.iter().map(|watched| watched.resumed).sum(),
        broken: judge.broken,
    }
}

#[derive(Default)]
struct Judge {
    /// All changes by revision, as watchers saw them.
    changes: BTreeMap<Revision, Event>,
    /// The value that a write carried to its change.
    by_stamp: HashMap<Stamp, Revision>,
    broken: Vec<String>,
    shown: HashMap<&'static str, usize>,
}

impl Judge {
    fn fault(&mut self, rule: &'static str, sentence: String) {
        let shown = self.shown.entry(rule).or_default();
        *shown += 1;
        match *shown {
            ..=SHOWN_MAX => self.broken.push(format!("{rule}: {sentence}")),
            n if n == SHOWN_MAX + 1 => self.broken.push(format!("{rule}: and more")),
            _ => {}
        }
    }

    /// The one order of all changes: what any watcher saw. That each saw all of it is judged later.
    fn order(&mut self, watchers: &[Watched]) {
        for event in watchers.iter().flat_map(|watched| &watched.events) {
            match self.changes.entry(event.revision) {
                btree_map::Entry::Vacant(entry) => {
                    entry.insert(event.clone());
                }
                btree_map::Entry::Occupied(entry) if entry.get() != event => {
                    let sentence = format!("{event:?} and {:?}", entry.get());
                    self.fault("two changes have one revision", sentence);
                }
                btree_map::Entry::Occupied(_) => {}
            }
        }
        let carried: Vec<_> =
            self.changes.values().filter(|event| event.happened != Happened::Deleted).cloned().collect();
        for event in carried {
            if let Some(earlier) = self.by_stamp.insert(event.stamp, event.revision) {
                self.fault("a write was done twice", format!("{event:?}, and at {earlier}"));
            }
        }
    }

    fn writes(&mut self, writes: &[Write]) {
        let deleted: HashMap<String, Revision> = self
            .changes
            .values()
            .filter(|event| event.happened == Happened::Deleted)
            .map(|event| (event.key.clone(), event.revision))
            .collect();
        for write in writes {
            let found = match write.change {
                Change::Delete => deleted.get(&write.key).copied(),
                _ => self.by_stamp.get(&write.stamp).copied(),
            };
            match (&write.outcome, found) {
                (Outcome::Acknowledged(_), None) => {
                    self.fault("an acknowledged write is lost", format!("{write:?}"))
                }
                (Outcome::Acknowledged(Some(answered)), Some(found)) if *answered != found => {
                    self.fault("a write was answered another revision", format!("{write:?} is at {found}"));
                }
                (Outcome::Refused(..), Some(found)) if write.change != Change::Delete => {
                    self.fault("a refused write was done", format!("{write:?} is at {found}"));
                }
                // Only overload and a lost race refuse a client that names its objects itself.
                (Outcome::Refused(status, _), _)
                    if *status != 429 && !(*status == 409 && write.change == Change::Conditional) =>
                {
                    self.fault("a write was refused without a reason", format!("{write:?}"));
                }
                _ => {}
            }
        }
    }

    /// Nothing stands between what a conditional write was based on and the write.
    fn conditions(&mut self, writes: &[Write]) {
        let mut before: HashMap<&str, Revision> = HashMap::new();
        let mut based: HashMap<Stamp, Option<Revision>> = HashMap::new();
        for event in self.changes.values() {
            based.insert(event.stamp, before.insert(&event.key, event.revision));
        }
        let wrong = |write: &&Write| {
            let found = based.get(&write.stamp);
            write.change == Change::Conditional && found.is_some_and(|found| *found != write.based_on)
        };
        let sentences: Vec<String> = writes.iter().filter(wrong).map(|write| format!("{write:?}")).collect();
        for sentence in sentences {
            self.fault("a conditional write overwrote another", sentence);
        }
    }

    /// Replays the changes: objects are made once, changed while they exist, and deletions carry the last value.
    fn values(&mut self) {
        let mut present: HashMap<&str, Stamp> = HashMap::new();
        let mut faults = Vec::new();
        for event in self.changes.values() {
            let before = match event.happened {
                Happened::Deleted => present.remove(event.key.as_str()),
                _ => present.insert(&event.key, event.stamp),
            };
            let fits = match event.happened {
                Happened::Added => before.is_none(),
                Happened::Modified => before.is_some(),
                Happened::Deleted => before == Some(event.stamp),
            };
            if !fits {
                faults.push(format!("{event:?} follows {before:?}"));
            }
        }
        for sentence in faults {
            self.fault("a change does not fit the one before", sentence);
        }
    }

    fn lists(&mut self, lists: &[List], writes: &[Write]) {
        let mut by_revision: Vec<&List> = lists.iter().collect();
        by_revision.sort_by_key(|list| list.revision);
        let mut changes = std::mem::take(&mut self.changes).into_iter().peekable();
        let (mut state, mut replayed) = (BTreeMap::new(), BTreeMap::new());
        for list in by_revision {
            while let Some((revision, event)) = changes.next_if(|(revision, _)| *revision <= list.revision) {
                apply(&mut state, &event);
                replayed.insert(revision, event);
            }
            if state != list.objects {
                let sentence = format!(
                    "client {} at {}: {}",
                    list.client,
                    list.revision,
                    differences(&state, &list.objects)
                );
                self.fault("a list is not the state at its revision", sentence);
            }
        }
        replayed.extend(changes);
        self.changes = replayed;
        self.freshness(lists, writes);
        let mut newest: HashMap<usize, Revision> = HashMap::new();
        for list in lists {
            let newest = newest.entry(list.client).or_default();
            if list.revision < *newest {
                let sentence =
                    format!("client {} had {newest} and got {} ({})", list.client, list.revision, list.asked);
                self.fault("a revision went back", sentence);
            }
            *newest = list.revision.max(*newest);
        }
    }

    /// What was acknowledged before a list was sent is in it.
    fn freshness(&mut self, lists: &[List], writes: &[Write]) {
        let mut acknowledged: Vec<(Time, Revision)> = writes
            .iter()
            .filter_map(|write| match write.outcome {
                Outcome::Acknowledged(Some(revision)) => Some((write.ended, revision)),
                _ => None,
            })
            .collect();
        acknowledged.sort_unstable();
        let mut by_time: Vec<&List> = lists.iter().collect();
        by_time.sort_by_key(|list| list.began);
        let (mut next, mut newest) = (0, 0);
        for list in by_time {
            while let Some((_, revision)) = acknowledged.get(next).filter(|(ended, _)| *ended < list.began) {
                newest = newest.max(*revision);
                next += 1;
            }
            if list.revision < newest {
                let sentence = format!(
                    "client {} got {} (resourceVersion={:?}), after {newest} was acknowledged",
                    list.client, list.revision, list.asked
                );
                self.fault("a list is stale", sentence);
            }
        }
    }

    fn watcher(&mut self, number: usize, watched: &Watched) {
        if watched.relists > 0 {
            self.fault("a watcher had to list again", format!("watcher {number}, {} times", watched.relists));
        }
        let expected: Vec<Revision> =
            self.changes.range(watched.from + 1..).map(|(revision, _)| *revision).collect();
        let got: Vec<Revision> = watched.events.iter().map(|event| event.revision).collect();
        if let Some(pair) = got.windows(2).find(|pair| pair[0] >= pair[1]) {
            self.fault(
                "a watcher got an event twice or late",
                format!("watcher {number}: {} after {}", pair[1], pair[0]),
            );
        } else if let Some(missed) = expected.iter().find(|revision| got.binary_search(revision).is_err()) {
            let missed_count = expected.len().saturating_sub(got.len());
            let sentence =
                format!("watcher {number} (from {}): {missed_count}, the first at {missed}", watched.from);
            self.fault("a watcher missed events", sentence);
        } else if got.len() != expected.len() {
            self.fault("a watcher got events from before its list", format!("watcher {number}"));
        }
        let late = watched.bookmarks.iter().find(|(before, bookmark)| {
            watched.events.get(*before..).unwrap_or_default().iter().any(|event| event.revision <= *bookmark)
        });
        if let Some((_, bookmark)) = late {
            self.fault("a bookmark was ahead of an event", format!("watcher {number}, bookmark {bookmark}"));
        }
    }

    fn ends(&mut self, ends: &[(String, List)]) {
        let mut state = BTreeMap::new();
        for event in self.changes.values() {
            apply(&mut state, event);
        }
        for (node, list) in ends {
            if list.objects != state {
                let sentence = format!("{node}: {}", differences(&state, &list.objects));
                self.fault("a node ended with another state", sentence);
            }
        }
    }
}

fn apply(state: &mut BTreeMap<String, (Revision, Stamp)>, event: &Event) {
    match event.happened {
        Happened::Deleted => state.remove(&event.key),
        _ => state.insert(event.key.clone(), (event.revision, event.stamp)),
    };
}

fn differences(
    expected: &BTreeMap<String, (Revision, Stamp)>,
    got: &BTreeMap<String, (Revision, Stamp)>,
) -> String {
    let keys: std::collections::BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
    let mut text = String::new();
    let different = keys.into_iter().filter(|key| expected.get(*key) != got.get(*key));
    for key in different.take(3) {
        let _ = write!(text, "{key} is {:?} instead of {:?}; ", got.get(key), expected.get(key));
    }
    text
}

#[cfg(test)]
mod tests;
