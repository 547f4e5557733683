use bytes::Bytes;
use smallvec::smallvec;

use super::*;
use crate::command::{Encoded, Session};
use crate::txn::{Compare, NewValue, Op, Txn};

struct Replica {
    machine: Machine,
    sequence: u64,
    changes: Vec<Change>,
}

impl Replica {
    fn new() -> Replica {
        Replica { machine: Machine::new(Meta::default()), sequence: 0, changes: Vec::new() }
    }

    fn apply(&mut self, command: Encoded) -> Option<Outcome> {
        self.sequence += 1;
        self.apply_as(command, self.sequence)
    }

    fn apply_as(&mut self, command: Encoded, sequence: u64) -> Option<Outcome> {
        let data = command.into_data(Session { node: 1, boot: 1, sequence });
        let index = self.machine.meta.applied + 1;
        self.machine.apply(index, 3, &data, &mut self.changes).expect("applies")
    }

    fn txn(&mut self, txn: &Txn) -> Outcome {
        self.apply(Encoded::txn(txn)).expect("an outcome")
    }

    fn put(&mut self, key: &str) -> Outcome {
        self.txn(&Txn { ops: smallvec![put(key)], ..Txn::default() })
    }

    fn delete(&mut self, key: &str) -> Outcome {
        self.txn(&Txn { ops: smallvec![Op::Delete { key: key.into() }], ..Txn::default() })
    }

    /// What a node that reads the records back ends up with.
    fn replayed(&self, erased: &[Revision]) -> Machine {
        let mut machine = Machine::new(self.machine.meta.clone());
        for change in &self.changes {
            let revision = change.record.revision;
            if !erased.contains(&revision) {
                let record = Record::decode(revision, &change.record.encode()).expect("decodes");
                machine.replay(record).expect("replays");
            }
        }
        machine.replayed();
        machine
    }
}

fn put(key: &str) -> Op {
    let bytes = Bytes::copy_from_slice(key.as_bytes());
    Op::Put { key: key.into(), value: NewValue { bytes, splice_at: Some(0), ..NewValue::default() } }
}

fn contents(state: &State) -> Vec<(String, Revision, Revision, Bytes)> {
    let entries = state.range("/registry/a/", None);
    entries
        .map(|entry| (entry.key.to_string(), entry.created, entry.modified, entry.bytes().clone()))
        .collect()
}

#[test]
fn each_operation_takes_one_revision_and_a_failed_compare_none() {
    let mut replica = Replica::new();
    let two = Txn { ops: smallvec![put("/registry/a/1"), put("/registry/a/2")], ..Txn::default() };
    assert!(matches!(replica.txn(&two), Outcome::Applied { first: 1, .. }));
    let absent = Txn {
        compares: smallvec![Compare::Absent("/registry/a/1".into())],
        ops: smallvec![put("/registry/a/1")],
        ..Txn::default()
    };
    let Outcome::Failed { current, revision: 2 } = replica.txn(&absent) else { panic!("must fail") };
    assert_eq!(current[0].as_ref().map(|entry| entry.modified), Some(1));
    assert!(matches!(replica.put("/registry/a/1"), Outcome::Applied { first: 3, .. }));
    let entry = replica.machine.state.lookup("/registry/a/1").expect("an entry");
    assert_eq!((entry.created, entry.modified), (1, 3));
    assert_eq!(entry.bytes().as_ref(), b"3/registry/a/1");
}

#[test]
fn a_delete_gives_what_it_removed_and_nothing_for_an_absent_key() {
    let mut replica = Replica::new();
    replica.put("/registry/a/1");
    let Outcome::Applied { first: 2, entries } = replica.delete("/registry/a/1") else {
        panic!("must apply")
    };
    assert_eq!(entries[0].as_ref().map(|entry| entry.modified), Some(1));
    let Outcome::Applied { first: 3, entries } = replica.delete("/registry/a/1") else {
        panic!("must apply")
    };
    assert!(entries[0].is_none());
    assert_eq!((replica.machine.state.revision, replica.changes.len()), (3, 2));
    assert!(matches!(replica.put("/registry/a/1"), Outcome::Applied { first: 4, .. }));
    assert_eq!(replica.machine.state.lookup("/registry/a/1").expect("an entry").created, 4);
}

#[test]
fn a_fence_of_another_term_changes_nothing() {
    let mut replica = Replica::new();
    let fenced = |term| Txn { fence: Some(term), ops: smallvec![put("/registry/a/1")], ..Txn::default() };
    assert!(matches!(replica.txn(&fenced(2)), Outcome::NotProposed(Why::Fenced)));
    assert_eq!(replica.machine.state.revision, 0);
    assert!(matches!(replica.txn(&fenced(3)), Outcome::Applied { first: 1, .. }));
}

