//! The checks: what clients saw must be one replay of the records, in revision order.
//!
//! Every acknowledged write names its revision, so the order is known and nothing has to be searched for.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::entry::Revision;
use crate::key::bucket_of;
use crate::record::Record;
use crate::sim::Failure;
use crate::sim::history::{Answer, Expected, History, ReadSeen, Truth, Version, WatchSeen, WriteSeen};

/// Every key's versions by revision.
struct Model<'a> {
    truth: &'a Truth,
    versions: BTreeMap<&'a str, BTreeMap<Revision, Option<Version>>>,
}

/// Checks a history against what happened.
pub(crate) fn check(truth: &Truth, history: &History) -> Result<(), Failure> {
    let model = Model::new(truth);
    model.check_versions()?;
    model.check_tags(history)?;
    let mut inside = BTreeSet::new();
    for seen in &history.writes {
        model.check_write(seen, history)?;
        if let Answer::Applied { first, entries } = &seen.answer {
            for at in *first..*first + entries.len() as u64 {
                if at + 1 < *first + entries.len() as u64 && !inside.insert(at) {
                    return Err(Failure::new("revisions unique", format!("revision {at} was given twice")));
                }
            }
        }
    }
    model.check_unique(history)?;
    for seen in &history.reads {
        model.check_read(seen)?;
        if !seen.exact && inside.contains(&seen.revision) {
            let what = format!("a read shows revision {}, inside a transaction", seen.revision);
            return Err(Failure::new("transactions atomic", what));
        }
    }
    for seen in &history.watches {
        model.check_watch(seen)?;
    }
    for (key, records) in &history.histories {
        model.check_history(key, records)?;
    }
    Ok(())
}

fn describe(version: Option<&Version>) -> String {
    version.map_or("nothing".to_owned(), |version| {
        format!("{:?} created {} modified {}", version.bytes, version.created, version.modified)
    })
}

