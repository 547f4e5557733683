//! Nodes joined by the transport over loopback, with certificates as a cluster has them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use pintle_certs::{PeerNames, PeerTls, Pki, ServerNames, peer_name};
use pintle_store::{
    Compare, Founding, Key, Lane, Link, Links, MemberChange, NewValue, Op, Options, Outcome, PeerFrame,
    Peers, Store, Transport, TransportOptions, TransportTls, Txn,
};
use rustls::pki_types::ServerName;
use smallvec::smallvec;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

const CLUSTER: u64 = 77;
const VOTERS: [u64; 3] = [11, 12, 13];
/// Where the cluster stands in a frame.
const CLUSTER_AT: usize = 2;
/// The unit of Raft's timers.
const TICK: Duration = Duration::from_millis(10);
/// No test takes as long as this; it only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(60);

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it does not take so long")
}

/// An authority for the certificates of nodes.
struct Authority {
    pki: Pki,
    _directory: TempDir,
}

impl Authority {
    fn new() -> Authority {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (pki, _) = Pki::open_or_create(directory.path(), &ServerNames::new(), now()).expect("made");
        Authority { pki, _directory: directory }
    }

    fn peer_tls(&self, cluster: u64, node: u64) -> PeerTls {
        self.pki.peer_tls(&PeerNames::new(cluster, node), now()).expect("issued")
    }

    fn tls(&self, node: u64) -> TransportTls {
        let tls = self.peer_tls(CLUSTER, node);
        TransportTls { server: tls.server(), client: tls.client(), name: peer_name }
    }
}

/// TLS judges certificates by the system's time.
#[allow(clippy::disallowed_methods, reason = "the certificates must be valid while the test runs")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

struct Node {
    store: Store,
    transport: Transport,
}

impl Node {
    fn start(
        directory: &TempDir,
        node: u64,
        tls: TransportTls,
        listener: TcpListener,
        addresses: &BTreeMap<u64, SocketAddr>,
        tick: Duration,
    ) -> Node {
        let others = addresses.iter().filter(|(other, _)| **other != node);
        let addresses = others.map(|(other, address)| (*other, address.to_string())).collect();
        let transport = Transport::new(TransportOptions { addresses, ..TransportOptions::new(tls) });
        let options = Options { tick, ..options(directory, node, &VOTERS, &transport) };
        let store = Store::open(options).expect("the store opens");
        transport.start(&store, listener).expect("the transport starts");
        Node { store, transport }
    }

    async fn stop(self) {
        self.store.shutdown().await;
        self.transport.stop().await;
    }

    async fn links(&self, hold: impl Fn(&Links) -> bool) -> Links {
        let mut links = self.transport.links();
        within(links.wait_for(hold)).await.expect("the transport is there").clone()
    }
}

/// What every node of a test is opened with.
fn options(directory: &TempDir, node: u64, voters: &[u64], transport: &Transport) -> Options {
    Options {
        founding: Some(Founding { cluster: CLUSTER, node, voters: voters.to_vec() }),
        peers: transport.peers(),
        tick: TICK,
        ..Options::new(directory.path())
    }
}

struct Cluster {
    authority: Authority,
    addresses: BTreeMap<u64, SocketAddr>,
    directories: BTreeMap<u64, TempDir>,
    nodes: BTreeMap<u64, Node>,
    tick: Duration,
}

impl Cluster {
    /// A cluster in which the nodes `running` run, and where others would listen.
    fn new(running: &[u64]) -> (Cluster, BTreeMap<u64, TcpListener>) {
        let mut listeners = BTreeMap::new();
        let mut addresses = BTreeMap::new();
        let mut directories = BTreeMap::new();
        for node in VOTERS {
            let (listener, address) = listen();
            listeners.insert(node, listener);
            addresses.insert(node, address);
            directories.insert(node, tempfile::tempdir().expect("a temporary directory"));
        }
        let nodes = BTreeMap::new();
        let mut cluster = Cluster { authority: Authority::new(), addresses, directories, nodes, tick: TICK };
        for node in running {
            let listener = listeners.remove(node).expect("listed once");
            cluster.start(*node, listener);
        }
        (cluster, listeners)
    }

    fn start(&mut self, node: u64, listener: TcpListener) {
        let tls = self.authority.tls(node);
        let started = Node::start(&self.directories[&node], node, tls, listener, &self.addresses, self.tick);
        self.nodes.insert(node, started);
    }

    async fn stop(&mut self, node: u64) {
        within(self.nodes.remove(&node).expect("it runs").stop()).await;
    }

