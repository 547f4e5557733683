//! Endpoints of services: one object per service with the addresses of all its pods.
//!
//! Keeps: services without a selector are left to whoever writes their Endpoints; a pod on its way out leaves at once;
//! nothing is written when nothing has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ecow::EcoString;
use jiff::Timestamp;
use serde_json::json;

use crate::api::DeleteOptions;
use crate::controller::{Controller, Shape};
use crate::digest::{Digest, Held};
use crate::digests::endpoints::{Address, Port, Subset};
use crate::digests::{Endpoints, Pod, Service};
use crate::endpoint_pods::{self as pods, HEADLESS};
use crate::event::{Event, Regarding};
use crate::key::Key;
use crate::plan::{Action, Plan};
use crate::view::View;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "endpoint-controller",
    watches: |watches| {
        watches.primary::<Service>();
        watches.watch::<Pod>(pods::services_of);
        watches.watch::<Endpoints>(|change, view, put| {
            let Some(endpoints) = change.newest() else { return };
            let key = Key::from(&endpoints.meta);
            if is_own(endpoints) || view.of::<Service>().by_key(&key).is_some() {
                put(key);
            }
        });
    },
    shape: Shape::Plan(plan),
    ..Controller::DEFAULT
};

/// Addresses that an object holds at most; readers hold all of them at once.
const ADDRESSES_MAX: usize = 1000;

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The annotation of Endpoints that elect a leader; they have no service, and are nobody's to delete.
pub(crate) const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

fn is_own(endpoints: &Endpoints) -> bool {
    endpoints.metadata.labels.get(MANAGED_BY).is_some_and(|by| by == CONTROLLER.name)
}

fn plan(key: &Key, view: &View, _: Timestamp) -> Plan {
    let stored = view.of::<Endpoints>().by_key(key).map(|held| &**held);
    let Some(service) = view.of::<Service>().by_key(key) else {
        return stored.map_or_else(Plan::done, |stored| remove(stored, view));
    };
    if !service.selects_pods() {
        return Plan::done();
    }
    let mut subsets = subsets(service, view);
    let over_capacity = truncate(&mut subsets);
    let labels = labels(service);
    if let Some(stored) = stored
        && stored.subsets == subsets
        && stored.metadata.labels == labels
        && stored.metadata.annotations.contains_key(OVER_CAPACITY) == over_capacity
    {
        return Plan::done();
    }
    let mut metadata = stored.map(|stored| stored.metadata.clone()).unwrap_or_default();
    let trigger = match stored {
        None => Some(service.metadata.creation_timestamp.clone()).filter(|time| !time.is_empty()),
        Some(stored) => trigger(stored, &subsets, service, view),
    };
    pods::stamp(&mut metadata.annotations, trigger);
    metadata.annotations.remove(OVER_CAPACITY);
    if over_capacity {
        metadata.annotations.insert(OVER_CAPACITY.into(), "truncated".into());
    }
    metadata.labels = labels;
    let mut object = json!({ "metadata": metadata, "subsets": subsets });
    object["metadata"]["namespace"] = json!(key.namespace);
    object["metadata"]["name"] = json!(key.name);
    let mut actions: Vec<Action> = complaint(service, stored.is_some(), view).into_iter().collect();
    actions.push(match stored {
        None => Action::Create { resource: Endpoints::RESOURCE, object },
        Some(stored) => {
            object["metadata"]["uid"] = json!(stored.meta.uid);
            object["metadata"]["resourceVersion"] = json!(stored.meta.version.to_string());
            Action::Update { resource: Endpoints::RESOURCE, subresource: "", object }
        }
    });
    Plan::from(actions)
}

/// Endpoints go with their service. A view of services that is older than they are says nothing about it.
fn remove(stored: &Held<Endpoints>, view: &View) -> Plan {
    if stored.metadata.annotations.contains_key(LEADER) || stored.metadata.deletion_timestamp.is_some() {
        return Plan::done();
    }
    if view.of::<Service>().version() < stored.meta.version {
        return Plan::after(pods::LOOK_AGAIN);
    }
    Plan::from(vec![Action::Delete {
        resource: Endpoints::RESOURCE,
        namespace: stored.meta.namespace.clone(),
        name: stored.meta.name.clone(),
        options: DeleteOptions {
            version: Some(stored.meta.version),
            ..DeleteOptions::of_uid(stored.meta.uid.as_str())
        },
    }])
}

/// The labels of the service, and what marks the object as this controller's.
fn labels(service: &Service) -> BTreeMap<EcoString, EcoString> {
    let mut labels = service.metadata.labels.clone();
    labels.remove(HEADLESS);
    if service.is_headless() {
        labels.insert(HEADLESS.into(), EcoString::new());
    }
    labels.insert(MANAGED_BY.into(), CONTROLLER.name.into());
    labels
}

