//! EndpointSlices of services: the addresses of a service's pods in slices of at most a hundred, with what each pod can
//! do at the moment.
//!
//! Keeps: services without a selector are left to others; a pod on its way out stays, as terminating, until it is gone;
//! every service has a slice per family, even if nothing is in it.

use ecow::EcoString;
use jiff::Timestamp;

use crate::controller::{Controller, Shape};
use crate::digest::{Change, Digest, Held};
use crate::digests::endpoint_slice::{Conditions, Endpoint, Port};
use crate::digests::{EndpointSlice, Node, Pod, Service};
use crate::endpoint_packing::{self as packing, Candidate, Group, Origin, remove_all};
use crate::endpoint_pods::{self as pods, HEADLESS};
use crate::endpoint_topology::{self as topology, zone};
use crate::key::Key;
use crate::plan::Plan;
use crate::view::View;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "endpointslice-controller",
    watches: |watches| {
        watches.primary::<Service>();
        watches.watch::<Pod>(pods::services_of);
        watches.watch::<Node>(services_on);
        watches.watch::<EndpointSlice>(|change, _, put| packing::services_of(change, MANAGER, put));
    },
    shape: Shape::Plan(plan),
    ..Controller::DEFAULT
};

/// How slices say that they are this controller's.
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// Endpoints of a slice at most.
const ENDPOINTS_MAX: usize = 100;

/// The services of the pods on a node that came, went or moved, and those that divide their endpoints among the zones.
fn services_on(change: &Change<'_, Node>, view: &View, put: &mut dyn FnMut(Key)) {
    if change.old.map(|node| topology::weight(node)) != change.new.map(|node| topology::weight(node)) {
        let divided = view.of::<Service>().indexed(Service::divided_term());
        divided.for_each(|service| put(Key::from(&service.meta)));
    }
    if change.old.map(|node| zone(node)) == change.new.map(|node| zone(node)) {
        return;
    }
    let Some(node) = change.newest() else { return };
    for pod in view.of::<Pod>().indexed(Pod::node_term(&node.meta.name)) {
        pods::services_that_select(pod, view, put);
    }
}

fn plan(key: &Key, view: &View, _: Timestamp) -> Plan {
    let existing = packing::kept(view, key, MANAGER);
    let Some(service) = view.of::<Service>().by_key(key) else {
        return remove_all(&existing, view.of::<Service>().version());
    };
    if !service.selects_pods() {
        return Plan::done();
    }
    let families = pods::families(service);
    let mut labels = service.metadata.labels.clone();
    labels.remove(HEADLESS);
    if service.is_headless() {
        labels.insert(HEADLESS.into(), EcoString::new());
    }
    let origin = Origin {
        service: key,
        manager: MANAGER,
        resource: Service::RESOURCE,
        meta: &service.meta,
        labels,
        annotations: None,
        created: Some(service.metadata.creation_timestamp.clone()),
        endpoints_max: ENDPOINTS_MAX,
        is_leaving: service.metadata.deletion_timestamp.is_some(),
        always: families.clone(),
    };
    let mut groups = groups(service, &families, view);
    let shares = service.divides_by_topology().then(|| topology::shares(view)).flatten();
    for family in &families {
        let of_family = groups.iter_mut().filter(|group| group.address_type == *family);
        let mut endpoints: Vec<&mut Endpoint> = of_family.flat_map(Group::endpoints_mut).collect();
        topology::give_hints(service, shares.as_ref(), &mut endpoints);
    }
    origin.plan(&existing, groups, view)
}

/// The endpoints of a service's pods, by family and ports.
fn groups(service: &Held<Service>, families: &[EcoString], view: &View) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for pod in pods::selected(service, view) {
        let pod = &*pod;
        if !pods::may_serve(pod, true) {
            continue;
        }
        let node = view.of::<Node>().get("", &pod.spec.node_name);
        // A pod on a node that is gone serves nobody; its own end comes later.
        if node.is_none() && !service.spec.publish_not_ready_addresses {
            continue;
        }
        let ports = ports(service, pod);
        for family in families {
            let addresses: Vec<EcoString> =
                pod.addresses().filter(|ip| pods::family_of(ip) == family).cloned().collect();
            if addresses.is_empty() {
                continue;
            }
            let endpoint = endpoint(service, pod, addresses, node.and_then(|node| zone(node)));
            let candidate = Candidate { endpoint, trigger: pods::trigger_time(pod) };
            Group::add(&mut groups, family, &ports, candidate);
        }
    }
    groups
}

fn ports(service: &Service, pod: &Pod) -> Vec<Port> {
    let port = |port: &crate::digests::service::Port| {
        Some(Port {
            name: port.name.clone(),
            port: Some(pods::port_number(pod, port)?),
            protocol: port.protocol.clone(),
            app_protocol: port.app_protocol.clone(),
        })
    };
    service.spec.ports.iter().filter_map(port).collect()
}

fn endpoint(
    service: &Held<Service>,
    pod: &Held<Pod>,
    addresses: Vec<EcoString>,
    zone: Option<&EcoString>,
) -> Endpoint {
    let serving = pod.is_ready();
    let terminating = pod.is_terminating();
    let ready = service.spec.publish_not_ready_addresses || serving && !terminating;
    let node_name = Some(pod.spec.node_name.clone()).filter(|node| !node.is_empty());
    Endpoint {
        addresses,
        conditions: Conditions { ready: Some(ready), serving: Some(serving), terminating: Some(terminating) },
        hostname: pods::hostname(pod, service),
        target_ref: Some(pods::target(pod)),
        zone: zone.cloned(),
        node_name,
        hints: None,
    }
}

#[cfg(test)]
mod tests;
