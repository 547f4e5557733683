//! Measures three nodes joined by the transport over loopback: writes of one node against three, and how long no write
//! is acknowledged when the leader loses all its connections at once, as when its process is killed.
//!
//! `cargo run --release -p pintle-store --example replication -- DIRECTORY [KILLS] [TICK ms] [HEARTBEAT ticks]
//! [ELECTION ticks] [OPERATIONS] [CLIENTS]`

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use pintle_certs::{PeerNames, Pki, ServerNames, peer_name};
use pintle_store::{
    Clock, Founding, Key, NewValue, Op, Options, Outcome, Store, SystemClock, Transport, TransportOptions,
    TransportTls, Txn,
};
use smallvec::smallvec;

const CLUSTER: u64 = 1;
const NODES: [u64; 3] = [1, 2, 3];
const VALUE_BYTES: usize = 1_000;
/// Clients that write while leaders are killed.
const CLIENTS_DURING_KILLS: u64 = 16;
/// How long the load runs between two kills.
const PEACE: Duration = Duration::from_millis(700);

#[derive(Clone, Copy)]
struct Timers {
    tick: Duration,
    heartbeat: usize,
    election: usize,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory"));
    let mut number = |default: u64| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (kills, tick) = (number(30), Duration::from_millis(number(10)));
    let timers = Timers { tick, heartbeat: number(2) as usize, election: number(10) as usize };
    let (operations, clients) = (number(10_000), number(64));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let alone = Store::open(Options::new(directory.join("alone"))).expect("opens");
        let one = writes(&alone, "one node", operations, clients).await;
        alone.shutdown().await;
        let mut cluster = Cluster::new(&directory, timers);
        let leader = cluster.leader().await;
        let three = writes(&cluster.store(leader), "three nodes, at the leader", operations, clients).await;
        println!("three nodes against one: {:.0} %", three / one * 100.0);
        let follower = NODES.into_iter().find(|node| *node != leader).expect("a follower");
        writes(&cluster.store(follower), "three nodes, at a follower", operations, clients).await;
        cluster.measure_gaps(kills).await;
        cluster.stop().await;
    });
}

struct Cluster {
    directory: PathBuf,
    timers: Timers,
    pki: Pki,
    addresses: BTreeMap<u64, SocketAddr>,
    nodes: BTreeMap<u64, (Store, Transport)>,
}

impl Cluster {
    fn new(directory: &Path, timers: Timers) -> Cluster {
        let (pki, _) = Pki::open_or_create(&directory.join("pki"), &ServerNames::new(), now()).expect("made");
        let listeners = NODES.map(|node| (node, TcpListener::bind("127.0.0.1:0").expect("a free port")));
        let addresses =
            listeners.iter().map(|(node, listener)| (*node, listener.local_addr().expect("bound"))).collect();
        let nodes = BTreeMap::new();
        let mut cluster = Cluster { directory: directory.to_owned(), timers, pki, addresses, nodes };
        listeners.into_iter().for_each(|(node, listener)| cluster.start(node, listener));
        cluster
    }

    fn start(&mut self, node: u64, listener: TcpListener) {
        let tls = self.pki.peer_tls(&PeerNames::new(CLUSTER, node), now()).expect("issued");
        let tls = TransportTls { server: tls.server(), client: tls.client(), name: peer_name };
        let addresses = self.addresses.iter().map(|(node, address)| (*node, address.to_string())).collect();
        let transport = Transport::new(TransportOptions { addresses, ..TransportOptions::new(tls) });
        let options = Options {
            founding: Some(Founding { cluster: CLUSTER, node, voters: NODES.to_vec() }),
            peers: transport.peers(),
            tick: self.timers.tick,
            heartbeat_ticks: self.timers.heartbeat,
            election_ticks: self.timers.election,
            ..Options::new(self.directory.join(format!("node-{node}")))
        };
        let store = Store::open(options).expect("opens");
        transport.start(&store, listener).expect("starts");
        self.nodes.insert(node, (store, transport));
    }

    fn store(&self, node: u64) -> Store {
        self.nodes[&node].0.clone()
    }

    async fn leader(&self) -> u64 {
        loop {
            let (_, (store, _)) = self.nodes.first_key_value().expect("a node");
            if store.read_barrier().await.is_ok() {
                return store.status().leader;
            }
        }
    }

