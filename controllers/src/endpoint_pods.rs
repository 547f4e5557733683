//! The pods behind a service: which it selects, which ports they have, and whether they serve.
//! Keeps: a change of a pod wakes every service that selected it or selects it now, and no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ecow::EcoString;

use crate::digest::{Change, Held, Term};
use crate::digests::endpoints::Target;
use crate::digests::pod::Container;
use crate::digests::service::{self, TargetPort};
use crate::digests::{Pod, Service};
use crate::key::Key;
use crate::view::View;

/// When the change that a write publishes happened; clients measure how long it took to reach them.
pub(crate) const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// The label of what belongs to a service without an address.
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";

/// When to look again at something whose service the view may not have seen yet.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The keys of the services that a change of a pod concerns.
pub(crate) fn services_of(change: &Change<'_, Pod>, view: &View, put: &mut dyn FnMut(Key)) {
    if let (Some(old), Some(new)) = (change.old, change.new)
        && old.meta.uid == new.meta.uid
        && !differ(old, new)
    {
        return;
    }
    for pod in change.versions() {
        services_that_select(pod, view, put);
    }
}

/// The keys of the services that select a pod.
pub(crate) fn services_that_select(pod: &Held<Pod>, view: &View, put: &mut dyn FnMut(Key)) {
    let services = view.of::<Service>();
    let labels = &pod.metadata.labels;
    for term in pod.terms() {
        let found = services.indexed(*term);
        found.filter(|service| service.selects(labels)).for_each(|service| put(Key::from(&service.meta)));
    }
}

/// Whether two versions of a pod may be different endpoints.
fn differ(old: &Pod, new: &Pod) -> bool {
    old.metadata.labels != new.metadata.labels
        || old.is_terminating() != new.is_terminating()
        || old.spec != new.spec
        || old.is_terminated() != new.is_terminated()
        || old.is_ready() != new.is_ready()
        || old.status.pod_ip != new.status.pod_ip
        || old.status.pod_ips != new.status.pod_ips
}

/// The pods that a service selects, by name.
pub(crate) fn selected(service: &Held<Service>, view: &View) -> Vec<Arc<Held<Pod>>> {
    let pods = view.of::<Pod>();
    let terms: Vec<Term> = service
        .spec
        .selector
        .iter()
        .map(|(key, value)| Pod::label_term(&service.meta.namespace, key, value))
        .collect();
    // All labels are walked in step; the one that ends first has the fewest pods.
    let mut walks: Vec<_> = terms.iter().map(|term| pods.indexed(*term)).collect();
    if walks.is_empty() {
        return Vec::new();
    }
    let rarest = loop {
        if let Some(ended) = walks.iter_mut().position(|walk| walk.next().is_none()) {
            break terms[ended];
        }
    };
    let candidates = pods.indexed(rarest);
    let mut selected: Vec<_> =
        candidates.filter(|pod| service.selects(&pod.metadata.labels)).cloned().collect();
    selected.sort_unstable_by(|a, b| a.meta.name.cmp(&b.meta.name));
    selected
}

/// Whether a pod may be an endpoint at all.
pub(crate) fn may_serve(pod: &Pod, even_if_terminating: bool) -> bool {
    !pod.is_terminated() && pod.addresses().next().is_some() && (even_if_terminating || !pod.is_terminating())
}

/// The number of a service's port on a pod, if the pod has it.
pub(crate) fn port_number(pod: &Pod, port: &service::Port) -> Option<u16> {
    let name = match &port.target_port {
        TargetPort::Number(number) => return Some(*number),
        TargetPort::Name(name) => name,
    };
    let lasting = |container: &&Container| container.restart_policy == "Always";
    let containers = pod.spec.containers.iter().chain(pod.spec.init_containers.iter().filter(lasting));
    let mut ports = containers.flat_map(|container| &container.ports);
    let protocol = |text: &EcoString| if text.is_empty() { EcoString::from("TCP") } else { text.clone() };
    let found =
        ports.find(|found| found.name == *name && protocol(&found.protocol) == protocol(&port.protocol));
    found.map(|found| found.container_port)
}

/// The name of a pod below its service's, if it has one.
pub(crate) fn hostname(pod: &Pod, service: &Held<Service>) -> Option<EcoString> {
    let spec = &pod.spec;
    (!spec.hostname.is_empty() && spec.subdomain == service.meta.name).then(|| spec.hostname.clone())
}

/// The families of a service's endpoints, the main one first.
pub(crate) fn families(service: &Service) -> Vec<EcoString> {
    if !service.spec.ip_families.is_empty() {
        return service.spec.ip_families.clone();
    }
    vec![if service.spec.cluster_ip.contains(':') { "IPv6".into() } else { "IPv4".into() }]
}

/// The family of an address.
pub(crate) fn family_of(address: &str) -> &'static str {
    if address.contains(':') { "IPv6" } else { "IPv4" }
}

/// The reference to a pod.
pub(crate) fn target(pod: &Held<Pod>) -> Target {
    Target {
        kind: "Pod".into(),
        namespace: pod.meta.namespace.clone(),
        name: pod.meta.name.clone(),
        uid: pod.meta.uid.clone(),
    }
}

/// When a pod became what it is, ready or not.
pub(crate) fn trigger_time(pod: &Pod) -> Option<EcoString> {
    let since = pod.condition("Ready").map(|ready| ready.last_transition_time.clone());
    since.filter(|since| !since.is_empty())
}

/// Sets the trigger time, or takes away an old one.
pub(crate) fn stamp(annotations: &mut BTreeMap<EcoString, EcoString>, trigger: Option<EcoString>) {
    match trigger {
        Some(time) => annotations.insert(TRIGGER_TIME.into(), time),
        None => annotations.remove(TRIGGER_TIME),
    };
}

#[cfg(test)]
mod tests;
