//! Clients that write, list and watch through one address, and record what they did and saw. Keeps: each client waits
//! for its answer before it goes on, so its own record is in order; and it gives up in time, so that a hung server
//! shows as `Unknown` and not as a hung test.

pub mod client;
mod reader;
mod watcher;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use http::Method;
use tokio::{sync::watch, task::JoinSet};

use self::client::Client;
pub use self::client::Patience;
use super::{
    history::{Change, History, Outcome, Recorder, Revision, Stamp, Time, Write},
    namespace::Namespace,
};
use crate::{
    kubeconfig::Kubeconfig,
    load::{
        clock::Moment,
        connection::{Call, Endpoint},
    },
};

const JSON: &str = "application/json";
/// After the last write this much time passes before the end is looked at: a write without an answer may still be
/// under way.
const QUIET: Duration = Duration::from_secs(2);
/// How long watchers may take to get to the last change once everything is healed.
const CATCH_UP_MAX: Duration = Duration::from_secs(20);

/// Which clients.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Clients that create, update and delete.
    pub writers: usize,
    /// Time between two writes of one of them.
    pub pace: Duration,
    /// Whether they also change one object together, each on condition that it is as it was read.
    pub contended: bool,
    /// Clients that list over and over.
    pub readers: usize,
    /// Clients that list once and watch.
    pub watchers: usize,
    /// How long each of them waits.
    pub patience: Patience,
}

/// Clients at work.
pub struct Traffic {
    world: Arc<World>,
    stop_writing: watch::Sender<bool>,
    stop_watching: watch::Sender<Option<Revision>>,
    thread: JoinHandle<()>,
    address: Arc<Endpoint>,
}

/// What all clients share.
struct World {
    /// Their objects' namespace.
    namespace: String,
    recorder: Recorder,
    began: Moment,
    stamps: AtomicU64,
}

impl Traffic {
    /// Starts clients in the network of `place`; their objects are in `namespace`, which is made.
    pub fn start(place: &Namespace, kubeconfig: &Kubeconfig, namespace: &str, mix: Mix) -> Traffic {
        let address = Arc::new(Endpoint::new(kubeconfig).expect("the server wrote the kubeconfig"));
        let world = Arc::new(World {
            namespace: namespace.to_owned(),
            recorder: Recorder::default(),
            began: Moment::now(),
            stamps: AtomicU64::new(1),
        });
        let (stop_writing, writing) = watch::channel(false);
        let (stop_watching, watching) = watch::channel(None);
        let (for_thread, to) = (world.clone(), address.clone());
        let thread = place.spawn(move || {
            let world = for_thread;
            runtime().block_on(async move {
                world.prepare(&to).await;
                let mut clients = JoinSet::new();
                let client = || Client::new(to.clone(), mix.patience);
                // Watchers are there before the first write, so that together they see every one.
                for _ in 0..mix.watchers {
                    let watcher = watcher::begin(world.clone(), client(), watching.clone());
                    if let Some(watcher) = watcher.await {
                        clients.spawn(watcher.run());
                    }
                }
                drop(watching);
                for number in 0..mix.writers {
                    clients.spawn(writer::run(world.clone(), client(), number, mix, writing.clone()));
                }
                for number in 0..mix.readers {
                    clients.spawn(reader::run(
                        world.clone(),
                        client(),
                        mix.writers + number,
                        writing.clone(),
                    ));
                }
                while let Some(ended) = clients.join_next().await {
                    ended.expect("a client does not panic");
                }
            });
        });
        Traffic { world, stop_writing, stop_watching, thread, address }
    }

    /// Microseconds since it began, on the clock of the records.
    pub fn now(&self) -> Time {
        self.world.now()
    }

    /// Acknowledged writes so far.
    pub fn acknowledged(&self) -> usize {
        self.world.recorder.acknowledged()
    }

    /// Ends the writers, lets the watchers get to the last change, and asks each node (its name and its own
    /// kubeconfig) for all objects.
    pub fn finish(self, place: &Namespace, nodes: Vec<(String, Kubeconfig)>) -> History {
        self.stop_writing.send_replace(true);
        let (world, address, stop_watching) = (self.world.clone(), self.address, self.stop_watching);
        let ends = place.spawn(move || runtime().block_on(world.end(address, nodes, stop_watching)));
        ends.join().expect("the end is read without a panic");
        self.thread.join().expect("clients do not panic");
        self.world.recorder.take()
    }
}

impl World {
    fn now(&self) -> Time {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(Time::MAX)
    }

    fn stamp(&self) -> Stamp {
        self.stamps.fetch_add(1, Ordering::Relaxed)
    }

    fn collection(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", self.namespace)
    }

    /// Makes the namespace; it may take a while when a fault is on already.
    async fn prepare(&self, address: &Arc<Endpoint>) {
        let body =
            format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{}"}}}}"#, self.namespace);
        let mut client = Client::new(address.clone(), Patience::SHORT);
        let call = Call::send(Method::POST, "/api/v1/namespaces", JSON, body);
        for _ in 0..client::TRIES_MAX {
            match client.write(&call).await {
                Outcome::Acknowledged(_) | Outcome::Refused(409, _) => return,
                _ => client::pause().await,
            }
        }
        panic!("the namespace could not be made through {}", address.address());
    }

    async fn end(
        &self,
        address: Arc<Endpoint>,
        nodes: Vec<(String, Kubeconfig)>,
        stop_watching: watch::Sender<Option<Revision>>,
    ) {
        tokio::time::sleep(QUIET).await;
        let last = self.last_write(Client::new(address, Patience::SHORT)).await;
        for (number, (name, kubeconfig)) in nodes.into_iter().enumerate() {
            let endpoint = Endpoint::new(&kubeconfig).expect("the server wrote the kubeconfig");
            let mut client = Client::new(Arc::new(endpoint), Patience::SHORT);
            let list = reader::list(self, &mut client, usize::MAX - number, "").await;
            if let Some(list) = list {
                self.recorder.end(name, list);
            }
        }
        stop_watching.send_replace(last);
        let all_ended = stop_watching.closed();
        let _ = tokio::time::timeout(CATCH_UP_MAX, all_ended).await;
        // Whoever has not got there has missed something: the record will say so.
        stop_watching.send_replace(Some(0));
    }

    /// A change behind all others, which every watcher must see.
    async fn last_write(&self, mut client: Client) -> Option<Revision> {
        for _ in 0..client::TRIES_MAX {
            let (stamp, began) = (self.stamp(), self.now());
            let key = format!("end-{stamp}");
            let outcome = client.write(&writer::create(self, &key, stamp)).await;
            let revision = if let Outcome::Acknowledged(revision) = &outcome { *revision } else { None };
            let (change, based_on) = (Change::Create, None);
            let write =
                Write { client: usize::MAX, key, change, stamp, based_on, began, ended: self.now(), outcome };
            self.recorder.write(write);
            if revision.is_some() {
                return revision;
            }
            client::pause().await;
        }
        None
    }
}

fn runtime() -> tokio::runtime::Runtime {
    // Sockets belong to the network of the thread that makes them, so there is only one thread.
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread more is permitted")
}
