//! Which API servers there are: each keeps a Lease, and the leader lists the servers whose Leases are alive as the
//! endpoints of the service `kubernetes`.
//!
//! Keeps: whether a Lease is alive is decided by whether it changes while the leader looks at it, never by comparing
//! two machines' clocks; only the leader's loop takes a server off the list, fenced by its term, or the server itself.
//! A lone server writes its Lease hardly ever, because nobody is there to miss it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::admission::Companions;
use crate::bootstrap;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::pipeline::Server;
use crate::registry::{Registry, Resource};
use crate::storage::{self, Entry, Outcome, Revision, View};
use crate::tree::Map;

const NAMESPACE: &str = "kube-system";
const LABEL: &str = "apiserver.kubernetes.io/identity";
const LABEL_VALUE: &str = "kube-apiserver";
/// Where clients reach the server of a Lease.
const ADDRESS: &str = "apiserver.pintle/advertised-address";

/// How often a server looks whether there is something to do.
const TICK: Duration = Duration::from_secs(1);
const TICK_ALONE: Duration = Duration::from_secs(10);

/// How long a Lease lives, and how often it is renewed: among several servers, and alone. A leader lets no Lease of
/// another server live longer than the former.
const LIFE: Duration = Duration::from_secs(8);
const RENEWAL: Duration = Duration::from_secs(3);
const LIFE_ALONE: Duration = Duration::from_secs(3600);
const RENEWAL_ALONE: Duration = Duration::from_secs(1200);

/// How often a withdrawal is planned anew because somebody else wrote meanwhile.
const WITHDRAWALS_MAX: usize = 5;

/// Whether this server still wants to be listed.
#[derive(Default)]
pub struct Identity {
    withdrawn: AtomicBool,
}

/// Renews this server's Lease until the task is dropped or the server has withdrawn.
pub async fn run_renewal(server: Arc<Server>) {
    let mut since_renewal = Duration::ZERO;
    loop {
        let alone = is_alone(&server);
        since_renewal += pause(&server, alone).await;
        if server.identity.withdrawn.load(Ordering::SeqCst) {
            return;
        }
        let alone = is_alone(&server);
        let (life, renewal) = terms(alone);
        let view = server.view();
        let kept = own_lease(&view, &server.cluster).is_some_and(|lease| {
            life_of(&lease) == life && address_of(&lease) == Some(server.cluster.advertised)
        });
        if kept && since_renewal < renewal {
            continue;
        }
        let mut companions = Companions::default();
        write_lease(&view, &server.cluster, &*server.clock, life, &mut companions);
        match server.store.txn(companions.transaction(None, None)).await {
            Outcome::Applied { .. } => since_renewal = Duration::ZERO,
            // Somebody else wrote it, or it did not get through; it is looked at again in the next tick.
            outcome => tracing::debug!(?outcome, "the server's lease was not renewed"),
        }
    }
}

/// Lists the servers that are alive while this one leads, until the task is dropped.
pub async fn run_list(server: Arc<Server>) {
    let mut ages = Ages::default();
    loop {
        let passed = pause(&server, is_alone(&server)).await;
        let leadership = *server.store.leadership().borrow();
        if !leadership.leads || server.identity.withdrawn.load(Ordering::SeqCst) {
            ages = Ages::default();
            continue;
        }
        let view = server.view();
        ages.look(&view, passed);
        let companions = list(&view, &server.cluster, &*server.clock, &ages);
        if companions.ops.is_empty() {
            continue;
        }
        match server.store.txn(companions.transaction(None, Some(leadership.term))).await {
            Outcome::Applied { .. } => tracing::info!("the list of API servers has changed"),
            // What lost a race is planned anew in the next tick.
            outcome => tracing::debug!(?outcome, "the list of API servers was not written"),
        }
    }
}

/// Takes this server off the list before it stops. The last one stays: nobody could read the list without it.
pub async fn withdraw(server: &Server) {
    server.identity.withdrawn.store(true, Ordering::SeqCst);
    if is_alone(server) {
        return;
    }
    for _ in 0..WITHDRAWALS_MAX {
        let view = server.view();
        let mut companions = Companions::default();
        let own = lease_name(&server.cluster);
        if let Some(entry) = view.entry(leases(), NAMESPACE, &own) {
            companions.delete(entry);
        }
        let others: Vec<SocketAddr> = leases_of(&view)
            .filter(|lease| lease.name() != own)
            .filter_map(|lease| address_of(&lease))
            .collect();
        if others.is_empty() {
            return;
        }
        let listed = bootstrap::list_servers(&view, &server.cluster, &*server.clock, &others);
        companions.compares.extend(listed.compares);
        companions.ops.extend(listed.ops);
        match server.store.txn(companions.transaction(None, None)).await {
            // What this server sees may be older than what it was compared with.
            Outcome::Failed { revision, .. } => drop(server.reader().at_least(revision).await),
            Outcome::Applied { .. } => return,
            outcome => return tracing::debug!(?outcome, "the server could not withdraw from the list"),
        }
    }
}

/// What a starting server writes: its Lease, unless it is there, and the list with itself on it.
pub(crate) fn introduce(view: &View, cluster: &Cluster, clock: &dyn Clock, companions: &mut Companions) {
    let known = own_lease(view, cluster).and_then(|lease| address_of(&lease)) == Some(cluster.advertised);
    if !known {
        write_lease(view, cluster, clock, LIFE, companions);
    }
}