    async fn stop(self) {
        for (store, transport) in self.nodes.into_values() {
            store.shutdown().await;
            transport.stop().await;
        }
    }

    async fn measure_gaps(&mut self, kills: u64) {
        let mut gaps = Vec::new();
        let mut elections = 0;
        for kill in 0..kills {
            let leader = self.leader().await;
            let term = self.store(leader).status().term;
            let survivors = NODES.into_iter().filter(|node| *node != leader);
            let load = Load::start(survivors.map(|node| self.store(node)).collect(), kill);
            tokio::time::sleep(PEACE).await;
            elections += u64::from(self.store(leader).status().term != term);
            let (store, transport) = self.nodes.remove(&leader).expect("it runs");
            let killed = SystemClock.now();
            drop(transport);
            tokio::time::sleep(PEACE).await;
            let (gap, failed) = load.stop(killed).await;
            gaps.push(gap);
            if failed > 0 {
                println!("kill {kill}: {failed} writes without an answer");
            }
            store.shutdown().await;
            let listener = TcpListener::bind(self.addresses[&leader]).expect("the same port");
            self.start(leader, listener);
            while self.store(leader).read_barrier().await.is_err() {}
        }
        if gaps.is_empty() {
            return;
        }
        gaps.sort();
        let at = |share: f64| gaps[((gaps.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let Timers { tick, heartbeat, election } = self.timers;
        println!(
            "{kills} kills, tick {tick:?}, heartbeat {heartbeat}, election {election}: write gap p50 {:.0} ms, p90 {:.0} ms, p99 {:.0} ms, max {:.0} ms; {elections} elections without a kill",
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0),
        );
    }
}

/// Clients that write to the survivors and note when they got an answer.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Duration>>>,
    failed: Arc<AtomicU64>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(stores: Vec<Store>, round: u64) -> Load {
        let (stop, acknowledged, failed) = <(Arc<AtomicBool>, Arc<Mutex<Vec<_>>>, Arc<AtomicU64>)>::default();
        let client = |index: u64| {
            let store = stores[index as usize % stores.len()].clone();
            let (stop, acknowledged, failed) = (stop.clone(), acknowledged.clone(), failed.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match write(&store, round * CLIENTS_DURING_KILLS + index).await {
                        Outcome::Applied { .. } => acknowledged.lock().push(SystemClock.now()),
                        _ => drop(failed.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            })
        };
        let clients = (0..CLIENTS_DURING_KILLS).map(client).collect();
        Load { stop, acknowledged, failed, clients }
    }

    /// The longest time without an answer after `killed`, and how many writes got none.
    async fn stop(self, killed: Duration) -> (Duration, u64) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("a client");
        }
        let mut times = std::mem::take(&mut *self.acknowledged.lock());
        times.retain(|time| *time >= killed);
        let starts = [killed].into_iter().chain(times.iter().copied());
        let gap = starts.zip(times.iter()).map(|(start, end)| end.saturating_sub(start)).max();
        (gap.expect("a write after the kill"), self.failed.load(Ordering::Relaxed))
    }
}

async fn write(store: &Store, index: u64) -> Outcome {
    let key = Key::new(format!("/registry/configmaps/default/object-{index:08}"));
    let value = NewValue { bytes: Bytes::from(vec![b'x'; VALUE_BYTES]), ..NewValue::default() };
    store.txn(Txn { ops: smallvec![Op::Put { key, value }], ..Txn::default() }).await
}

/// Writes per second.
async fn writes(store: &Store, name: &str, operations: u64, clients: u64) -> f64 {
    let next = Arc::new(AtomicU64::new(0));
    let started = SystemClock.now();
    let client = |_| {
        let (store, next) = (store.clone(), next.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= operations {
                    return latencies;
                }
                let begun = SystemClock.now();
                let outcome = write(&store, index).await;
                assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
                latencies.push(SystemClock.now() - begun);
            }
        })
    };
    let tasks: Vec<_> = (0..clients).map(client).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("a client"));
    }
    latencies.sort();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    let rate = operations as f64 / (SystemClock.now() - started).as_secs_f64();
    println!(
        "{name}: {operations} writes by {clients}: {rate:.0}/s, p50 {:.0} us, p99 {:.0} us",
        at(0.5),
        at(0.99)
    );
    rate
}

/// TLS judges certificates by the system's time.
#[allow(clippy::disallowed_methods, reason = "the certificates must be valid while this runs")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
