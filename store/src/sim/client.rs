//! Clients: they write with compares, read with and without barriers, hop between nodes, and give up now and then.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::entry::Revision;
use crate::error::{AtError, CompactError};
use crate::key::Key;
use crate::record::Record;
use crate::sim::history::{Answer, Change, Expected, History, ReadSeen, Version, Write, WriteSeen};
use crate::sim::node::Flag;
use crate::sim::random::Random;
use crate::store::Store;
use crate::txn::{Compare, NewValue, Op, Outcome, Txn};
use crate::view::State;

pub(crate) const BUCKETS: [&str; 2] = ["/registry/a/", "/registry/b/"];

/// One client and what it is doing.
pub(crate) struct Client {
    pub(crate) name: usize,
    pub(crate) node: usize,
    pub(crate) flag: Arc<Flag>,
    pub(crate) random: Random,
    pub(crate) doing: Option<Doing>,
    writes: u64,
    /// The newest revision this client has seen.
    seen: Revision,
    /// Revisions of keys as this client last saw them.
    versions: BTreeMap<String, Revision>,
}

/// A call that has not returned yet.
pub(crate) struct Doing {
    pub(crate) call: Pin<Box<dyn Future<Output = Done>>>,
    write: Option<Write>,
    known_before: Revision,
}

