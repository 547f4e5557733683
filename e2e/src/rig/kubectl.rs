//! kubectl in loops, as people and scripts use it: apply, delete, and a watch that is started again when it ends. Keeps:
//! a command that failed is repeated as a person would; one that succeeded counts.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::cluster::Cluster;
use crate::{
    clients::{Client, KUBECTL},
    load::clock::Moment,
};

/// Objects that exist at a time; older ones are deleted.
const LIVE: usize = 5;
/// Tries of one command while something is broken.
const TRIES_MAX: usize = 60;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// How long `get -w` may take to show the last object.
const SHOWN_MAX: Duration = Duration::from_secs(20);

/// The loops.
pub struct Loops {
    stop_writing: Arc<AtomicBool>,
    stop_watching: Arc<AtomicBool>,
    writing: JoinHandle<Written>,
    watching: JoinHandle<()>,
    seen: Arc<Mutex<String>>,
    kubectl: Client,
}

/// What kubectl did, by its own account.
#[derive(Debug, Default)]
pub struct Written {
    /// Objects that must exist, and their last value.
    pub present: BTreeMap<String, String>,
    /// Objects that must not exist.
    pub deleted: Vec<String>,
    /// Commands that failed and were repeated.
    pub repeated: usize,
}

impl Loops {
    /// Starts them on the client's machine, through the virtual address.
    pub fn start(cluster: &Cluster) -> Loops {
        let kubectl = Client::in_network(&cluster.client, KUBECTL, &cluster.kubeconfig());
        kubectl.ok(&["create", "namespace", "kubectl"]);
        let kubectl = kubectl.with(&["--namespace=kubectl", "--request-timeout=10s"]);
        let [stop_writing, stop_watching] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (own, stop) = (kubectl.clone(), stop_writing.clone());
        let writing = thread::spawn(move || write(&own, &stop));
        let seen = Arc::new(Mutex::default());
        let (own, stop, into) = (kubectl.clone(), stop_watching.clone(), seen.clone());
        let watching = thread::spawn(move || watch(&own, &stop, &into));
        Loops { stop_writing, stop_watching, writing, watching, seen, kubectl }
    }

    /// Ends the loops, and checks what the cluster has against what kubectl said. Answers what was written, and every
    /// broken promise.
    pub fn finish(self) -> (Written, Vec<String>) {
        self.stop_writing.store(true, Ordering::Relaxed);
        let written = self.writing.join().expect("the loop does not panic");
        let shown =
            |name: &String| self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(name.as_str());
        let began = Moment::now();
        while !written.present.keys().all(shown) && began.elapsed() < SHOWN_MAX {
            thread::sleep(PAUSE);
        }
        let missed: Vec<&String> = written.present.keys().filter(|name| !shown(name)).collect();
        self.stop_watching.store(true, Ordering::Relaxed);
        self.watching.join().expect("the loop does not panic");
        let columns = "jsonpath={range .items[*]}{.metadata.name}={.data.value} {end}";
        let listed = self.kubectl.ok(&["get", "configmaps", "--selector=loop=yes", "-o", columns]);
        let present: BTreeMap<String, String> = listed
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut broken = Vec::new();
        if present != written.present {
            broken.push(format!("kubectl wrote {:?}, and there is {present:?}", written.present));
        }
        if !missed.is_empty() {
            broken.push(format!("no kubectl get -w showed {missed:?}"));
        }
        (written, broken)
    }
}

fn write(kubectl: &Client, stop: &AtomicBool) -> Written {
    let mut written = Written::default();
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (name, value) = (format!("map-{number}"), format!("value-{number}"));
        let manifest = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","labels":{{"loop":"yes"}}}},"data":{{"value":"{value}"}}}}"#
        );
        repeat(&mut written, || kubectl.run_with_input(&["apply", "-f", "-"], &manifest).status.success());
        written.present.insert(name, value);
        if written.present.len() > LIVE
            && let Some(oldest) = number.checked_sub(LIVE as u64)
        {
            let name = format!("map-{oldest}");
            // The first try may have worked although it failed, so an object that is gone already is no failure.
            let delete = ["delete", "configmap", &name, "--ignore-not-found"];
            repeat(&mut written, || kubectl.run(&delete).status.success());
            written.present.remove(&name);
            written.deleted.push(name);
        }
    }
    written
}

fn repeat(written: &mut Written, command: impl Fn() -> bool) {
    for _ in 0..TRIES_MAX {
        if command() {
            return;
        }
        written.repeated += 1;
        thread::sleep(PAUSE);
    }
    panic!("kubectl failed {TRIES_MAX} times in a row");
}

/// kubectl does not continue a watch whose connection ended, so it is started again, and lists again.
fn watch(kubectl: &Client, stop: &AtomicBool, seen: &Mutex<String>) {
    let stopped = || stop.load(Ordering::Relaxed);
    while !stopped() {
        let lines = kubectl.start(&["get", "configmaps", "--watch", "--no-headers", "--request-timeout=0"]);
        while let Some(line) = lines.next_within(PAUSE, stopped) {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push_str(&line);
            seen.push('\n');
        }
    }
}
