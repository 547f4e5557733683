//! Whether other API servers can be reached, and what they say that they serve.
//!
//! Keeps: only the leader's loop writes conditions, fenced by its term; a server is asked at most once a second.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, future};
use rustc_hash::FxHashMap;
use tokio::time::{Instant, timeout};

use super::{Others, Remote, api_services, said};
use crate::admission::Companions;
use crate::pipeline::Server;
use crate::registry::Registry;
use crate::selector::Selection;
use crate::status::Error;
use crate::storage::{self, View};
use crate::tree::{List, Map, Node};

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_secs(1);
/// How often a server is asked whether it is there.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is asked what it serves.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(60);
/// How many times at once.
const PROBES: usize = 5;
/// When it is asked again after it did not say.
const DISCOVERY_RETRY: Duration = Duration::from_secs(2);

/// When a server is asked next.
struct Due {
    probe: Instant,
    discovery: Instant,
}

/// The `Available` condition, but for its time.
#[derive(Debug, PartialEq, Eq)]
struct Availability {
    is_available: bool,
    reason: &'static str,
    message: String,
}

impl Availability {
    fn not(reason: &'static str, message: String) -> Availability {
        Availability { is_available: false, reason, message }
    }
}

/// Keeps watch over the other API servers until the task is dropped.
pub(crate) async fn run(server: Arc<Server>) {
    let mut due = FxHashMap::default();
    loop {
        let view = server.view();
        server.aggregation.read(&view);
        let others = server.aggregation.others();
        let changed = server.changed(api_services(), view.revision());
        if others.is_empty() {
            due.clear();
            changed.await;
            continue;
        }
        server.look_at(&others, &view, &mut due).await;
        let _ = timeout(TICK, changed).await;
    }
}

impl Server {
    /// Asks whoever is due.
    async fn look_at(&self, others: &Others, view: &View, due: &mut FxHashMap<String, Due>) {
        let leadership = *self.store.leadership().borrow();
        due.retain(|name, _| others.remotes.iter().any(|remote| remote.name == *name));
        let now = Instant::now();
        let wanted = others.remotes.iter().map(|remote| {
            let due = due.get(&remote.name);
            let is_due = |at: fn(&Due) -> Instant| due.is_none_or(|due| at(due) <= now);
            (remote, leadership.leads && is_due(|due| due.probe), is_due(|due| due.discovery))
        });
        let looking = wanted.map(|(remote, probes, discovers)| async move {
            let availability = match self.missing(remote, view) {
                Some(missing) if leadership.leads => Some(missing),
                Some(_) => None,
                None if probes => Some(self.probe(remote, view).await),
                None => None,
            };
            let is_there = availability.as_ref().map_or(remote.is_available, |found| found.is_available);
            let discovered = match discovers && is_there {
                true => Some(said::fetch(self, remote, view).await),
                false => None,
            };
            (remote, availability, discovered)
        });
        let mut looking: FuturesUnordered<_> = looking.collect();
        while let Some((remote, availability, discovered)) = looking.next().await {
            let due = due.entry(remote.name.clone()).or_insert(Due { probe: now, discovery: now });
            // Who is told that it is there finds it in discovery.
            match discovered {
                Some(Ok(said)) => {
                    due.discovery = now + DISCOVERY_INTERVAL;
                    self.aggregation.note(&remote.name, said);
                }
                Some(Err(why)) => {
                    due.discovery = now + DISCOVERY_RETRY;
                    tracing::debug!(name = remote.name, why, "an API server does not say what it serves");
                }
                None => {}
            }
            if let Some(availability) = availability {
                due.probe = now + if availability.is_available { PROBE_INTERVAL } else { TICK };
                self.write_availability(remote, &availability, leadership.term).await;
            }
        }
    }

    /// What is stored of the service says already that nobody is there.
    fn missing(&self, remote: &Remote, view: &View) -> Option<Availability> {
        let (namespace, name, port) = remote.place.service()?;
        let services = Registry::builtin().storage_of("", "services")?;
        let Some(service) = view.object(services, namespace, name) else {
            let message = format!("service/{name} in {namespace:?} is not present");
            return Some(Availability::not("ServiceNotFound", message));
        };
        if service.str_at(&["spec", "type"]) != "ClusterIP" {
            return None;
        }
        let mut ports = service.map("spec").into_iter().flat_map(|spec| spec.maps("ports"));
        let Some(found) = ports.find(|found| found.int("port") == Some(port)) else {
            let message = format!("service/{name} in {namespace:?} is not listening on port {port}");
            return Some(Availability::not("ServicePortError", message));
        };
        let slices = slices_of(view, namespace, name).ok()?;
        if slices.is_empty() {
            let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
            return Some(Availability::not("EndpointsNotFound", message));
        }
        let port_name = found.str("name");
        if slices.iter().any(|slice| has_ready(slice, port_name)) {
            return None;
        }
        let message = format!(
            "endpointslices for service/{name} in {namespace:?} have no addresses with port name {port_name:?}"
        );
        Some(Availability::not("MissingEndpoints", message))
    }