/// The servers of all Leases, with this one.
pub(crate) fn known_servers(view: &View, cluster: &Cluster) -> Vec<SocketAddr> {
    let own = lease_name(cluster);
    let others = leases_of(view).filter(|lease| lease.name() != own).filter_map(|lease| address_of(&lease));
    others.chain([cluster.advertised]).collect()
}

/// How long each Lease has not changed while the leader looked.
#[derive(Default)]
struct Ages {
    leases: BTreeMap<String, Age>,
}

struct Age {
    modified: Revision,
    unchanged_for: Duration,
}

impl Ages {
    /// Looks at the Leases again after some time.
    fn look(&mut self, view: &View, passed: Duration) {
        let mut ages = BTreeMap::new();
        for (entry, lease) in entries_of(view) {
            let before = self.leases.get(lease.name()).filter(|age| age.modified == entry.modified);
            let unchanged_for = before.map_or(Duration::ZERO, |age| age.unchanged_for + passed);
            ages.insert(lease.name().to_owned(), Age { modified: entry.modified, unchanged_for });
        }
        self.leases = ages;
    }

    fn is_alive(&self, lease: &Map) -> bool {
        self.leases.get(lease.name()).is_none_or(|age| age.unchanged_for < LIFE)
    }
}

/// The list of the servers that are alive; the Leases of the others go.
fn list(view: &View, cluster: &Cluster, clock: &dyn Clock, ages: &Ages) -> Companions {
    let own = lease_name(cluster);
    let mut servers = vec![cluster.advertised];
    let mut dead = Vec::new();
    for (entry, lease) in entries_of(view) {
        if lease.name() == own {
            continue;
        }
        if ages.is_alive(&lease) { servers.extend(address_of(&lease)) } else { dead.push(entry) }
    }
    let mut companions = bootstrap::list_servers(view, cluster, clock, &servers);
    dead.into_iter().for_each(|entry| companions.delete(entry));
    companions
}

/// Waits for the next tick, or for a change of the membership; answers how much time has passed for sure.
async fn pause(server: &Server, alone: bool) -> Duration {
    let tick = if alone { TICK_ALONE } else { TICK };
    tokio::select! {
        () = tokio::time::sleep(tick) => tick,
        () = server.store.members_changed() => Duration::ZERO,
    }
}

fn is_alone(server: &Server) -> bool {
    server.store.members().len() <= 1
}

/// How long a Lease lives, and how often it is renewed.
fn terms(alone: bool) -> (Duration, Duration) {
    if alone { (LIFE_ALONE, RENEWAL_ALONE) } else { (LIFE, RENEWAL) }
}

fn leases() -> &'static Resource {
    Registry::builtin().storage_of("coordination.k8s.io", "leases").expect("leases are built in")
}

/// Named after the node as its operator sees it.
fn lease_name(cluster: &Cluster) -> String {
    format!("apiserver-{:016x}", cluster.node)
}

fn entries_of(view: &View) -> impl Iterator<Item = (&Arc<Entry>, Map)> {
    view.entries(leases(), NAMESPACE)
        .filter(|entry| {
            entry.key.as_str().rsplit('/').next().is_some_and(|name| name.starts_with("apiserver-"))
        })
        .map(|entry| (entry, storage::decode(leases(), entry)))
        .filter(|(_, lease)| lease.label(LABEL) == Some(LABEL_VALUE))
}

fn leases_of(view: &View) -> impl Iterator<Item = Map> {
    entries_of(view).map(|(_, lease)| lease)
}

fn own_lease(view: &View, cluster: &Cluster) -> Option<Map> {
    view.object(leases(), NAMESPACE, &lease_name(cluster))
}

fn address_of(lease: &Map) -> Option<SocketAddr> {
    lease.annotation(ADDRESS)?.parse().ok()
}

fn life_of(lease: &Map) -> Duration {
    let seconds = lease.map("spec").and_then(|spec| spec.int("leaseDurationSeconds")).unwrap_or(0);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Makes or renews this server's Lease.
fn write_lease(
    view: &View,
    cluster: &Cluster,
    clock: &dyn Clock,
    life: Duration,
    companions: &mut Companions,
) {
    let name = lease_name(cluster);
    let now = clock.now_in_microseconds();
    let before = view.entry(leases(), NAMESPACE, &name);
    let stored = before.map(|entry| storage::decode(leases(), entry));
    let kept =
        |path: &[&str]| stored.as_ref().map(|lease| lease.str_at(path)).filter(|text| !text.is_empty());
    let uid = kept(&["metadata", "uid"]).map_or_else(|| clock.uuid(), str::to_owned);
    let made = kept(&["metadata", "creationTimestamp"]).map_or_else(|| clock.now(), str::to_owned);
    let acquired = kept(&["spec", "acquireTime"]).unwrap_or(&now);
    let lease: Value = json!({
        "metadata": {
            "namespace": NAMESPACE,
            "name": name,
            "uid": uid,
            "creationTimestamp": made,
            "labels": { LABEL: LABEL_VALUE },
            "annotations": { ADDRESS: cluster.advertised.to_string() },
        },
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": life.as_secs(),
            "acquireTime": acquired,
            "renewTime": now,
        },
    });
    let lease = bootstrap::tree(leases(), &lease);
    match before {
        Some(entry) => companions.update(leases(), entry, &lease),
        None => companions.create(leases(), &lease),
    }
}

#[cfg(test)]
mod tests;