    async fn stop_all(mut self) {
        for node in VOTERS {
            if self.nodes.contains_key(&node) {
                self.stop(node).await;
            }
        }
    }

    fn store(&self, node: u64) -> &Store {
        &self.nodes[&node].store
    }

    async fn leader(&self) -> u64 {
        let (_, any) = self.nodes.first_key_value().expect("a node");
        within(any.store.read_barrier()).await.expect("a leader");
        any.store.status().leader
    }
}

fn key(name: &str) -> Key {
    Key::new(format!("/registry/pods/default/{name}"))
}

fn create(name: &str, bytes: usize) -> Txn {
    let value = NewValue { bytes: Bytes::from(vec![b' '; bytes]), ..NewValue::default() };
    let ops = smallvec![Op::Put { key: key(name), value }];
    Txn { compares: smallvec![Compare::Absent(key(name))], ops, ..Txn::default() }
}

async fn write(store: &Store, name: &str, bytes: usize) {
    let outcome = within(store.txn(create(name, bytes))).await;
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
}

async fn holds(store: &Store, name: &str) -> bool {
    within(store.read_barrier()).await.expect("a barrier").get(&key(name)).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_elect_replicate_and_forward() {
    let (cluster, _) = Cluster::new(&VOTERS);
    for (round, node) in VOTERS.into_iter().cycle().take(6).enumerate() {
        let name = format!("pod-{round}");
        write(cluster.store(node), &name, 100).await;
        for other in VOTERS {
            assert!(holds(cluster.store(other), &name).await);
        }
    }
    write(cluster.store(11), "large", 3 << 20).await;
    assert!(holds(cluster.store(12), "large").await);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_is_reached_again() {
    let (mut cluster, _) = Cluster::new(&VOTERS);
    let leader = cluster.leader().await;
    cluster.stop(leader).await;
    let other = cluster.leader().await;
    write(cluster.store(other), "meanwhile", 100).await;
    let listener = TcpListener::bind(cluster.addresses[&leader]).expect("the same port");
    cluster.start(leader, listener);
    assert!(holds(cluster.store(leader), "meanwhile").await);
    // Its vote counts again: without a third node nothing is written but with it.
    let third = VOTERS.into_iter().find(|node| ![leader, other].contains(node)).expect("a third");
    cluster.stop(third).await;
    write(cluster.store(other), "later", 100).await;
    assert!(holds(cluster.store(leader), "later").await);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_process_has_ended_is_succeeded_without_waiting_for_its_silence() {
    let (mut cluster, mut listeners) = Cluster::new(&[]);
    for node in VOTERS {
        // Only the first one does not wait for minutes until it campaigns.
        cluster.tick = if node == VOTERS[0] { Duration::from_millis(10) } else { PATIENCE };
        cluster.start(node, listeners.remove(&node).expect("listed once"));
    }
    assert_eq!(cluster.leader().await, VOTERS[0]);
    for node in VOTERS {
        write(cluster.store(node), &format!("through-{node}"), 100).await;
    }
    let Node { store, transport } = cluster.nodes.remove(&VOTERS[0]).expect("it runs");
    // As it is when a process is killed: its connections end and its port is closed before anything else is said.
    transport.stop().await;
    let mut leadership = cluster.store(VOTERS[1]).leadership();
    within(leadership.wait_for(|leadership| leadership.leads)).await.expect("the store is there");
    write(cluster.store(VOTERS[2]), "after", 100).await;
    drop(store);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_moves_is_found_at_its_new_address_and_a_removed_one_is_shut_out() {
    let (mut cluster, _) = Cluster::new(&[11, 12]);
    write(cluster.store(11), "before", 100).await;
    cluster.stop(12).await;
    let (listener, address) = listen();
    cluster.addresses.insert(12, address);
    cluster.start(12, listener);
    cluster.nodes[&11].transport.set_address(12, &address.to_string());
    write(cluster.store(12), "after", 100).await;

    cluster.nodes[&11].transport.remove(12);
    let why = "node 000000000000000c was removed from the cluster";
    cluster.nodes[&11].links(|links| links.last_refusal.as_deref() == Some(why)).await;
    cluster.nodes[&11].transport.set_address(12, &address.to_string());
    assert_eq!(cluster.nodes[&11].transport.queued_bytes(12), 0);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_join_are_dialed_and_members_that_leave_are_shut_out() {
    let authority = Authority::new();
    let directories = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let [(listener_11, address_11), (listener_12, address_12)] = [listen(), listen()];

    let transport = Transport::new(TransportOptions::new(authority.tls(11)));
    let founder =
        Options { peer_address: address_11.to_string(), ..options(&directories[0], 11, &[11], &transport) };
    let founder = Node { store: Store::open(founder).expect("opens"), transport };
    founder.transport.start(&founder.store, listener_11).expect("starts");
    write(&founder.store, "before", 100).await;

    let addresses = [(11, address_11.to_string())].into();
    let transport =
        Transport::new(TransportOptions { addresses, ..TransportOptions::new(authority.tls(12)) });
    let store = Store::open(options(&directories[1], 12, &[], &transport)).expect("opens");
    let joined = Node { store, transport };
    joined.transport.start(&joined.store, listener_12).expect("starts");

    let add = MemberChange::Add { node: 12, address: address_12.to_string() };
    within(founder.store.change_members(add)).await.expect("a learner");
    assert!(holds(&joined.store, "before").await);
    founder.links(|links| links.outgoing.get(&(12, Lane::Raft)) == Some(&Link::Up)).await;

    within(founder.store.change_members(MemberChange::Remove { node: 12 })).await.expect("removed");
    // It does not know yet, and goes on asking its leader.
    let store = joined.store.clone();
    let asking = tokio::spawn(async move { store.txn(create("lost", 100)).await });
    let why = "node 000000000000000c was removed from the cluster";
    founder.links(|links| links.last_refusal.as_deref() == Some(why)).await;
    asking.abort();
    write(&founder.store, "after", 100).await;
    within(joined.stop()).await;
    within(founder.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_different_authorities_do_not_talk() {
    let (mut cluster, mut listeners) = Cluster::new(&[11]);
    let stranger = Authority::new().tls(12);
    let listener = listeners.remove(&12).expect("free");
    let node = Node::start(&cluster.directories[&12], 12, stranger, listener, &cluster.addresses, TICK);
    cluster.nodes.insert(12, node);
    for (node, other) in [(11, 12), (12, 11)] {
        let down = |links: &Links| matches!(links.outgoing.get(&(other, Lane::Raft)), Some(Link::Down(_)));
        let links = cluster.nodes[&node].links(down).await;
        let Link::Down(why) = &links.outgoing[&(other, Lane::Raft)] else { panic!("{links:?}") };
        assert!(why.contains("certificate"), "{why}");
        assert_eq!(cluster.store(node).status().leader, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_not_taken_for_another_one() {
    let (mut cluster, mut listeners) = Cluster::new(&[11]);
    // Node 12 shows the certificate of node 13.
    let listener = listeners.remove(&12).expect("free");
    let tls = cluster.authority.tls(13);
    let node = Node::start(&cluster.directories[&12], 12, tls, listener, &cluster.addresses, TICK);
    cluster.nodes.insert(12, node);
    let why = "its certificate does not name it as node 000000000000000c of cluster 000000000000004d";
    cluster.nodes[&11].links(|links| links.last_refusal.as_deref() == Some(why)).await;
    let down = |links: &Links| matches!(links.outgoing.get(&(12, Lane::Raft)), Some(Link::Down(_)));
    let links = cluster.nodes[&11].links(down).await;
    let Link::Down(why) = &links.outgoing[&(12, Lane::Raft)] else { panic!("{links:?}") };
    assert!(why.contains("certificate"), "{why}");
}

/// Keeps the frames that a store sends.
#[derive(Debug)]
struct Caught(SyncSender<Vec<u8>>);

impl Peers for Caught {
    fn send(&self, frame: PeerFrame) {
        // Only the first one is looked at.
        let _ = self.0.try_send(frame.encode());
    }
}

/// A frame from node 12 to node 11, as a node of the cluster sends it.
fn frame_from_12_to_11() -> Vec<u8> {
    let (frames, caught) = sync_channel(1);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = Options {
        founding: Some(Founding { cluster: CLUSTER, node: 12, voters: vec![11, 12] }),
        peers: Arc::new(Caught(frames)),
        tick: Duration::from_millis(1),
        ..Options::new(directory.path())
    };
    let _store = Store::open(options).expect("the store opens");
    caught.recv().expect("a frame")
}

/// A connection to node 11 that shows the certificate of a node of some cluster.
async fn connect(address: SocketAddr, tls: &PeerTls) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from(peer_name(CLUSTER, 11)).expect("a name");
    within(TlsConnector::from(tls.client()).connect(name, stream)).await.expect("a handshake")
}

/// Waits until a pulse says that so many bytes have arrived.
async fn arrived(stream: &mut TlsStream<TcpStream>, bytes: usize) {
    let mut pulse = [0; 8];
    while u64::from_le_bytes(pulse) < bytes as u64 {
        within(stream.read_exact(&mut pulse)).await.expect("a pulse");
    }
}

/// Reads until the other side closes the connection.
async fn closed(stream: &mut TlsStream<TcpStream>) {
    // How it ends depends on what was still on its way.
    let _ = within(stream.read_to_end(&mut Vec::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_does_not_belong_here_closes_its_connection() {
    let (cluster, _) = Cluster::new(&[11]);
    let good = frame_from_12_to_11();
    let mut of_another_cluster = good.clone();
    of_another_cluster[CLUSTER_AT] += 1;
    let mut for_another_node = good.clone();
    for_another_node[CLUSTER_AT + 16] = 13;
    let mut of_another_version = good.clone();
    of_another_version[0] = 99;
    let mut too_long = good.clone();
    too_long[37] = 0xff;
    let mut garbled = good.clone();
    garbled[38] = 0xff;
    for (cluster_of_sender, frame, why) in [
        (CLUSTER + 1, of_another_cluster, "the sender belongs to cluster 000000000000004e"),
        (CLUSTER, for_another_node, "the frame is meant for node 000000000000000d"),
        (CLUSTER, of_another_version, "it sent a malformed frame version"),
        (CLUSTER, too_long, "it sent a malformed frame length"),
        (CLUSTER, garbled, "it sent a malformed message kind"),
    ] {
        let tls = cluster.authority.peer_tls(cluster_of_sender, 12);
        let mut stream = connect(cluster.addresses[&11], &tls).await;
        stream.write_all(&frame).await.expect("sent");
        closed(&mut stream).await;
        cluster.nodes[&11].links(|links| links.last_refusal.as_deref() == Some(why)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_does_not_finish_its_handshakes_keeps_no_node_out() {
    const CROWD: usize = 200;
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (listener, address) = listen();
    // Nobody in the crowd is given up for being slow.
    let handshake_timeout = PATIENCE * 10;
    let transport =
        Transport::new(TransportOptions { handshake_timeout, ..TransportOptions::new(authority.tls(11)) });
    let store = Store::open(options(&directory, 11, &VOTERS, &transport)).expect("opens");
    transport.start(&store, listener).expect("starts");
    let node = Node { store, transport };
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(TcpStream::connect(address).await.expect("it listens"));
    }
    let good = frame_from_12_to_11();
    let mut late = connect(address, &authority.peer_tls(CLUSTER, 12)).await;
    late.write_all(&good).await.expect("sent");
    arrived(&mut late, good.len()).await;
    within(node.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_keeps_to_one_sender_and_a_newer_one_ends_it() {
    let (cluster, _) = Cluster::new(&[11]);
    let good = frame_from_12_to_11();
    let tls = cluster.authority.peer_tls(CLUSTER, 12);
    let mut older = connect(cluster.addresses[&11], &tls).await;
    older.write_all(&good).await.expect("sent");
    arrived(&mut older, good.len()).await;
    let mut newer = connect(cluster.addresses[&11], &tls).await;
    newer.write_all(&good).await.expect("sent");
    closed(&mut older).await;
    arrived(&mut newer, good.len()).await;
    let mut of_another_sender = good;
    of_another_sender[CLUSTER_AT + 8] = 13;
    newer.write_all(&of_another_sender).await.expect("sent");
    closed(&mut newer).await;
    let why = "its frames do not belong together";
    cluster.nodes[&11].links(|links| links.last_refusal.as_deref() == Some(why)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_reading_holds_up_nobody() {
    const WRITES: usize = 40;
    let (cluster, mut listeners) = Cluster::new(&[11, 12]);
    let acceptor = TlsAcceptor::from(cluster.authority.tls(13).server);
    let listener = listeners.remove(&13).expect("free");
    listener.set_nonblocking(true).expect("set");
    let listener = tokio::net::TcpListener::from_std(listener).expect("listens");
    let stuck = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            // A node that gives up early is no reason to stop.
            open.extend(acceptor.accept(stream).await);
        }
    });
    let leader = cluster.leader().await;
    for round in 0..WRITES {
        write(cluster.store(leader), &format!("pod-{round}"), 1 << 20).await;
        let queued = cluster.nodes[&leader].transport.queued_bytes(13);
        assert!(queued <= Lane::ALL.len() * (17 << 20), "{queued} bytes");
    }
    let silent = Link::Down("nothing arrives there any more".to_owned());
    cluster.nodes[&leader].links(|links| links.outgoing.get(&(13, Lane::Raft)) == Some(&silent)).await;
    stuck.abort();
    cluster.stop_all().await;
}
