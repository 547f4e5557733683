//! One simulated kubelet: a loop over its node's pods and its heartbeats.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::{self, Instant, MissedTickBehavior};

use super::{
    Options,
    api::{Api, refused},
    node::Node,
    pod::{self, Circumstances, Step},
    watch::{self, Event, Key},
};
use crate::load::{Error, clock};

/// As seldom as a real kubelet writes a status in which nothing has changed.
const REPORT_EVERY: Duration = Duration::from_secs(300);
/// Time until a failed write is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Writes for one pod without looking at anything else; a pod's whole end takes two.
const STEPS_MAX: usize = 4;

/// A kubelet and what it knows.
pub(super) struct Kubelet {
    node: Node,
    api: Api,
    options: Options,
    pods: BTreeMap<Key, Known>,
    due: BTreeSet<(Instant, Key)>,
}

/// A pod and when the kubelet saw it change.
struct Known {
    pod: Value,
    addresses: Vec<String>,
    since: Instant,
    running: Option<Instant>,
    terminating: Option<Instant>,
}

impl Kubelet {
    pub(super) fn new(node: Node, api: Api, options: Options) -> Kubelet {
        Kubelet { node, api, options, pods: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Plays the kubelet until the task is ended.
    pub(super) async fn run(mut self) {
        let collection = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}", self.node.name());
        let mut events = watch::start(self.api.another(), &collection);
        let mut renewals = time::interval(self.options.renew_every);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reports = time::interval_at(Instant::now() + REPORT_EVERY, REPORT_EVERY);
        loop {
            let next = self.due.first().map(|(instant, _)| *instant);
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.observe(event).await,
                    None => return,
                },
                () = time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    if let Some((_, key)) = self.due.pop_first() {
                        self.look_after(&key).await;
                    }
                }
                _ = renewals.tick() => {
                    let renewed = self.node.renew(&mut self.api).await;
                    self.complain("renewing the lease", renewed);
                }
                _ = reports.tick() => {
                    let reported = self.node.report(&mut self.api).await;
                    self.complain("writing the node's status", reported);
                }
            }
        }
    }

    async fn observe(&mut self, event: Event) {
        match event {
            Event::Changed(pod) => {
                let key = watch::key(&pod);
                self.learn(pod);
                self.look_after(&key).await;
            }
            Event::Gone(key) => self.forget(&key),
            Event::Only(present) => {
                let gone: Vec<Key> =
                    self.pods.keys().filter(|&key| !present.contains(key)).cloned().collect();
                gone.iter().for_each(|key| self.forget(key));
            }
        }
    }

    /// Takes over a pod's state unless it is older than the known one.
    fn learn(&mut self, pod: Value) {
        let key = watch::key(&pod);
        let uid = |pod: &Value| pod["metadata"]["uid"].as_str().map(str::to_owned);
        let version = |pod: &Value| {
            pod["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse::<u64>().ok())
        };
        match self.pods.get(&key) {
            Some(known) if uid(&known.pod) != uid(&pod) => self.forget(&key),
            Some(known) if version(&known.pod) >= version(&pod) => return,
            _ => {}
        }
        let now = Instant::now();
        let known = self.pods.entry(key).or_insert_with(|| Known {
            pod: Value::Null,
            addresses: Vec::new(),
            since: now,
            running: None,
            terminating: None,
        });
        if known.addresses.is_empty() {
            let ips = pod["status"]["podIPs"].as_array().into_iter().flatten();
            known.addresses = ips.filter_map(|one| one["ip"].as_str()).map(str::to_owned).collect();
            self.node.keep_addresses(&known.addresses);
        }
        if known.addresses.is_empty() {
            known.addresses = self.node.take_addresses().unwrap_or_default();
        }
        if known.running.is_none() && pod["status"]["phase"] == "Running" {
            known.running = Some(now);
        }
        if known.terminating.is_none() && !pod["metadata"]["deletionTimestamp"].is_null() {
            known.terminating = Some(now);
        }
        known.pod = pod;
    }

    fn forget(&mut self, key: &Key) {
        if let Some(known) = self.pods.remove(key) {
            self.node.release_addresses(&known.addresses);
        }
        self.due.retain(|(_, due)| due != key);
    }

    /// Does what is to be done for a pod now.
    async fn look_after(&mut self, key: &Key) {
        self.due.retain(|(_, due)| due != key);
        for _ in 0..STEPS_MAX {
            let Some(known) = self.pods.get(key) else { return };
            let path = format!("/api/v1/namespaces/{}/pods/{}", key.0, key.1);
            let uid = known.pod["metadata"]["uid"].clone();
            let written = match self.step(known) {
                Step::Wait(rest) => {
                    self.due.extend(rest.map(|rest| (Instant::now() + rest, key.clone())));
                    return;
                }
                Step::Report(status) => {
                    let patch = json!({ "metadata": { "uid": uid }, "status": status });
                    self.api.patch(&format!("{path}/status"), &patch).await
                }
                Step::Remove => {
                    let options = json!({ "gracePeriodSeconds": 0, "preconditions": { "uid": uid } });
                    let removed = self.api.delete(&path, &options).await;
                    // It may stay for its finalizers; there is nothing more to do for it.
                    match removed {
                        Ok(_) => return,
                        refused => refused,
                    }
                }
            };
            // A pod that is gone, or another one of its name, comes as an event.
            if refused(&written, StatusCode::NOT_FOUND) || refused(&written, StatusCode::CONFLICT) {
                return;
            }
            match written {
                Ok(pod) => self.learn(pod),
                Err(error) => {
                    self.complain(&format!("looking after {}/{}", key.0, key.1), Err(error));
                    self.due.insert((Instant::now() + RETRY, key.clone()));
                    return;
                }
            }
        }
    }

    fn step(&self, known: &Known) -> Step {
        let about = Circumstances {
            addresses: &known.addresses,
            node_addresses: &self.node.addresses(),
            known_for: known.since.elapsed(),
            running_for: known.running.map(|since| since.elapsed()),
            terminating_for: known.terminating.map(|since| since.elapsed()),
            start_after: self.options.start_after,
            terminate_after: self.options.terminate_after,
            now: &clock::utc_seconds(),
        };
        pod::step(&known.pod, &about)
    }

    /// What fails is tried again; somebody may want to know.
    fn complain(&self, what: &str, outcome: Result<(), Error>) {
        if let Err(error) = outcome {
            eprintln!("kubelets: {}: {what}: {error}", self.node.name());
        }
    }
}