    /// Asks a server for what every one of them has to serve.
    async fn probe(&self, remote: &Remote, view: &View) -> Availability {
        let path = remote.path();
        // Each goes to an endpoint of its own choosing; one that is there suffices.
        let attempts = (0..PROBES).map(|_| self.probe_once(remote, view, &path).boxed());
        match future::select_ok(attempts).await {
            Ok(_) => {
                let message = "all checks passed".to_owned();
                Availability { is_available: true, reason: "Passed", message }
            }
            Err(why) => Availability::not("FailedDiscoveryCheck", why),
        }
    }

    async fn probe_once(&self, remote: &Remote, view: &View, path: &str) -> Result<(), String> {
        let answer = self.fetch(remote, view, path, "*/*").await?;
        match answer.status.as_u16() {
            200..300 => Ok(()),
            code => {
                let origin = remote.place.origin();
                Err(format!(
                    "failing or missing response from {origin}{path}: bad status from {origin}{path}: {code}"
                ))
            }
        }
    }

    /// Stores what was found out, if it is news.
    async fn write_availability(&self, remote: &Remote, found: &Availability, term: u64) {
        let view = self.view();
        let Some(entry) = view.entry(api_services(), "", &remote.name) else { return };
        let mut api_service = storage::decode(api_services(), entry);
        if !set_available(&mut api_service, found, &self.clock.now()) {
            return;
        }
        tracing::info!(
            name = remote.name,
            is_available = found.is_available,
            reason = found.reason,
            message = found.message,
            "the availability of an API server changes"
        );
        api_service.metadata_mut().remove("resourceVersion");
        let mut companions = Companions::default();
        companions.update(api_services(), entry, &api_service);
        // What lost a race is found out again.
        let outcome = self.store.txn(companions.transaction(None, Some(term))).await;
        tracing::debug!(?outcome, "an availability was written");
    }
}

/// The slices of a service.
fn slices_of(view: &View, namespace: &str, service: &str) -> Result<Vec<Map>, Error> {
    let slices =
        Registry::builtin().storage_of("discovery.k8s.io", "endpointslices").ok_or(Error::NoResource)?;
    let selector = format!("kubernetes.io/service-name={service}");
    let selection = Selection::new(slices, namespace, "", &selector, "")?;
    let entries = view.entries(slices, namespace).filter(|entry| selection.matches(entry));
    Ok(entries.map(|entry| storage::decode(slices, entry)).collect())
}

/// Whether a slice has somebody ready, and the port.
fn has_ready(slice: &Map, port: &str) -> bool {
    let is_ready = |endpoint: &Map| endpoint.at(&["conditions", "ready"]) != Some(&Node::Bool(false));
    slice.maps("endpoints").any(is_ready)
        && slice.maps("ports").any(|found| found.str("name") == port && found.contains("port"))
}

/// Sets the condition; answers whether it was another one before.
fn set_available(api_service: &mut Map, found: &Availability, now: &str) -> bool {
    let status = if found.is_available { "True" } else { "False" };
    let conditions = api_service.map_mut("status").list_mut("conditions");
    let at = conditions.iter().position(|node| node.as_map().is_some_and(|it| it.str("type") == "Available"));
    let mut condition = Map::from([
        ("type", "Available"),
        ("status", status),
        ("lastTransitionTime", now),
        ("reason", found.reason),
        ("message", found.message.as_str()),
    ]);
    let mut all: Vec<Node> = conditions.iter().cloned().collect();
    match at {
        Some(at) => {
            let before = all[at].as_map().cloned().unwrap_or_default();
            if before.str("status") == status {
                condition.set("lastTransitionTime", before.str("lastTransitionTime"));
            }
            if before == condition {
                return false;
            }
            all[at] = Node::Map(condition);
        }
        None => all.push(Node::Map(condition)),
    }
    *conditions = all.into_iter().collect::<List>();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_written_when_it_is_news_and_keeps_the_time_of_its_status() {
        let mut api_service = Map::new();
        let gone = |message: &str| Availability::not("MissingEndpoints", message.to_owned());
        assert!(set_available(&mut api_service, &gone("a"), "1"));
        assert!(!set_available(&mut api_service, &gone("a"), "2"));
        assert!(set_available(&mut api_service, &gone("b"), "3"));
        let there = Availability { is_available: true, reason: "Passed", message: String::new() };
        let time = |api_service: &Map| {
            let conditions = api_service.map("status").unwrap().list("conditions");
            assert_eq!(conditions.len(), 1);
            conditions[0].as_map().unwrap().str("lastTransitionTime").to_owned()
        };
        assert_eq!(time(&api_service), "1");
        assert!(set_available(&mut api_service, &there, "4"));
        assert_eq!(time(&api_service), "4");
    }
}
