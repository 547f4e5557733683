//! The store as its callers see it, on a real disk.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pintle_store::{
    AtError, Compacted, Compare, Event, Health, Interest, Key, NewValue, Op, OpenError, Options, Outcome,
    Prefix, Revision, State, Store, Term, Txn, Why, inspect_backup, restore_backup,
};
use smallvec::{SmallVec, smallvec};
use tempfile::TempDir;

const BUCKET: &str = "/registry/pods/";

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn open(directory: &TempDir) -> Store {
    Store::open(Options::new(directory.path())).expect("the store opens")
}

/// A store whose rings hold next to nothing, so that watchers must read records.
fn open_without_rings(directory: &TempDir) -> Store {
    Store::open(Options { ring_bytes: 1, ..Options::new(directory.path()) }).expect("the store opens")
}

fn key(name: &str) -> Key {
    Key::new(format!("{BUCKET}default/{name}"))
}

fn value(text: &str) -> NewValue {
    NewValue { bytes: Bytes::copy_from_slice(text.as_bytes()), ..NewValue::default() }
}

fn put(key: Key, value: NewValue) -> Txn {
    Txn { ops: smallvec![Op::Put { key, value }], ..Txn::default() }
}

fn on_node(node: &str) -> SmallVec<[Term; 2]> {
    smallvec![Term { tag: 1, value: node.into() }]
}

async fn applied(store: &Store, txn: Txn) -> Revision {
    match store.txn(txn).await {
        Outcome::Applied { first, .. } => first,
        other => panic!("not applied: {other:?}"),
    }
}

async fn write(store: &Store, name: &str, text: &str) -> Revision {
    applied(store, put(key(name), value(text))).await
}

async fn remove(store: &Store, name: &str) -> Revision {
    applied(store, Txn { ops: smallvec![Op::Delete { key: key(name) }], ..Txn::default() }).await
}

fn contents(state: &State) -> Vec<String> {
    let entries = state.range(BUCKET, None);
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    entries.map(|entry| format!("{}={}@{}", entry.key, text(entry.bytes()), entry.modified)).collect()
}

async fn events(store: &Store, from: Revision, interest: Interest, count: usize) -> Vec<String> {
    let mut cursor = store.watch(BUCKET, Prefix::from(BUCKET), from, interest).expect("a cursor");
    let mut out = Vec::new();
    while out.len() < count {
        cursor.next(2, &mut out).await.expect("events");
    }
    out.iter().map(describe).collect()
}

