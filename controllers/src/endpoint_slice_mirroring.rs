//! EndpointSlices of Endpoints that somebody else writes: whoever reads slices sees services without a selector too.
//!
//! Keeps: Endpoints of services with a selector are left to the controllers that find pods; Endpoints that are labelled
//! so, or that elect a leader, are not mirrored.

use std::net::IpAddr;

use ecow::EcoString;
use jiff::Timestamp;

use crate::api::Version;
use crate::controller::{Controller, Shape};
use crate::digest::{Change, Digest};
use crate::digests::endpoint_slice::{Conditions, Endpoint, Port};
use crate::digests::endpoints::{Address, Subset};
use crate::digests::{EndpointSlice, Endpoints, Service};
use crate::endpoint_packing::{self as packing, Candidate, Group, Origin, remove_all};
use crate::endpoint_pods::{self as pods, TRIGGER_TIME};
use crate::endpoints::LEADER;
use crate::key::Key;
use crate::plan::Plan;
use crate::view::View;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "endpointslicemirroring-controller",
    watches: |watches| {
        watches.primary::<Endpoints>();
        watches.watch::<Service>(|change, view, put| {
            let Some(service) = change.newest() else { return };
            let key = Key::from(&service.meta);
            if selector_changed(change) && view.of::<Endpoints>().by_key(&key).is_some() {
                put(key);
            }
        });
        watches.watch::<EndpointSlice>(|change, _, put| packing::services_of(change, MANAGER, put));
    },
    shape: Shape::Plan(plan),
    ..Controller::DEFAULT
};

/// How slices say that they are this controller's.
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
/// Addresses of a subset that are mirrored at most, all in one slice.
const ENDPOINTS_MAX: usize = 1000;

const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn selector_changed(change: &Change<'_, Service>) -> bool {
    change.old.map(|service| service.spec.selector.is_empty())
        != change.new.map(|service| service.spec.selector.is_empty())
}

fn plan(key: &Key, view: &View, _: Timestamp) -> Plan {
    let existing = packing::kept(view, key, MANAGER);
    let endpoints = view.of::<Endpoints>().by_key(key);
    let service = view.of::<Service>().by_key(key);
    let mirrored = endpoints
        .filter(|endpoints| is_mirrored(endpoints))
        .filter(|_| service.is_some_and(|service| service.spec.selector.is_empty()));
    let Some(endpoints) = mirrored else {
        // What is absent may only be unknown yet; what is there and says no is to be believed.
        let seen = match (endpoints, service) {
            (None, _) => view.of::<Endpoints>().version(),
            (_, None) => view.of::<Service>().version(),
            _ => Version::MAX,
        };
        return remove_all(&existing, seen);
    };
    let mut annotations = endpoints.metadata.annotations.clone();
    let trigger = annotations.remove(TRIGGER_TIME);
    annotations.remove(LAST_APPLIED);
    let origin = Origin {
        service: key,
        manager: MANAGER,
        resource: Endpoints::RESOURCE,
        meta: &endpoints.meta,
        labels: endpoints.metadata.labels.clone(),
        annotations: Some(annotations),
        created: trigger.clone(),
        endpoints_max: ENDPOINTS_MAX,
        is_leaving: false,
        always: Vec::new(),
    };
    origin.plan(&existing, groups(endpoints, trigger.as_ref()), view)
}

fn is_mirrored(endpoints: &Endpoints) -> bool {
    let metadata = &endpoints.metadata;
    metadata.deletion_timestamp.is_none()
        && metadata.labels.get(SKIP_MIRROR).is_none_or(|skip| skip != "true")
        && !metadata.annotations.contains_key(LEADER)
}

/// The addresses of Endpoints, by family and ports; of each subset the ready ones first.
fn groups(endpoints: &Endpoints, trigger: Option<&EcoString>) -> Vec<Group> {
    let mut groups = Vec::new();
    for subset in &endpoints.subsets {
        let ports = ports(subset);
        let ready = subset.addresses.iter().map(|address| (address, true));
        let unready = subset.not_ready_addresses.iter().map(|address| (address, false));
        let readable = ready.chain(unready).filter(|(address, _)| address.ip.parse::<IpAddr>().is_ok());
        for (address, ready) in readable.take(ENDPOINTS_MAX) {
            let candidate = Candidate { endpoint: endpoint(address, ready), trigger: trigger.cloned() };
            Group::add(&mut groups, &pods::family_of(&address.ip).into(), &ports, candidate);
        }
    }
    groups
}

fn ports(subset: &Subset) -> Vec<Port> {
    let port = |port: &crate::digests::endpoints::Port| Port {
        name: port.name.clone(),
        port: Some(port.port),
        protocol: port.protocol.clone(),
        app_protocol: port.app_protocol.clone(),
    };
    subset.ports.iter().map(port).collect()
}

fn endpoint(address: &Address, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: Conditions { ready: Some(ready), serving: None, terminating: None },
        hostname: Some(address.hostname.clone()).filter(|hostname| !hostname.is_empty()),
        target_ref: address.target_ref.clone(),
        node_name: address.node_name.clone(),
        zone: None,
        hints: None,
    }
}

#[cfg(test)]
mod tests;