impl<'a> Model<'a> {
    fn new(truth: &'a Truth) -> Model<'a> {
        let mut versions: BTreeMap<&str, BTreeMap<Revision, Option<Version>>> = BTreeMap::new();
        for (revision, record) in &truth.records {
            let version = record.entry.as_ref().map(|entry| Version::of(entry));
            versions.entry(record.key.as_str()).or_default().insert(*revision, version);
        }
        Model { truth, versions }
    }

    /// What a key was at a revision.
    fn at(&self, key: &str, revision: Revision) -> Option<&Version> {
        self.versions.get(key)?.range(..=revision).next_back()?.1.as_ref()
    }

    /// The records themselves must be a chain per key.
    fn check_versions(&self) -> Result<(), Failure> {
        for (key, versions) in &self.versions {
            let mut previous: Option<&Version> = None;
            for (revision, version) in versions {
                let record = &self.truth.records[revision];
                let expected = previous.map_or(0, |version| version.modified);
                let created = previous.map_or(*revision, |version| version.created);
                let wrong = record.previous != expected
                    || version.as_ref().is_some_and(|v| v.created != created || v.modified != *revision);
                if wrong {
                    let what = format!(
                        "record {revision} of {key} names previous version {}, it was {expected}",
                        record.previous
                    );
                    return Err(Failure::new("record chain", what));
                }
                previous = version.as_ref();
            }
        }
        Ok(())
    }

    /// A value that a client wrote once is in the records at most once.
    fn check_tags(&self, history: &History) -> Result<(), Failure> {
        let mut found: BTreeMap<Bytes, Revision> = BTreeMap::new();
        for (revision, record) in &self.truth.records {
            let Some(entry) = &record.entry else { continue };
            let tag = tag_of(entry.bytes());
            if let Some(other) = found.insert(tag.clone(), *revision) {
                let what = format!("{tag:?} was applied at {other} and again at {revision}");
                return Err(Failure::new("applied once", what));
            }
        }
        for seen in &history.writes {
            if !matches!(seen.answer, Answer::NotProposed | Answer::Failed { .. }) {
                continue;
            }
            for change in seen.write.changes.iter().filter_map(|change| change.put.as_ref()) {
                if let Some(revision) = found.get(&tag_of(change)) {
                    let what = format!("{change:?} was applied at {revision} but answered {:?}", seen.answer);
                    return Err(Failure::new("refused writes stay out", what));
                }
            }
        }
        Ok(())
    }

    fn check_unique(&self, history: &History) -> Result<(), Failure> {
        let mut given = BTreeSet::new();
        for seen in &history.writes {
            let Answer::Applied { first, .. } = seen.answer else { continue };
            for revision in first..first + seen.write.changes.len() as u64 {
                if !given.insert(revision) {
                    let what = format!("revision {revision} was given twice");
                    return Err(Failure::new("revisions unique", what));
                }
            }
        }
        Ok(())
    }

    fn check_write(&self, seen: &WriteSeen, history: &History) -> Result<(), Failure> {
        match &seen.answer {
            Answer::Applied { first, entries } => {
                if *first <= seen.known_before {
                    let what = format!(
                        "a write got revision {first}, but {} had been told before it began",
                        seen.known_before
                    );
                    return Err(Failure::new("real-time order", what));
                }
                if !self.holds(&seen.write.compares, first - 1) {
                    let what = format!("a write was applied at {first} although its compares did not hold");
                    return Err(Failure::new("linearizable", what));
                }
                self.check_applied(*first, entries, seen)?;
                self.check_fence(*first, seen, history)
            }
            Answer::Failed { revision, current } => {
                if *revision < seen.known_before {
                    let what = format!(
                        "a write was refused at {revision}, but {} had been told before it began",
                        seen.known_before
                    );
                    return Err(Failure::new("no stale refusal", what));
                }
                let found = seen.write.compares.iter().map(|(key, _)| self.at(key, *revision));
                let right = found.zip(current).all(|(found, current)| found == current.as_ref());
                if !right || self.holds(&seen.write.compares, *revision) {
                    let what = format!("a write was refused at {revision} although its compares held");
                    return Err(Failure::new("linearizable", what));
                }
                Ok(())
            }
            Answer::NotProposed | Answer::Unknown => Ok(()),
        }
    }

    fn holds(&self, compares: &[(String, Expected)], revision: Revision) -> bool {
        compares.iter().all(|(key, expected)| {
            let current = self.at(key, revision);
            match expected {
                Expected::Absent => current.is_none(),
                Expected::Present => current.is_some(),
                Expected::Modified(modified) => current.is_some_and(|version| version.modified == *modified),
            }
        })
    }

    fn check_applied(
        &self,
        first: Revision,
        entries: &[Option<Version>],
        seen: &WriteSeen,
    ) -> Result<(), Failure> {
        for (revision, (change, answered)) in (first..).zip(seen.write.changes.iter().zip(entries)) {
            let record = self.truth.records.get(&revision);
            let version = record.and_then(|record| record.entry.as_ref()).map(|entry| Version::of(entry));
            let expected = change.put.as_ref().map(|bytes| finished(bytes, change.spliced, revision));
            let same_key = record.is_none_or(|record| record.key.as_str() == change.key);
            if !same_key || version.as_ref().map(|version| &version.bytes) != expected.as_ref() {
                let what = format!(
                    "the write acknowledged at {revision} ({} = {expected:?}) is not there: {}",
                    change.key,
                    describe(version.as_ref())
                );
                return Err(Failure::new("acknowledged writes present", what));
            }
            let shown = match &change.put {
                Some(_) => version.as_ref(),
                None => self.at(&change.key, revision - 1),
            };
            if shown != answered.as_ref() {
                let what = format!("the answer at {revision} shows {}", describe(answered.as_ref()));
                return Err(Failure::new("linearizable", what));
            }
        }
        Ok(())
    }

    /// A write of a term's loop is not applied after the next leader has begun its duties.
    fn check_fence(&self, first: Revision, seen: &WriteSeen, history: &History) -> Result<(), Failure> {
        let Some(fence) = seen.write.fence else { return Ok(()) };
        let over = history.duties.range(fence + 1..).find(|(_, began)| first > **began);
        match over {
            Some((term, began)) => {
                let what = format!(
                    "a write fenced by term {fence} was applied at {first}; term {term} began its duties at {began}"
                );
                Err(Failure::new("fences", what))
            }
            None => Ok(()),
        }
    }

    fn check_read(&self, seen: &ReadSeen) -> Result<(), Failure> {
        let ReadSeen { bucket, revision, contents, at_least, exact } = seen;
        if revision < at_least || (*exact && revision != at_least) {
            let what = format!("a read shows revision {revision}, it had to show {at_least}");
            return Err(Failure::new("no stale read", what));
        }
        let expected = self.versions.range(bucket.as_str()..).take_while(|(key, _)| bucket_of(key) == bucket);
        let expected = expected.filter_map(|(key, _)| self.at(key, *revision).map(|version| (*key, version)));
        let shown = contents.iter().map(|(key, version)| (key.as_str(), version));
        if !expected.eq(shown) {
            let what = format!("a read of {bucket} at {revision} differs from the records");
            return Err(Failure::new("linearizable", what));
        }
        Ok(())
    }

    fn check_watch(&self, seen: &WatchSeen) -> Result<(), Failure> {
        let end = seen.bookmarks.iter().map(|(_, position)| *position).max().unwrap_or(seen.from);
        let end = seen.events.last().map_or(end, |event| end.max(event.revision));
        let expected =
            self.truth.records.range(seen.from + 1..=end.max(seen.from + 1)).filter(|(revision, record)| {
                let key = record.key.as_str();
                **revision <= end
                    && bucket_of(key) == seen.bucket
                    && seen.only.as_ref().is_none_or(|only| only == key)
            });
        let expected: Vec<(&Revision, &Record)> = expected.collect();
        for (at, event) in seen.events.iter().enumerate() {
            let Some((revision, record)) = expected.get(at) else {
                let what = format!("event {} of {} never happened", event.revision, event.key);
                return Err(Failure::new("watch unique", what));
            };
            if event.revision != **revision {
                let check = if event.revision > **revision { "watch reliable" } else { "watch ordered" };
                let what = format!("event {} came where {revision} was due", event.revision);
                return Err(Failure::new(check, what));
            }
            let new = record.entry.as_ref().map(|entry| Version::of(entry));
            if event.key != record.key.as_str() || event.new != new {
                let what = format!("event {revision} shows {}", describe(event.new.as_ref()));
                return Err(Failure::new("watch reliable", what));
            }
            if event.old.as_ref() != self.at(&event.key, *revision - 1) {
                let what = format!("event {revision} shows previous {}", describe(event.old.as_ref()));
                return Err(Failure::new("watch previous version", what));
            }
        }
        for (delivered, position) in &seen.bookmarks {
            let due = expected.partition_point(|(revision, _)| *revision <= position);
            if *delivered < due {
                let what = format!("a bookmark at {position} came before {} events", due - delivered);
                return Err(Failure::new("watch bookmarkable", what));
            }
        }
        Ok(())
    }

    fn check_history(&self, key: &str, records: &[Record]) -> Result<(), Failure> {
        let Some(versions) = self.versions.get(key) else {
            return if records.is_empty() { Ok(()) } else { Err(Failure::new("history", key)) };
        };
        let Some(newest) = records.first() else { return Ok(()) };
        let expected = versions.range(..=newest.revision).rev();
        for (record, (revision, version)) in records.iter().zip(expected) {
            let shown = record.entry.as_ref().map(|entry| Version::of(entry));
            if record.revision != *revision || shown != *version {
                let what = format!("the history of {key} shows {} where {revision} was", record.revision);
                return Err(Failure::new("history", what));
            }
        }
        Ok(())
    }
}

/// What a stored value is: the unique bytes with the revision spliced in behind the first one.
fn finished(bytes: &Bytes, spliced: bool, revision: Revision) -> Bytes {
    if !spliced {
        return bytes.clone();
    }
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    text.insert_str(1, &revision.to_string());
    text.into_bytes().into()
}

/// The part of a value that no other write has: what follows the first space.
fn tag_of(bytes: &Bytes) -> Bytes {
    let at = bytes.iter().position(|byte| *byte == b' ').unwrap_or(0);
    bytes.slice(at..)
}
