//! Three stores in one process, joined by frames that are encoded and decoded on the way.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pintle_store::{
    Compare, FRAME_HEADER_LENGTH, Founding, FrameHeader, Interest, Key, MemberChange, MemberError,
    MemberRole, NewValue, Op, Options, Outcome, PeerFrame, PeerRefusal, Peers, Prefix, Store, Txn,
};
use smallvec::smallvec;
use tempfile::TempDir;

const BUCKET: &str = "/registry/pods/";
const CLUSTER: u64 = 77;
const VOTERS: [u64; 3] = [11, 12, 13];

/// Carries encoded frames to the stores that are running.
#[derive(Clone, Debug)]
struct Wire {
    frames: SyncSender<Vec<u8>>,
}

impl Peers for Wire {
    fn send(&self, frame: PeerFrame) {
        // A full wire loses frames.
        let _ = self.frames.try_send(frame.encode());
    }
}

struct Cluster {
    wire: Wire,
    directories: BTreeMap<u64, TempDir>,
    stores: Arc<Mutex<BTreeMap<u64, Store>>>,
    /// Log bytes kept in memory for nodes that are behind, and entries after which the log is cut.
    kept: (usize, u64),
}

fn carry(frames: &Receiver<Vec<u8>>, stores: &Mutex<BTreeMap<u64, Store>>) {
    for bytes in frames {
        let (header, body) = bytes.split_first_chunk::<FRAME_HEADER_LENGTH>().expect("a header");
        let header = FrameHeader::decode(header).expect("a good header");
        let frame = PeerFrame::decode(header, body).expect("a good body");
        let store = stores.lock().expect("no panic").get(&frame.to()).cloned();
        if let Some(store) = store {
            let taken = store.receive(frame);
            let fits = matches!(taken, Ok(()) | Err(PeerRefusal::Removed(_)));
            assert!(fits, "it is for this node: {taken:?}");
        }
    }
}

impl Cluster {
    fn new() -> Cluster {
        Cluster::with((16 << 20, 50_000))
    }

    fn with(kept: (usize, u64)) -> Cluster {
        let cluster = Cluster { kept, ..Cluster::empty() };
        VOTERS.iter().for_each(|node| cluster.open(*node));
        cluster
    }

    fn empty() -> Cluster {
        let (frames, receiver) = sync_channel(10_000);
        let stores = Arc::new(Mutex::new(BTreeMap::new()));
        let carried = stores.clone();
        std::thread::spawn(move || carry(&receiver, &carried));
        let directory = |node| (node, tempfile::tempdir().expect("a temporary directory"));
        let directories = (11..=14).map(directory).collect();
        let kept = (16 << 20, 50_000);
        Cluster { wire: Wire { frames }, directories, stores, kept }
    }

    fn open(&self, node: u64) {
        self.found(node, VOTERS.to_vec());
    }

    fn found(&self, node: u64, voters: Vec<u64>) {
        let founding = Founding { cluster: CLUSTER, node, voters };
        let options = Options {
            founding: Some(founding),
            peers: Arc::new(self.wire.clone()),
            // Long enough that a node which is kept from the processor for a moment is not taken for dead.
            tick: Duration::from_millis(30),
            tail_bytes: self.kept.0,
            flush_log_entries: self.kept.1,
            ..Options::new(self.directories[&node].path())
        };
        let store = Store::open(options).expect("the store opens");
        self.stores.lock().expect("no panic").insert(node, store);
    }

    fn close(&self, node: u64) -> Store {
        self.stores.lock().expect("no panic").remove(&node).expect("it runs")
    }

    fn store(&self, node: u64) -> Store {
        self.stores.lock().expect("no panic")[&node].clone()
    }

    async fn leader(&self) -> u64 {
        // A barrier is answered once there is a leader.
        let any = self.stores.lock().expect("no panic").values().next().cloned().expect("a store");
        any.read_barrier().await.expect("a leader");
        any.status().leader
    }
}

fn key(name: &str) -> Key {
    Key::new(format!("{BUCKET}default/{name}"))
}

