//! What an object uses of the resources that quotas limit.

use std::collections::BTreeMap;

use ecow::{EcoString, eco_format};

use crate::admission::pod_usage::{Usage, combine};
use crate::registry::Resource;
use crate::tree::{Key, Map, Node};

/// Resources that every container must name when a quota limits them.
const SPECIFIED: [&str; 6] =
    ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// Core kinds that may be limited by their bare name.
const COUNTED: [&str; 7] = [
    "pods",
    "services",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
];

const DEVICE_CLAIMS: &str = "resourceclaims.resource.k8s.io";
const DEVICES_SUFFIX: &str = ".deviceclass.resource.k8s.io/devices";
/// How many devices a claim may be given at most.
const DEVICES_MAX: i64 = 32;

const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";

fn count_name(resource: &Resource) -> EcoString {
    eco_format!("count/{}", resource.kind.group_resource())
}

/// Whether objects of a resource can use anything that `hard` limits.
pub(super) fn concerns(resource: &Resource, hard: &Map) -> bool {
    let name = resource.kind.group_resource();
    hard.contains(&count_name(resource))
        || match name.as_str() {
            "pods" | "services" | "persistentvolumeclaims" => true,
            DEVICE_CLAIMS => hard.keys().any(|key| key.ends_with(DEVICES_SUFFIX)),
            name => COUNTED.contains(&name) && hard.contains(name),
        }
}

/// What an object uses.
pub(super) fn of(resource: &Resource, object: &Map) -> Map {
    let name = resource.kind.group_resource();
    let mut usage = Map::from([(count_name(resource), "1")]);
    let finished = matches!(object.str_at(&["status", "phase"]), "Succeeded" | "Failed");
    if name == "pods" && finished {
        return usage;
    }
    if let Some(name) = COUNTED.into_iter().find(|counted| *counted == name) {
        usage.set(name, "1");
    }
    match name.as_str() {
        "pods" => pod(object, &mut usage),
        "services" => service(object, &mut usage),
        "persistentvolumeclaims" => claim(object, &mut usage),
        DEVICE_CLAIMS => devices(object, &mut usage),
        _ => {}
    }
    usage
}

fn pod(object: &Map, usage: &mut Map) {
    let Some(spec) = object.map("spec") else { return };
    let Usage { requests, limits } = Usage::of_pod(spec);
    amounts(&requests, &limits, usage);
}

/// Amounts under the names that quotas limit them by.
fn amounts(requests: &Map, limits: &Map, usage: &mut Map) {
    for (key, value) in requests.iter() {
        let plain =
            matches!(key.as_str(), "cpu" | "memory" | "ephemeral-storage") || key.starts_with("hugepages-");
        if plain {
            usage.set(Key::clone(key), value.clone());
        }
        usage.set(eco_format!("requests.{key}"), value.clone());
    }
    for (key, value) in limits.iter() {
        usage.set(eco_format!("limits.{key}"), value.clone());
    }
}

fn service(object: &Map, usage: &mut Map) {
    let Some(spec) = object.map("spec") else { return };
    let ports = spec.maps("ports").filter(|port| port.int("nodePort").unwrap_or(0) != 0).count();
    match spec.str("type") {
        "NodePort" => usage.set("services.nodeports", spec.list("ports").len().to_string()),
        "LoadBalancer" => {
            usage.set("services.loadbalancers", "1");
            usage.set("services.nodeports", ports.to_string());
        }
        _ => {}
    }
}

fn claim(object: &Map, usage: &mut Map) {
    let class = object.str_at(&["spec", "storageClassName"]);
    if !class.is_empty() {
        usage.set(eco_format!("{class}{CLASS_SUFFIX}persistentvolumeclaims"), "1");
    }
    let Some(storage) = object.at(&["spec", "resources", "requests", "storage"]) else { return };
    usage.set("requests.storage", storage.clone());
    if !class.is_empty() {
        usage.set(eco_format!("{class}{CLASS_SUFFIX}requests.storage"), storage.clone());
    }
}

/// The devices of each class that a claim may be given: of alternatives the one that takes most.
fn devices(claim: &Map, usage: &mut Map) {
    let Some(devices) = claim.map_at(&["spec", "devices"]) else { return };
    for request in devices.maps("requests") {
        let mut most = BTreeMap::new();
        for wanted in request.map("exactly").into_iter().chain(request.maps("firstAvailable")) {
            let count = match wanted.str("allocationMode") {
                "ExactCount" => wanted.int("count").unwrap_or(1),
                "All" => DEVICES_MAX,
                _ => 0,
            };
            let most: &mut i64 = most.entry(wanted.str("deviceClassName")).or_default();
            *most = count.max(*most);
        }
        let most = most
            .into_iter()
            .map(|(class, count)| (eco_format!("{class}{DEVICES_SUFFIX}"), Node::from(count.to_string())));
        combine(usage, &most.collect(), |a, b| a.checked_add(&b));
    }
}

/// What containers leave open although it is limited: `limits.cpu for: a,b; requests.cpu for: b`.
pub(super) fn unspecified(resource: &Resource, object: &Map, hard: &Map) -> String {
    let Some(spec) = object.map("spec").filter(|_| resource.group_resource == "pods") else {
        return String::new();
    };
    let mut missing = Vec::new();
    for name in SPECIFIED.into_iter().filter(|name| hard.contains(name)) {
        let lacks = |container: &&Map| {
            let own = Usage::of(container.map("resources"));
            let mut usage = Map::new();
            amounts(&own.requests, &own.limits, &mut usage);
            !usage.contains(name)
        };
        let containers: Vec<&str> = spec
            .maps("containers")
            .chain(spec.maps("initContainers"))
            .filter(lacks)
            .map(|container| container.str("name"))
            .collect();
        if !containers.is_empty() {
            missing.push(format!("{name} for: {}", containers.join(",")));
        }
    }
    missing.sort_unstable();
    missing.join("; ")
}