/// How a call returned.
pub(crate) enum Done {
    Write(Outcome),
    Read { bucket: &'static str, state: Option<Arc<State>>, at_least: Revision },
    Exact { bucket: &'static str, state: Result<Arc<State>, AtError>, revision: Revision },
    History { key: String, records: Vec<Record> },
    Compact(Result<Revision, CompactError>),
}

impl Client {
    pub(crate) fn new(name: usize, node: usize, random: Random) -> Client {
        let flag = Flag::raised();
        flag.take();
        Client { name, node, flag, random, doing: None, writes: 0, seen: 0, versions: BTreeMap::new() }
    }

    /// Begins a call. A leader's loop names its term as fence.
    pub(crate) fn begin(&mut self, store: &Store, fence: Option<u64>, compacts: bool, history: &History) {
        let kind = self.random.within(0..100);
        let (write, call): (_, Pin<Box<dyn Future<Output = Done>>>) = match kind {
            _ if fence.is_some() => self.write(store, fence),
            0..55 => self.write(store, None),
            55..78 => (None, self.read(store, history.known)),
            78..86 => (None, self.read_at_least(store)),
            86..93 => (None, self.read_exactly(store)),
            93..96 => (None, self.read_history(store)),
            _ if compacts => (None, self.compact(store)),
            _ => (None, self.read(store, history.known)),
        };
        self.doing = Some(Doing { call, write, known_before: history.known });
    }

    /// Begins to write a key of its own, without compares.
    pub(crate) fn begin_put(&mut self, store: &Store, history: &History) {
        let put = Some(self.value());
        let change = Change { key: format!("/registry/b/probe{}", self.name), put, spliced: false };
        let write = Write { fence: None, compares: Vec::new(), changes: vec![change] };
        let (store, txn) = (store.clone(), txn_of(&write));
        let call = Box::pin(async move { Done::Write(store.txn(txn).await) });
        self.doing = Some(Doing { call, write: Some(write), known_before: history.known });
    }

    fn write(
        &mut self,
        store: &Store,
        fence: Option<u64>,
    ) -> (Option<Write>, Pin<Box<dyn Future<Output = Done>>>) {
        let state = store.state();
        let count = if self.random.chance(15) { self.random.within(2..4) } else { 1 };
        let mut write = Write { fence, compares: Vec::new(), changes: Vec::new() };
        for _ in 0..count {
            let key = self.key();
            if write.changes.iter().any(|change| change.key == key) {
                continue;
            }
            let shown = state.get(&Key::new(key.as_str())).map(|entry| entry.modified);
            // Now and then what the client remembers, which may be old.
            let modified = if self.random.chance(80) { shown } else { self.versions.get(&key).copied() };
            let kind = self.random.within(0..10);
            let expected = match (kind, modified) {
                (0..2, _) => None,
                (2, _) => Some(Expected::Absent),
                (3, _) => Some(Expected::Present),
                (_, Some(modified)) => Some(Expected::Modified(modified)),
                (_, None) => Some(Expected::Absent),
            };
            write.compares.extend(expected.map(|expected| (key.clone(), expected)));
            let removes = self.random.chance(if modified.is_some() { 25 } else { 12 });
            let put = (!removes).then(|| self.value());
            let spliced = put.is_some() && self.random.chance(50);
            write.changes.push(Change { key, put, spliced });
        }
        let (store, txn) = (store.clone(), txn_of(&write));
        (Some(write), Box::pin(async move { Done::Write(store.txn(txn).await) }))
    }

    fn key(&mut self) -> String {
        match self.random.within(0..10) {
            0..7 => format!("/registry/a/ns{}/k{}", self.random.within(0..2), self.random.within(0..4)),
            _ => format!("/registry/b/k{}", self.random.within(0..3)),
        }
    }

    /// A value that nobody else ever writes; what follows the space is its tag.
    fn value(&mut self) -> Bytes {
        self.writes += 1;
        let padding = "x".repeat(self.random.within(0..60) as usize);
        format!("{{ {}-{}-{padding}", self.name, self.writes).into()
    }

    fn bucket(&mut self) -> &'static str {
        BUCKETS[self.random.within(0..2) as usize]
    }

    fn read(&mut self, store: &Store, at_least: Revision) -> Pin<Box<dyn Future<Output = Done>>> {
        let (store, bucket) = (store.clone(), self.bucket());
        Box::pin(async move { Done::Read { bucket, state: store.read_barrier().await.ok(), at_least } })
    }

    fn read_at_least(&mut self, store: &Store) -> Pin<Box<dyn Future<Output = Done>>> {
        let (store, bucket, at_least) = (store.clone(), self.bucket(), self.seen);
        let patience = Duration::from_millis(self.random.within(0..2_000));
        Box::pin(async move {
            let state = store.state_at_least(at_least, patience).await.ok();
            Done::Read { bucket, state, at_least }
        })
    }

    fn read_exactly(&mut self, store: &Store) -> Pin<Box<dyn Future<Output = Done>>> {
        let (store, bucket) = (store.clone(), self.bucket());
        let revision = self.seen.saturating_sub(self.random.within(0..100));
        Box::pin(
            async move { Done::Exact { bucket, state: store.state_at(bucket, revision).await, revision } },
        )
    }

    fn read_history(&mut self, store: &Store) -> Pin<Box<dyn Future<Output = Done>>> {
        let (store, key) = (store.clone(), self.key());
        Box::pin(async move {
            let records = store.history(&Key::new(key.as_str()), 10).await;
            Done::History { key, records }
        })
    }

    fn compact(&mut self, store: &Store) -> Pin<Box<dyn Future<Output = Done>>> {
        let floor = store.state().revision.saturating_sub(self.random.within(0..100));
        let store = store.clone();
        Box::pin(async move { Done::Compact(store.compact(floor).await) })
    }

    /// Notes how the call returned; none when the client gave up or its node ended. Gives what goes into the trace.
    pub(crate) fn finish(&mut self, done: Option<Done>, history: &mut History) -> u64 {
        let Some(Doing { write, known_before, .. }) = self.doing.take() else { return 0 };
        match done {
            None | Some(Done::Write(_)) => {
                let Some(write) = write else { return 1 };
                let answer = match done {
                    Some(Done::Write(outcome)) => answer_of(outcome),
                    _ => Answer::Unknown,
                };
                let trace = self.learn_from(&write, &answer, history);
                history.writes.push(WriteSeen { write, answer, known_before });
                trace
            }
            Some(Done::Read { bucket, state, at_least }) => {
                let Some(state) = state else { return 2 };
                self.note_read(bucket, &state, at_least, false, history);
                state.revision
            }
            Some(Done::Exact { bucket, state, revision }) => {
                let Ok(state) = state else { return 3 };
                self.note_read(bucket, &state, revision, true, history);
                state.revision
            }
            Some(Done::History { key, records }) => {
                let trace = records.len() as u64;
                history.histories.push((key, records));
                trace
            }
            Some(Done::Compact(result)) => result.unwrap_or(4),
        }
    }

    fn learn_from(&mut self, write: &Write, answer: &Answer, history: &mut History) -> u64 {
        match answer {
            Answer::Applied { first, entries } => {
                let last = first + entries.len() as u64 - 1;
                self.seen = self.seen.max(last);
                history.learn(last);
                for (revision, change) in (*first..).zip(&write.changes) {
                    self.versions.insert(change.key.clone(), revision);
                }
                last
            }
            Answer::Failed { revision, .. } => {
                self.seen = self.seen.max(*revision);
                history.learn(*revision);
                *revision
            }
            Answer::NotProposed => 5,
            Answer::Unknown => 6,
        }
    }

    fn note_read(
        &mut self,
        bucket: &str,
        state: &State,
        at_least: Revision,
        exact: bool,
        history: &mut History,
    ) {
        let contents: Vec<_> =
            state.range(bucket, None).map(|e| (e.key.as_str().to_owned(), Version::of(e))).collect();
        if !exact {
            self.seen = self.seen.max(state.revision);
            history.learn(state.revision);
            for (key, version) in &contents {
                self.versions.insert(key.clone(), version.modified);
            }
        }
        let (bucket, revision) = (bucket.to_owned(), state.revision);
        history.reads.push(ReadSeen { bucket, revision, contents, at_least, exact });
    }
}

fn txn_of(write: &Write) -> Txn {
    let compare = |(key, expected): &(String, Expected)| {
        let key = Key::new(key.as_str());
        match expected {
            Expected::Absent => Compare::Absent(key),
            Expected::Present => Compare::Present(key),
            Expected::Modified(revision) => Compare::Modified(key, *revision),
        }
    };
    let op = |change: &Change| {
        let key = Key::new(change.key.as_str());
        match &change.put {
            Some(bytes) => {
                let splice_at = change.spliced.then_some(1);
                Op::Put { key, value: NewValue { bytes: bytes.clone(), splice_at, ..NewValue::default() } }
            }
            None => Op::Delete { key },
        }
    };
    Txn {
        fence: write.fence,
        compares: write.compares.iter().map(compare).collect(),
        ops: write.changes.iter().map(op).collect(),
    }
}

fn answer_of(outcome: Outcome) -> Answer {
    let versions = |entries: SmallVec<[Option<Arc<crate::entry::Entry>>; 2]>| {
        entries.iter().map(|entry| entry.as_ref().map(|entry| Version::of(entry))).collect()
    };
    match outcome {
        Outcome::Applied { first, entries } => Answer::Applied { first, entries: versions(entries) },
        Outcome::Failed { current, revision } => Answer::Failed { revision, current: versions(current) },
        Outcome::NotProposed(_) => Answer::NotProposed,
        Outcome::Unknown => Answer::Unknown,
    }
}
