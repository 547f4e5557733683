//! The transport: carries frames to other nodes over one port with mutual TLS. It is what stands behind
//! [`Peers`](crate::Peers) in production.
//!
//! Whoever has frames for a node dials it; a connection carries the frames of one [`Lane`](crate::Lane) in one
//! direction, so two nodes that talk have a connection each way per lane, and a snapshot never delays a heartbeat.
//! Back comes only a pulse: how many bytes have arrived, several times a second. A connection on which that number
//! stands still although more was sent is given up and dialed anew, long before TCP would notice.
//!
//! Keeps:
//! - nothing is read of a frame's body before its header was checked: version, cluster, receiver, size, and a sender
//!   that the connection's certificate names;
//! - nobody waits for the network: queues are bounded by bytes and drop what does not fit, and what waits for a node
//!   that cannot be reached is thrown away, because everything is sent again when it matters;
//! - a connection that a node opens again replaces its older one, and a node that was removed is not let in again.

mod accept;
mod backoff;
mod book;
mod dial;
mod error;
mod follow;
mod inbound;
mod links;
mod liveness;
mod queue;
mod read;
mod strangers;

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::{ClientConfig, ServerConfig};
use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::clock::{Clock, SystemClock};
use crate::fatal::{fatal, spawn};
use crate::peers::{Lane, PeerFrame, Peers};
use crate::store::Store;
use book::Book;
pub use error::ConnectionError;
use inbound::Inbound;
use links::LinkLog;
pub use links::{Link, Links};
use strangers::Strangers;

/// Threads that carry frames: two, so that a lane that encrypts much does not hold up the others.
const THREADS: usize = 2;

/// How connections to other nodes are made.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// How nodes prove themselves.
    pub tls: TransportTls,
    /// Where other nodes are reached, as `HOST:PORT`, by their ids. The addresses that the membership names are used
    /// without being given here; these are for a node that joins, or was founded without addresses.
    pub addresses: BTreeMap<u64, String>,
    /// Bytes that may wait for one node on each lane.
    pub queue_bytes_max: usize,
    /// How long a node may take to accept a connection.
    pub connect_timeout: Duration,
    /// How long the other side may take for its part of the handshake, and for its first header.
    pub handshake_timeout: Duration,
    /// How often the receiver of frames says how much has arrived.
    pub pulse: Duration,
    /// A connection on which nothing arrives for so long, although something was sent, is given up.
    pub silence_max: Duration,
    /// The first pause after a failed attempt; it doubles up to [`TransportOptions::retry_max`].
    pub retry_min: Duration,
    /// The longest pause between two attempts.
    pub retry_max: Duration,
    /// How long stopping may wait for frames that are on their way.
    pub drain: Duration,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
}

/// How nodes prove themselves to each other. Both configurations must ask for certificates of the peers' authority.
#[derive(Clone, Debug)]
pub struct TransportTls {
    /// For connections that others open; it must refuse callers without a certificate.
    pub server: Arc<ServerConfig>,
    /// For connections to others; it must show this node's certificate.
    pub client: Arc<ClientConfig>,
    /// The DNS name by which the certificate of a node names it, from cluster and node.
    pub name: fn(cluster: u64, node: u64) -> String,
}

impl TransportOptions {
    /// The defaults.
    pub fn new(tls: TransportTls) -> TransportOptions {
        TransportOptions {
            tls,
            addresses: BTreeMap::new(),
            queue_bytes_max: 16 << 20,
            connect_timeout: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(5),
            pulse: Duration::from_millis(400),
            silence_max: Duration::from_secs(2),
            retry_min: Duration::from_millis(20),
            retry_max: Duration::from_millis(500),
            drain: Duration::from_millis(500),
            clock: Arc::new(SystemClock),
        }
    }
}

/// The transport of one node. Dropping it ends it without ceremony.
#[derive(Debug)]
pub struct Transport {
    shared: Arc<Shared>,
    running: Mutex<Option<oneshot::Receiver<()>>>,
}

#[derive(Debug)]
struct Shared {
    options: TransportOptions,
    book: Book,
    inbound: Inbound,
    strangers: Strangers,
    links: LinkLog,
    stage: watch::Sender<Stage>,
}

/// How far the transport has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// What is queued is still sent; nothing is taken in.
    Draining,
    Over,
}

/// What every task of a running transport knows.
#[derive(Clone, Debug)]
struct Context {
    shared: Arc<Shared>,
    store: Store,
    cluster: u64,
    node: u64,
    seed: u64,
}