/// The addresses of a service's pods, grouped by the ports that they have, in an order of their own.
fn subsets(service: &Held<Service>, view: &View) -> Vec<Subset> {
    let mut groups: BTreeMap<Vec<Port>, Subset> = BTreeMap::new();
    let unready_too = service.spec.publish_not_ready_addresses;
    let family = pods::families(service).swap_remove(0);
    for pod in pods::selected(service, view) {
        let pod = &*pod;
        if !pods::may_serve(pod, unready_too) {
            continue;
        }
        let Some(ip) = pod.addresses().find(|ip| pods::family_of(ip) == family) else { continue };
        let ports: BTreeSet<Port> = service
            .spec
            .ports
            .iter()
            .filter_map(|port| {
                Some(Port {
                    name: port.name.clone(),
                    port: pods::port_number(pod, port)?,
                    protocol: port.protocol.clone(),
                    app_protocol: port.app_protocol.clone(),
                })
            })
            .collect();
        let needs_no_port = service.spec.ports.is_empty() && service.is_headless();
        if ports.is_empty() && !needs_no_port {
            continue;
        }
        let address = Address {
            ip: ip.clone(),
            hostname: pods::hostname(pod, service).unwrap_or_default(),
            node_name: Some(pod.spec.node_name.clone()).filter(|node| !node.is_empty()),
            target_ref: Some(pods::target(pod)),
        };
        let subset = groups.entry(ports.into_iter().collect()).or_default();
        let ready = unready_too || pod.is_ready();
        if ready { &mut subset.addresses } else { &mut subset.not_ready_addresses }.push(address);
    }
    let order = |(ports, mut subset): (Vec<Port>, Subset)| {
        subset.addresses.sort_by(by_address);
        subset.not_ready_addresses.sort_by(by_address);
        Subset { ports, ..subset }
    };
    groups.into_iter().map(order).collect()
}

fn by_address(a: &Address, b: &Address) -> std::cmp::Ordering {
    let uid = |address: &Address| address.target_ref.as_ref().map(|target| target.uid.clone());
    a.ip.cmp(&b.ip).then_with(|| uid(a).cmp(&uid(b)))
}

/// Leaves as many addresses as an object may hold, ready ones before others, each subset its share. Answers whether
/// there were more.
fn truncate(subsets: &mut Vec<Subset>) -> bool {
    let ready: usize = subsets.iter().map(|subset| subset.addresses.len()).sum();
    let unready: usize = subsets.iter().map(|subset| subset.not_ready_addresses.len()).sum();
    if ready + unready <= ADDRESSES_MAX {
        return false;
    }
    let only_ready = ready > ADDRESSES_MAX;
    let (all, room) = if only_ready { (ready, ADDRESSES_MAX) } else { (unready, ADDRESSES_MAX - ready) };
    let mut left = room;
    for subset in subsets.iter_mut() {
        if only_ready {
            subset.not_ready_addresses.clear();
        }
        let list = if only_ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
        let share = (list.len() * room).div_ceil(all).min(left);
        list.truncate(share);
        left -= list.len();
    }
    subsets.retain(|subset| !subset.addresses.is_empty() || !subset.not_ready_addresses.is_empty());
    true
}

/// When the earliest of the changes happened that a write publishes. A pod that left has no time any more.
fn trigger(
    stored: &Endpoints,
    subsets: &[Subset],
    service: &Held<Service>,
    view: &View,
) -> Option<EcoString> {
    let before = states(&stored.subsets);
    let now = states(subsets);
    let changed = |pod: &Arc<Held<Pod>>| before.get(&pod.meta.uid) != now.get(&pod.meta.uid);
    let pods = pods::selected(service, view);
    pods.into_iter()
        .filter(|pod| now.contains_key(&pod.meta.uid))
        .filter(changed)
        .filter_map(|pod| pods::trigger_time(&pod))
        .min()
}

/// Every pod's uid and whether it is ready.
fn states(subsets: &[Subset]) -> BTreeMap<EcoString, bool> {
    let of = |addresses: &[Address], ready| {
        let uids = addresses.iter().filter_map(|address| Some(address.target_ref.as_ref()?.uid.clone()));
        uids.map(|uid| (uid, ready)).collect::<Vec<_>>()
    };
    let both = |subset: &Subset| [of(&subset.addresses, true), of(&subset.not_ready_addresses, false)];
    subsets.iter().flat_map(both).flatten().collect()
}

/// Tells people that the last write was refused.
fn complaint(service: &Held<Service>, exists: bool, view: &View) -> Option<Action> {
    let failure = view.failure().filter(|it| !it.is_conflict() && !it.already_exists())?;
    let (reason, what) =
        if exists { ("FailedToUpdateEndpoint", "update") } else { ("FailedToCreateEndpoint", "create") };
    let message =
        format!("Failed to {what} endpoint {}/{}: {failure}", service.meta.namespace, service.meta.name);
    let regarding = Regarding::object(Service::RESOURCE, &service.meta);
    Some(Action::Record(Event::warning(regarding, reason, message)))
}

#[cfg(test)]
mod tests;