fn create(name: &str) -> Txn {
    let value = NewValue { bytes: Bytes::from_static(b"{}"), ..NewValue::default() };
    let ops = smallvec![Op::Put { key: key(name), value }];
    Txn { compares: smallvec![Compare::Absent(key(name))], ops, ..Txn::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_by_any_node_is_applied_there_when_it_returns_and_read_by_every_other() {
    let cluster = Cluster::new();
    for (round, node) in VOTERS.into_iter().cycle().take(9).enumerate() {
        let name = format!("pod-{round}");
        let store = cluster.store(node);
        let Outcome::Applied { first, .. } = store.txn(create(&name)).await else { panic!("not applied") };
        assert_eq!(first, round as u64 + 1);
        assert_eq!(store.state().revision, first);
        assert!(matches!(store.txn(create(&name)).await, Outcome::Failed { .. }));
        for other in VOTERS {
            let state = cluster.store(other).read_barrier().await.expect("a barrier");
            assert!(state.get(&key(&name)).is_some());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_go_on_without_a_leader_that_stops_and_it_catches_up_when_it_returns() {
    let cluster = Cluster::new();
    let leader = cluster.leader().await;
    let other = VOTERS.into_iter().find(|node| *node != leader).expect("a follower");
    let store = cluster.store(other);
    assert!(matches!(store.txn(create("before")).await, Outcome::Applied { first: 1, .. }));
    let mut cursor = store.watch(BUCKET, Prefix::from(BUCKET), 0, Interest::All).expect("a cursor");
    cluster.close(leader).shutdown().await;
    assert!(matches!(store.txn(create("after")).await, Outcome::Applied { first: 2, .. }));
    let mut events = Vec::new();
    while events.len() < 2 {
        cursor.next(10, &mut events).await.expect("events");
    }
    assert_eq!(events.iter().map(|event| event.revision).collect::<Vec<_>>(), [1, 2]);
    cluster.open(leader);
    let state = cluster.store(leader).read_barrier().await.expect("a barrier");
    assert_eq!(state.revision, 2);
    assert!(state.get(&key("after")).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_too_far_behind_gets_a_snapshot_and_its_watches_go_on() {
    let cluster = Cluster::with((1_000, 20));
    let leader = cluster.leader().await;
    let behind = VOTERS.into_iter().find(|node| *node != leader).expect("a follower");
    assert!(matches!(cluster.store(behind).txn(create("first")).await, Outcome::Applied { first: 1, .. }));
    cluster.close(behind).shutdown().await;
    for round in 0..200 {
        let outcome = cluster.store(leader).txn(create(&format!("pod-{round}"))).await;
        assert!(matches!(outcome, Outcome::Applied { .. }));
    }
    cluster.open(behind);
    let store = cluster.store(behind);
    let mut cursor = store.watch(BUCKET, Prefix::from(BUCKET), 1, Interest::All).expect("a cursor");
    let mut events = Vec::new();
    while events.len() < 200 {
        cursor.next(1_000, &mut events).await.expect("events");
    }
    let revisions: Vec<_> = events.iter().map(|event| event.revision).collect();
    assert_eq!(revisions, (2..=201).collect::<Vec<_>>());
    assert_eq!(store.read_barrier().await.expect("a barrier").count(BUCKET), 201);
    assert!(matches!(store.txn(create("last")).await, Outcome::Applied { first: 202, .. }));
    // What was received is what a restart finds.
    cluster.close(behind).shutdown().await;
    drop((store, cursor));
    cluster.open(behind);
    assert_eq!(cluster.store(behind).read_barrier().await.expect("a barrier").count(BUCKET), 202);
    let states = std::fs::read_dir(cluster.directories[&behind].path().join("state")).expect("states");
    assert_eq!(states.count(), 1, "what was replaced is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_grows_from_one_node_and_replaces_a_member() {
    let cluster = Cluster::empty();
    cluster.found(11, vec![11]);
    let first = cluster.store(11);
    assert!(matches!(first.txn(create("before")).await, Outcome::Applied { first: 1, .. }));
    for node in [12, 13, 14] {
        cluster.found(node, Vec::new());
    }
    let add = |node| MemberChange::Add { node, address: format!("host-{node}:1") };
    for node in [12, 13] {
        first.change_members(add(node)).await.expect("a learner");
        first.change_members(MemberChange::Promote { node, replaces: None }).await.expect("a voter");
    }
    let state = cluster.store(13).read_barrier().await.expect("a barrier");
    assert!(state.get(&key("before")).is_some());
    assert!(matches!(cluster.store(12).txn(create("grown")).await, Outcome::Applied { first: 2, .. }));
    first.change_members(add(14)).await.expect("a learner");
    let replace = MemberChange::Promote { node: 14, replaces: Some(12) };
    first.change_members(replace).await.expect("a replacement");
    let voters = |store: &Store| store.members().iter().map(|member| member.node).collect::<Vec<_>>();
    assert_eq!(voters(&first), [11, 13, 14]);
    assert!(first.members().iter().all(|member| member.role == MemberRole::Voter));
    cluster.store(14).read_barrier().await.expect("a barrier");
    assert_eq!(voters(&cluster.store(14)), [11, 13, 14]);
    assert_eq!(cluster.store(14).members()[2].address, "host-14:1");
    // Any node takes a change to the leader, and brings its refusals back.
    let last = cluster.store(14);
    let leading = last.change_members(MemberChange::Remove { node: 11 }).await;
    assert_eq!(leading, Err(MemberError::Needed(11)));
    assert_eq!(last.hand_over(Some(77)).await, Err(MemberError::NoSuchMember(77)));
    assert_eq!(last.hand_over(Some(13)).await, Ok(13));
    last.change_members(MemberChange::Remove { node: 11 }).await.expect("removed");
    assert_eq!(voters(&last), [13, 14]);
    // The first node may go: the others hold everything, and its id is never used again, whoever starts anew.
    drop((first, last));
    cluster.close(11).shutdown().await;
    for node in [13, 14] {
        cluster.close(node).shutdown().await;
    }
    [13, 14].into_iter().for_each(|node| cluster.open(node));
    for removed in [11, 12] {
        let back = cluster.store(13).change_members(add(removed)).await;
        assert_eq!(back, Err(MemberError::WasRemoved(removed)));
    }
    assert_eq!(cluster.store(14).removed_members(), [11, 12]);
    assert!(matches!(cluster.store(14).txn(create("after")).await, Outcome::Applied { first: 3, .. }));
}

/// Flips a byte in the middle of every table file of a directory.
fn flip_bytes(directory: &std::path::Path) -> usize {
    let mut flipped = 0;
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "sst") {
            let mut bytes = std::fs::read(&path).expect("a table");
            let middle = bytes.len() / 4;
            bytes[middle] ^= 0x10;
            std::fs::write(&path, bytes).expect("a table");
            flipped += 1;
        }
    }
    flipped
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_flipped_byte_in_its_state_keeps_its_id_and_is_sent_another_state() {
    let cluster = Cluster::new();
    let leader = cluster.leader().await;
    let damaged = VOTERS.into_iter().find(|node| *node != leader).expect("a follower");
    for round in 0..100 {
        let outcome = cluster.store(damaged).txn(create(&format!("pod-{round}"))).await;
        assert!(matches!(outcome, Outcome::Applied { .. }));
    }
    cluster.close(damaged).shutdown().await;
    assert!(matches!(cluster.store(leader).txn(create("later")).await, Outcome::Applied { .. }));
    assert!(flip_bytes(&cluster.directories[&damaged].path().join("state/1")) > 0);
    cluster.open(damaged);
    let state = cluster.store(damaged).read_barrier().await.expect("a barrier");
    assert_eq!((state.count(BUCKET), state.revision), (101, 101));
    let outcome = cluster.store(damaged).txn(create("own")).await;
    let status = cluster.store(damaged).status();
    assert!(matches!(outcome, Outcome::Applied { first: 102, .. }), "{outcome:?} {status:?}");
    assert_eq!(cluster.store(damaged).status().node, damaged);
    cluster.close(damaged).shutdown().await;
    drop(state);
    cluster.open(damaged);
    assert_eq!(cluster.store(damaged).read_barrier().await.expect("a barrier").count(BUCKET), 102);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_a_damaged_log_is_told_to_join_again_under_a_new_id() {
    let cluster = Cluster::new();
    let leader = cluster.leader().await;
    let damaged = VOTERS.into_iter().find(|node| *node != leader).expect("a follower");
    assert!(matches!(cluster.store(damaged).txn(create("pod")).await, Outcome::Applied { .. }));
    cluster.close(damaged).shutdown().await;
    let path = cluster.directories[&damaged].path();
    std::fs::remove_dir_all(path.join("log")).expect("the log goes");
    let error = Store::open(Options::new(path)).expect_err("refused");
    assert_eq!(error.must_rejoin(), Some(damaged));
    let text = error.to_string();
    assert!(text.contains("join") && text.contains(&format!("member remove {damaged:016x}")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_knows_how_all_members_stand() {
    let cluster = Cluster::new();
    let leader = cluster.leader().await;
    for node in VOTERS {
        let store = cluster.store(node);
        let settled = || {
            let members = store.members();
            let known = members.iter().all(|member| member.lag == Some(0) && member.active == Some(true));
            let applied = members.iter().all(|member| member.applied == Some(store.status().applied_index));
            known && applied && members.iter().all(|member| member.leads == (member.node == leader))
        };
        // The roll is called by the clock; each write gives the other threads a turn.
        let mut round = 0;
        while !settled() {
            store.read_barrier().await.expect("a barrier");
            round += 1;
            assert!(round < 100_000, "{:?}", store.members());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_another_cluster_or_for_another_node_are_refused() {
    let (frames, received) = sync_channel(10_000);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let open = |cluster, node, path: &str| {
        let founding = Some(Founding { cluster, node, voters: VOTERS.to_vec() });
        let peers = Arc::new(Wire { frames: frames.clone() });
        let tick = Duration::from_millis(1);
        Store::open(Options { founding, peers, tick, ..Options::new(directory.path().join(path)) })
    };
    let _sender = open(CLUSTER, 11, "sender").expect("opens");
    let bytes = received.recv().expect("a frame");
    let (header, body) = bytes.split_first_chunk().expect("a header");
    let frame = PeerFrame::decode(FrameHeader::decode(header).expect("a header"), body).expect("a body");
    let stranger = open(CLUSTER + 1, frame.to(), "stranger").expect("opens");
    assert_eq!(stranger.receive(frame.clone()), Err(PeerRefusal::OtherCluster(CLUSTER)));
    let third = VOTERS.into_iter().find(|node| ![11, frame.to()].contains(node)).expect("a third");
    let wrong = open(CLUSTER, third, "wrong").expect("opens");
    assert_eq!(wrong.receive(frame.clone()), Err(PeerRefusal::OtherNode(frame.to())));
}