fn describe(event: &Arc<Event>) -> String {
    let name = event.key.as_str().rsplit('/').next().unwrap_or_default();
    let text = |entry: &Option<Arc<pintle_store::Entry>>| match entry {
        Some(entry) => format!("{}@{}", String::from_utf8_lossy(entry.bytes()), entry.modified),
        None => "-".to_owned(),
    };
    format!("{} {name} {} > {}", event.revision, text(&event.old), text(&event.new))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let directory = directory();
    let store = open(&directory);
    let create = Txn { compares: smallvec![Compare::Absent(key("a"))], ..put(key("a"), value("1")) };
    assert_eq!(applied(&store, create.clone()).await, 1);
    assert!(matches!(store.txn(create).await, Outcome::Failed { revision: 1, .. }));
    write(&store, "b", "2").await;
    write(&store, "a", "3").await;
    remove(&store, "b").await;
    let before = contents(&store.state());
    store.shutdown().await;
    let store = open(&directory);
    assert_eq!(contents(&store.state()), before);
    assert_eq!(store.state().revision, 4);
    assert_eq!(write(&store, "c", "5").await, 5);
    assert_eq!(store.read_barrier().await.expect("a barrier").revision, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_revision_goes_into_the_bytes_and_the_outcome_says_it() {
    let directory = directory();
    let store = open(&directory);
    write(&store, "a", "x").await;
    let value = NewValue { splice_at: Some(4), facts: Bytes::from_static(b"f"), ..value("{rv:}") };
    let ops = smallvec![Op::Put { key: key("b"), value }, Op::Delete { key: key("a") }];
    let Outcome::Applied { first: 2, entries } = store.txn(Txn { ops, ..Txn::default() }).await else {
        panic!("not applied");
    };
    let new = entries[0].as_ref().expect("the new entry");
    assert_eq!((new.bytes().as_ref(), new.facts().as_ref()), (&b"{rv:2}"[..], &b"f"[..]));
    assert_eq!(new.restamped(17).as_ref(), b"{rv:17}");
    assert_eq!(entries[1].as_ref().map(|entry| entry.modified), Some(1));
    assert_eq!(store.state().revision, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_resumes_at_an_older_revision_after_a_restart() {
    let expected = ["2 b - > 2@2", "3 a 1@1 > 3@3", "4 b 2@2 > -", "5 a 3@3 > 5@5"];
    let directory = directory();
    let store = open(&directory);
    for (name, text) in [("a", "1"), ("b", "2"), ("a", "3")] {
        write(&store, name, text).await;
    }
    remove(&store, "b").await;
    write(&store, "a", "5").await;
    assert_eq!(events(&store, 1, Interest::All, 4).await, expected);
    drop(store);
    let store = open(&directory);
    assert_eq!(events(&store, 1, Interest::All, 4).await, expected, "from the refilled ring");
    drop(store);
    let store = open_without_rings(&directory);
    assert_eq!(events(&store, 1, Interest::All, 4).await, expected, "from the records");
    assert_eq!(events(&store, 2, Interest::Key(key("b")), 1).await, ["4 b 2@2 > -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_every_change_while_it_is_sometimes_behind_the_ring() {
    const CHANGES: usize = 3_000;
    let directory = directory();
    let store = Store::open(Options { ring_bytes: 40_000, ..Options::new(directory.path()) }).expect("opens");
    let mut cursor = store.watch(BUCKET, Prefix::from(BUCKET), 0, Interest::All).expect("a cursor");
    let watcher = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < CHANGES {
            let before = seen.len();
            let progress = cursor.next(7, &mut seen).await.expect("events");
            assert!(progress.delivered == seen.len() - before && progress.delivered <= 7);
            assert!(progress.position >= seen.last().map_or(0, |event| event.revision));
            if seen.len().is_multiple_of(50) {
                tokio::task::yield_now().await;
            }
        }
        seen
    });
    let mut writers = Vec::new();
    for writer in 0..10 {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            for number in 0..CHANGES / 10 {
                write(&store, &format!("{writer}-{}", number % 9), &"x".repeat(200)).await;
            }
        }));
    }
    for writer in writers {
        writer.await.expect("a writer");
    }
    let seen = watcher.await.expect("the watcher");
    let revisions: Vec<Revision> = seen.iter().map(|event| event.revision).collect();
    assert_eq!(revisions, (1..=CHANGES as u64).collect::<Vec<_>>());
    for event in &seen {
        let new = event.new.as_ref().expect("a put");
        assert_eq!((new.modified, new.created == event.revision), (event.revision, event.old.is_none()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_term_watcher_gets_the_events_that_enter_and_leave_its_term() {
    let directory = directory();
    let store = open(&directory);
    let term = on_node("n1").remove(0);
    let watch = |interest| store.watch(BUCKET, Prefix::from(BUCKET), 0, interest).expect("a cursor");
    let mut cursor = watch(Interest::Term(term.clone()));
    let mut out = Vec::new();
    assert_eq!(cursor.try_next(10, &mut out).expect("nothing yet").delivered, 0);
    let bound = |name: &str, node: &str| put(key(name), NewValue { terms: on_node(node), ..value(node) });
    for (name, node) in [("a", "n1"), ("b", "n2"), ("a", "n2"), ("b", "n3"), ("c", "n1")] {
        applied(&store, bound(name, node)).await;
    }
    while out.len() < 3 {
        cursor.next(1, &mut out).await.expect("events");
    }
    let seen: Vec<String> = out.iter().map(describe).collect();
    let expected = ["1 a - > n1@1", "3 a n1@1 > n2@3", "5 c - > n1@5"];
    assert_eq!(seen, expected);
    assert_eq!(store.state().by_term(BUCKET, &term).count(), 1);
    // What is not of interest moves the position, and a bookmark may say so.
    applied(&store, bound("b", "n4")).await;
    assert_eq!(cursor.try_next(10, &mut out).expect("nothing").delivered, 0);
    assert_eq!(cursor.position(), 6);
    drop((cursor, store));
    let store = open_without_rings(&directory);
    assert_eq!(events(&store, 0, Interest::Term(term), 3).await, expected, "from the records");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_watcher_gets_only_its_namespace() {
    let directory = directory();
    let store = open(&directory);
    let range = Prefix::from("/registry/pods/default/");
    let mut cursor = store.watch(BUCKET, range, 0, Interest::All).expect("a cursor");
    let mut out = Vec::new();
    cursor.try_next(1, &mut out).expect("armed");
    let other = Key::from("/registry/pods/defaults/a");
    applied(&store, put(other, value("other"))).await;
    write(&store, "a", "mine").await;
    cursor.next(10, &mut out).await.expect("events");
    assert_eq!(out.iter().map(describe).collect::<Vec<_>>(), ["2 a - > mine@2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_on_a_future_revision_waits_for_it() {
    let directory = directory();
    let store = open(&directory);
    let mut cursor = store.watch(BUCKET, Prefix::from(BUCKET), 2, Interest::All).expect("a cursor");
    let mut out = Vec::new();
    for name in ["a", "b", "c"] {
        write(&store, name, name).await;
        cursor.try_next(10, &mut out).expect("progress");
    }
    assert_eq!(out.iter().map(describe).collect::<Vec<_>>(), ["3 c - > c@3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_wait_loses_nothing() {
    let directory = directory();
    let store = open_without_rings(&directory);
    write(&store, "a", "1").await;
    write(&store, "a", "2").await;
    let mut cursor = store.watch(BUCKET, Prefix::from(BUCKET), 0, Interest::All).expect("a cursor");
    let mut out = Vec::new();
    for _ in 0..50 {
        // Each attempt is given up at its first wait.
        tokio::select! {
            biased;
            progress = cursor.next(1, &mut out) => { progress.expect("progress"); }
            () = tokio::task::yield_now() => {}
        }
        if out.len() == 2 {
            break;
        }
        tokio::task::spawn_blocking(|| ()).await.expect("a moment");
    }
    while out.len() < 2 {
        cursor.next(1, &mut out).await.expect("events");
    }
    assert_eq!(out.iter().map(|event| event.revision).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_made_once() {
    let directory = directory();
    let store = open(&directory);
    write(&store, "a", "1").await;
    let mut out = Vec::new();
    let mut cursor = store.watch(BUCKET, Prefix::from(BUCKET), 0, Interest::All).expect("a cursor");
    cursor.next(1, &mut out).await.expect("events");
    let first = out[0].form(7, || Bytes::from_static(b"encoded"));
    let again = out[0].form(7, || panic!("made before"));
    assert_eq!((first.as_ref(), again.as_ref()), (&b"encoded"[..], &b"encoded"[..]));
    assert_eq!(out[0].form(8, || Bytes::from_static(b"other")).as_ref(), b"other");
}

#[tokio::test(flavor = "multi_thread")]
async fn older_states_are_exact_from_ring_and_records() {
    let directory = directory();
    let store = open(&directory);
    let mut states = vec![contents(&store.state())];
    for number in 0..30u32 {
        let name = format!("{}", number % 7);
        match number % 4 {
            3 => remove(&store, &name).await,
            _ => write(&store, &name, &number.to_string()).await,
        };
        states.push(contents(&store.state()));
    }
    let check = async |store: &Store| {
        for (revision, expected) in states.iter().enumerate() {
            let state = store.state_at(BUCKET, revision as u64).await.expect("a state");
            assert_eq!((state.revision, &contents(&state)), (revision as u64, expected));
        }
        let error = store.state_at(BUCKET, 31).await.err();
        assert!(matches!(error, Some(AtError::TooNew(_))));
    };
    check(&store).await;
    drop(store);
    check(&open_without_rings(&directory)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_floor_history_is_gone_and_above_it_complete() {
    let directory = directory();
    let store = open(&directory);
    for text in ["1", "2", "3", "4", "5"] {
        write(&store, "a", text).await;
    }
    assert_eq!(store.compact(3).await, Ok(3));
    assert!(store.compact(9).await.is_err());
    let check = async |store: &Store| {
        let watch = |from| store.watch(BUCKET, Prefix::from(BUCKET), from, Interest::All);
        assert_eq!(watch(2).err(), Some(Compacted { floor: 3 }));
        assert_eq!(events(store, 3, Interest::All, 2).await, ["4 a 3@3 > 4@4", "5 a 4@4 > 5@5"]);
        let gone = store.state_at(BUCKET, 2).await.err();
        assert_eq!(gone, Some(AtError::Compacted(Compacted { floor: 3 })));
        let at_floor = store.state_at(BUCKET, 3).await.expect("a state");
        assert_eq!(contents(&at_floor), ["/registry/pods/default/a=3@3"]);
        let history = store.history(&key("a"), 10).await;
        assert_eq!(history.iter().map(|record| record.revision).collect::<Vec<_>>(), [5, 4, 3]);
    };
    check(&store).await;
    drop(store);
    check(&open_without_rings(&directory)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_fell_below_the_floor_says_so() {
    let directory = directory();
    let store = open_without_rings(&directory);
    let mut cursor = store.watch(BUCKET, Prefix::from(BUCKET), 0, Interest::All).expect("a cursor");
    for text in ["1", "2", "3"] {
        write(&store, "a", text).await;
    }
    store.compact(2).await.expect("compacts");
    assert_eq!(cursor.next(1, &mut Vec::new()).await, Err(Compacted { floor: 2 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_erased_and_the_rest_survives() {
    let directory = directory();
    // Above its quota a store erases garbage at once.
    let store = Store::open(Options { quota_bytes: 600, ..Options::new(directory.path()) }).expect("opens");
    for name in ["a", "b", "c"] {
        write(&store, name, "1").await;
    }
    for _ in 0..100 {
        write(&store, "a", "2").await;
    }
    let revision = store.state().revision;
    store.compact(revision).await.expect("compacts");
    write(&store, "a", "3").await;
    let before = contents(&store.state());
    let retained = store.status().stored_bytes;
    assert!(retained < 1_000, "{retained}");
    drop(store);
    let store = open_without_rings(&directory);
    assert_eq!(contents(&store.state()), before);
    assert_eq!(events(&store, revision, Interest::All, 1).await.len(), 1);
    assert_eq!(store.status().stored_bytes, retained);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_of_a_removed_key_is_still_told() {
    let directory = directory();
    let store = open(&directory);
    write(&store, "a", "1").await;
    write(&store, "a", "2").await;
    write(&store, "b", "3").await;
    remove(&store, "a").await;
    let history = store.history(&key("a"), 2).await;
    let told: Vec<_> = history.iter().map(|record| (record.revision, record.entry.is_some())).collect();
    assert_eq!(told, [(4, false), (2, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_stops_growth_but_neither_reads_nor_deletes() {
    let directory = directory();
    let store =
        Store::open(Options { quota_bytes: 20_000, ..Options::new(directory.path()) }).expect("opens");
    let big = "x".repeat(5_000);
    let mut written = 0;
    let refused = loop {
        match store.txn(put(key(&written.to_string()), value(&big))).await {
            Outcome::Applied { .. } => written += 1,
            other => break other,
        }
    };
    assert!(matches!(refused, Outcome::NotProposed(Why::QuotaExceeded)) && written == 4, "{refused:?}");
    assert_eq!(store.status().health, Health::QuotaExceeded);
    assert_eq!(contents(&store.read_barrier().await.expect("reads work")).len(), 4);
    write(&store, "0", "smaller").await;
    for name in ["1", "2", "3"] {
        remove(&store, name).await;
    }
    store.compact(store.state().revision).await.expect("compacts");
    assert_eq!(store.status().health, Health::Good);
    write(&store, "new", &big).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_have_a_size_limit() {
    let directory = directory();
    let store = open(&directory);
    let huge = put(key("a"), value(&"x".repeat(5 << 20)));
    assert!(matches!(store.txn(huge).await, Outcome::NotProposed(Why::TooLarge)));
    let ops = (0..1_001).map(|number| Op::Delete { key: key(&number.to_string()) }).collect();
    assert!(matches!(store.txn(Txn { ops, ..Txn::default() }).await, Outcome::NotProposed(Why::TooLarge)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_of_another_term_is_refused() {
    let directory = directory();
    let store = open(&directory);
    let leadership = *store.leadership().borrow();
    assert!(leadership.leads);
    let fenced = |term| Txn { fence: Some(term), ..put(key("a"), value("1")) };
    assert!(matches!(store.txn(fenced(leadership.term - 1)).await, Outcome::NotProposed(Why::Fenced)));
    assert_eq!(applied(&store, fenced(leadership.term)).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_revision_ends_with_it_or_with_the_deadline() {
    let directory = directory();
    let store = open(&directory);
    let late = store.state_at_least(2, Duration::from_millis(1)).await;
    assert_eq!(late.err().map(|too_new| too_new.current), Some(0));
    let waiter = tokio::spawn({
        let store = store.clone();
        async move { store.state_at_least(2, Duration::from_secs(60)).await.map(|state| state.revision) }
    });
    write(&store, "a", "1").await;
    write(&store, "a", "2").await;
    assert!(waiter.await.expect("the waiter").is_ok_and(|revision| revision >= 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_raft_confirms_holds_every_write_acknowledged_before() {
    let directory = directory();
    let options = Options { confirm_every_read: true, ..Options::new(directory.path()) };
    let store = Store::open(options).expect("the store opens");
    let mut clients = Vec::new();
    for client in 0..8 {
        let store = store.clone();
        clients.push(tokio::spawn(async move {
            for number in 0..50 {
                let revision = write(&store, &client.to_string(), &number.to_string()).await;
                let state = store.read_barrier().await.expect("a barrier");
                assert!(state.revision >= revision);
            }
        }));
    }
    for client in clients {
        client.await.expect("a client");
    }
    let handle = store.clone();
    store.shutdown().await;
    assert!(handle.read_barrier().await.is_err(), "nobody can confirm a read any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_shutdown_writes_are_refused_and_reads_still_work() {
    let directory = directory();
    let store = open(&directory);
    write(&store, "a", "1").await;
    let handle = store.clone();
    store.shutdown().await;
    assert!(matches!(handle.txn(put(key("a"), value("2"))).await, Outcome::NotProposed(Why::Stopping)));
    assert_eq!(contents(&handle.state()), ["/registry/pods/default/a=1@1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_store_on_the_same_directory_is_refused() {
    let directory = directory();
    let store = open(&directory);
    let second = Store::open(Options::new(directory.path()));
    assert!(matches!(second, Err(OpenError::InUse(_))));
    drop(store);
    drop(open(&directory));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_is_not_served_from() {
    let directory = directory();
    let store = open(&directory);
    let log = directory.path().join("log");
    let copy = directory.path().join("copy");
    for name in ["a", "b"] {
        write(&store, name, "1").await;
    }
    store.shutdown().await;
    copy_directory(&log, &copy);
    let store = open(&directory);
    write(&store, "c", "1").await;
    store.shutdown().await;
    std::fs::remove_dir_all(&log).expect("remove the log");
    std::fs::rename(&copy, &log).expect("put the old one back");
    let error = Store::open(Options::new(directory.path())).err();
    let text = error.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(matches!(error, Some(OpenError::LogDamaged { alone: Some(true), .. })), "{text}");
    assert_eq!(error.and_then(|error| error.must_rejoin()), None);
    assert!(text.contains("was synced") && text.contains("snapshot restore"), "{text}");
}

fn copy_directory(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restored_twice_holds_everything_and_repeats_no_revision() {
    let (first, second, third) = (directory(), directory(), directory());
    let store = open(&first);
    for round in 0..50 {
        write(&store, &format!("pod-{}", round % 7), "x").await;
    }
    remove(&store, "pod-3").await;
    let (mut file, mut told) = (Vec::new(), 0);
    let now = 1_800_000_000;
    let saved = store.save_backup(now, &mut file, &mut |done, _| told = done).expect("saved");
    assert_eq!((saved.revision, saved.records, told), (51, 51, 51));
    assert_eq!(inspect_backup(&mut &file[..]).expect("whole"), saved);
    let before = contents(&store.state());
    let mut last = 0;
    for (directory, moment) in [(&second, now + 60), (&third, now + 61)] {
        let options = Options::new(directory.path());
        restore_backup(&options, moment, &mut &file[..], &mut |_, _| {}).expect("restored");
        let restored = open(directory);
        assert_eq!(contents(&restored.state()), before);
        assert_ne!(restored.status().cluster, store.status().cluster);
        let floor = restored.state().floor;
        let watch = restored.watch(BUCKET, Prefix::from(BUCKET), 51, Interest::All);
        assert_eq!(watch.err(), Some(Compacted { floor }));
        let revision = write(&restored, "new", "y").await;
        assert!(revision > last && revision == floor + 1 && floor >= moment << 20);
        last = revision + (1 << 19);
        restored.shutdown().await;
        let again = open(directory);
        assert_eq!(again.state().revision, revision);
        assert_eq!(contents(&again.state()).len(), before.len() + 1);
    }
    let refused = restore_backup(&Options::new(third.path()), now, &mut &file[..], &mut |_, _| {});
    assert!(refused.is_err(), "a directory that is a store is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_of_a_backup_that_is_not_whole() {
    let (source, target) = (directory(), directory());
    let store = open(&source);
    for round in 0..5 {
        write(&store, &format!("pod-{round}"), "x").await;
    }
    let mut file = Vec::new();
    store.save_backup(7, &mut file, &mut |_, _| {}).expect("saved");
    for at in 0..file.len() {
        assert!(inspect_backup(&mut &file[..at]).is_err(), "cut off at {at}");
        let mut changed = file.clone();
        changed[at] ^= 0x10;
        assert!(inspect_backup(&mut &changed[..]).is_err(), "changed at {at}");
    }
    let options = Options::new(target.path());
    assert!(restore_backup(&options, 9, &mut &file[..file.len() - 1], &mut |_, _| {}).is_err());
    restore_backup(&options, 9, &mut &file[..], &mut |_, _| {}).expect("begins again");
}