impl Transport {
    /// A transport that only queues until it is started.
    pub fn new(options: TransportOptions) -> Transport {
        let book = Book::new(options.queue_bytes_max);
        for (node, address) in &options.addresses {
            book.set(*node, address);
        }
        let shared = Shared {
            options,
            book,
            inbound: Inbound::default(),
            strangers: Strangers::default(),
            links: LinkLog::default(),
            stage: watch::Sender::new(Stage::Running),
        };
        Transport { shared: Arc::new(shared), running: Mutex::new(None) }
    }

    /// The store's side, for [`Options::peers`](crate::Options::peers).
    pub fn peers(&self) -> Arc<dyn Peers> {
        self.shared.clone()
    }

    /// Begins to listen and to dial, for a store that was opened with [`Transport::peers`].
    pub fn start(&self, store: &Store, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let seed = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
        let status = store.status();
        let context = Context {
            shared: self.shared.clone(),
            store: store.clone(),
            cluster: status.cluster,
            node: status.node,
            seed,
        };
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("store-peers")
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (ended, running) = oneshot::channel();
        let drain = self.shared.options.drain;
        spawn("store-transport", move || {
            runtime.block_on(run(context, listener));
            // The store is let go only when no task holds it any more.
            runtime.shutdown_timeout(drain);
            // Nobody waits if the transport was dropped.
            let _ = ended.send(());
        })?;
        *self.running.lock() = Some(running);
        Ok(())
    }

    /// Tells where a node is reached, `HOST:PORT`. Connections to another address of it are given up. A node that
    /// was removed stays removed: its id is never used again.
    pub fn set_address(&self, node: u64, address: &str) {
        self.shared.book.set(node, address);
    }

    /// Ends all connections with a node and lets it in no more. A member that leaves is removed without being asked
    /// for.
    pub fn remove(&self, node: u64) {
        self.shared.remove(node);
    }

    /// How many bytes wait to be sent to a node.
    pub fn queued_bytes(&self, node: u64) -> usize {
        let Some(peer) = self.shared.book.peer(node) else { return 0 };
        Lane::ALL.into_iter().map(|lane| peer.queue(lane).bytes()).sum()
    }

    /// Which nodes are connected, now and after every change.
    pub fn links(&self) -> watch::Receiver<Links> {
        self.shared.links.subscribe()
    }

    /// Sends what is queued for nodes that are connected, then ends. The store should be shut down first: it may
    /// still hand its leadership to another node.
    pub async fn stop(self) {
        self.shared.stage.send_replace(Stage::Draining);
        let running = self.running.lock().take();
        if let Some(running) = running {
            // An error says that it ended already.
            let _ = running.await;
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.shared.stage.send_replace(Stage::Over);
    }
}

impl Shared {
    fn remove(&self, node: u64) {
        self.book.remove(node);
        self.inbound.close(node);
        self.links.forget(node);
    }
}

impl Peers for Shared {
    fn send(&self, frame: PeerFrame) {
        if let Some(peer) = self.book.peer(frame.to()) {
            peer.queue(frame.lane()).push(frame);
        }
    }
}

/// Runs the listener and a task per node and lane, until it is told to stop.
async fn run(context: Context, listener: tokio::net::TcpListener) {
    let mut stopping = context.shared.stage.subscribe();
    let mut tasks = JoinSet::new();
    tasks.spawn(accept::run(context.clone(), listener));
    tasks.spawn(follow::run(context.clone()));
    loop {
        for peer in context.shared.book.take_new() {
            for lane in Lane::ALL {
                tasks.spawn(dial::run(context.clone(), peer.clone(), lane));
            }
        }
        tokio::select! {
            biased;
            () = told(&mut stopping) => break,
            () = context.shared.book.changed() => {}
            Some(ended) = tasks.join_next() => check(ended),
        }
    }
    let drained = async {
        while let Some(ended) = tasks.join_next().await {
            check(ended);
        }
    };
    // What is not sent by then is lost, as on any network.
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stage| *stage == Stage::Over) => {}
        () = drained => {}
        () = tokio::time::sleep(context.shared.options.drain) => {}
    }
}

/// Waits for the order to stop.
async fn told(stopping: &mut watch::Receiver<Stage>) {
    // An error says that nobody could give the order any more.
    let _ = stopping.wait_for(|stage| *stage != Stage::Running).await;
}

fn check(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        fatal("a task of the transport panicked");
    }
}
