//! Three stores in one process, joined by frames that are encoded and decoded on the way.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pintle_store::{
    Compare, FRAME_HEADER_LENGTH, Founding, FrameHeader, Interest, Key, NewValue, Op, Options, Outcome,
    PeerFrame, Peers, Prefix, Store, Txn,
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
}

fn carry(frames: &Receiver<Vec<u8>>, stores: &Mutex<BTreeMap<u64, Store>>) {
    for bytes in frames {
        let (header, body) = bytes.split_first_chunk::<FRAME_HEADER_LENGTH>().expect("a header");
        let header = FrameHeader::decode(header).expect("a good header");
        let frame = PeerFrame::decode(header, body).expect("a good body");
        let store = stores.lock().expect("no panic").get(&frame.to()).cloned();
        if let Some(store) = store {
            store.receive(frame).expect("it is for this node");
        }
    }
}

impl Cluster {
    fn new() -> Cluster {
        let (frames, receiver) = sync_channel(10_000);
        let stores = Arc::new(Mutex::new(BTreeMap::new()));
        let carried = stores.clone();
        std::thread::spawn(move || carry(&receiver, &carried));
        let directory = |node| (node, tempfile::tempdir().expect("a temporary directory"));
        let directories = VOTERS.into_iter().map(directory).collect();
        let cluster = Cluster { wire: Wire { frames }, directories, stores };
        VOTERS.iter().for_each(|node| cluster.open(*node));
        cluster
    }

    fn open(&self, node: u64) {
        let founding = Founding { cluster: CLUSTER, node, voters: VOTERS.to_vec() };
        let options = Options {
            founding: Some(founding),
            peers: Arc::new(self.wire.clone()),
            tick: Duration::from_millis(10),
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
    assert_eq!(stranger.receive(frame.clone()), Err(pintle_store::PeerRefusal::OtherCluster(CLUSTER)));
    let third = VOTERS.into_iter().find(|node| ![11, frame.to()].contains(node)).expect("a third");
    let wrong = open(CLUSTER, third, "wrong").expect("opens");
    assert_eq!(wrong.receive(frame.clone()), Err(pintle_store::PeerRefusal::OtherNode(frame.to())));
}