#[test]
fn a_proposal_that_arrives_twice_is_applied_once() {
    let mut replica = Replica::new();
    let txn = Txn { ops: smallvec![put("/registry/a/1")], ..Txn::default() };
    assert!(replica.apply_as(Encoded::txn(&txn), 7).is_some());
    assert!(replica.apply_as(Encoded::txn(&txn), 7).is_none());
    let failing = Txn { compares: smallvec![Compare::Present("/registry/a/9".into())], ..Txn::default() };
    assert!(matches!(replica.apply_as(Encoded::txn(&failing), 8), Some(Outcome::Failed { .. })));
    assert!(replica.apply_as(Encoded::txn(&failing), 8).is_none(), "failed compares count too");
    assert_eq!(replica.machine.state.revision, 1);
}

#[test]
fn replayed_records_give_the_same_state() {
    let mut replica = Replica::new();
    for key in ["1", "2", "1", "3"] {
        replica.put(&format!("/registry/a/{key}"));
    }
    replica.delete("/registry/a/2");
    replica.delete("/registry/a/9");
    let machine = replica.replayed(&[]);
    assert_eq!(contents(&machine.state), contents(&replica.machine.state));
    assert_eq!(machine.state.revision, 6);
    assert_eq!(machine.bytes().retained, replica.machine.bytes().retained);
}

#[test]
fn compaction_erases_what_no_reader_above_the_floor_needs() {
    let mut replica = Replica::new();
    for key in ["1", "2", "1", "1"] {
        replica.put(&format!("/registry/a/{key}"));
    }
    replica.delete("/registry/a/2");
    replica.put("/registry/a/1");
    replica.apply(Encoded::compact(5));
    assert_eq!(replica.machine.state.floor, 5);
    let mut garbage = replica.machine.take_garbage(100);
    garbage.sort();
    // Revision 4 is the previous version of 6, which is above the floor.
    assert_eq!(garbage, [1, 2, 3, 5]);
    let machine = replica.replayed(&garbage);
    assert_eq!(contents(&machine.state), contents(&replica.machine.state));
    assert_eq!(machine.bytes().retained, replica.machine.bytes().retained);
    assert_eq!(replica.machine.bytes().garbage, 0);
}

#[test]
fn the_floor_never_falls_and_never_passes_the_newest_revision() {
    let mut replica = Replica::new();
    replica.put("/registry/a/1");
    replica.put("/registry/a/1");
    replica.apply(Encoded::compact(2));
    replica.apply(Encoded::compact(1));
    assert_eq!(replica.machine.state.floor, 2);
    replica.apply(Encoded::compact(99));
    assert_eq!(replica.machine.state.floor, 2);
}

#[test]
fn a_missing_record_above_the_floor_is_noticed_at_replay() {
    let mut replica = Replica::new();
    for _ in 0..3 {
        replica.put("/registry/a/1");
    }
    let mut machine = Machine::new(replica.machine.meta.clone());
    machine.replay(replica.changes[0].record.clone()).expect("the first");
    let error = machine.replay(replica.changes[2].record.clone());
    assert!(error.is_err_and(|Malformed(part)| part.contains("previous version")));
}

#[test]
fn two_replicas_agree_byte_for_byte() {
    let run = || {
        let mut replica = Replica::new();
        for number in 0..200u64 {
            let key = format!("/registry/a/{}", number * 7 % 13);
            match number % 5 {
                0 => replica.delete(&key),
                _ => replica.put(&key),
            };
        }
        let records: Vec<_> = replica.changes.iter().map(|change| change.record.encode()).collect();
        (records, replica.machine.meta.encode())
    };
    assert_eq!(run(), run());
}

#[test]
fn the_hash_depends_on_what_is_retained_and_not_on_what_is_still_stored() {
    let mut replica = Replica::new();
    for round in 0..40 {
        replica.put(&format!("/registry/a/{}", round % 7));
        if round % 5 == 0 {
            replica.delete(&format!("/registry/a/{}", round % 3));
        }
        if round == 25 {
            replica.apply(Encoded::compact(20));
        }
    }
    let hash = replica.machine.hash();
    let meta = replica.machine.meta.clone();
    let replayed = |records: &[Record]| {
        let mut machine = Machine::new(meta.clone());
        for record in records {
            machine.replay(record.clone()).expect("replays");
        }
        machine.replayed();
        machine.hash()
    };
    let mut records: Vec<Record> = replica.changes.iter().map(|change| change.record.clone()).collect();
    assert_eq!(replayed(&records), hash, "with its garbage");
    let garbage = replica.machine.take_garbage(usize::MAX);
    assert!(!garbage.is_empty());
    records.retain(|record| !garbage.contains(&record.revision));
    assert_eq!(replayed(&records), hash, "without it");
    records.pop();
    assert_ne!(replayed(&records), hash, "without the last record");
}
