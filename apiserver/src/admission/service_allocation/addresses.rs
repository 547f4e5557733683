//! Cluster IPs, each held by an IPAddress object that names its service.

use std::net::IpAddr;
use std::sync::LazyLock;

use super::{has_cluster_ip, refuse};
use crate::admission::{Attributes, builtin};
use crate::clock::Clock;
use crate::cluster::{Family, Network};
use crate::field::{FieldErrors, Path};
use crate::registry::Resource;
use crate::status::Error;
use crate::storage::{self, View};
use crate::tree::{List, Map, Node};

static ADDRESSES: LazyLock<&Resource> = LazyLock::new(|| builtin("networking.k8s.io", "ipaddresses"));

/// Gives the service an address of each of its families that it has none of.
pub(super) fn allocate(
    attributes: &mut Attributes<'_>,
    service: &mut Map,
    old: Option<&Map>,
) -> Result<(), Error> {
    let spec = service.map_mut("spec");
    if spec.str("type") == "ExternalName" || spec.str("clusterIP") == "None" {
        return Ok(());
    }
    let held = old.filter(|old| has_cluster_ip(old)).map(addresses).unwrap_or_default();
    let mut addresses: Vec<String> = texts(spec.list("clusterIPs"));
    let families: Vec<Family> =
        texts(spec.list("ipFamilies")).iter().filter_map(|it| Family::parse(it)).collect();
    // A change of the first address is refused by validation; nothing is allocated for it.
    if !held.is_empty() && addresses.first() != held.first() {
        return Ok(());
    }
    for (at, family) in families.into_iter().enumerate() {
        match addresses.get(at) {
            Some(address) if held.contains(address) => {}
            Some(address) => claim(attributes, service, &address.clone())?,
            None => {
                let Some(network) = attributes.cluster.service_network(family).copied() else { continue };
                let address = free(attributes.view, &network, attributes.clock).ok_or_else(|| {
                    Error::Internal("failed to allocate a serviceIP: range is full".to_owned())
                })?;
                hold(attributes, service, &address);
                addresses.push(address.to_string());
            }
        }
    }
    if let Some(first) = addresses.first() {
        let spec = service.map_mut("spec");
        spec.set("clusterIP", first.as_str());
        spec.set("clusterIPs", addresses.iter().map(|it| Node::from(it.as_str())).collect::<List>());
    }
    Ok(())
}

/// Frees the addresses that `kept`, what remains of the service, does not have.
pub(super) fn release(attributes: &mut Attributes<'_>, old: &Map, kept: Option<&Map>) {
    let kept = kept.map(addresses).unwrap_or_default();
    for address in addresses(old).iter().filter(|address| !kept.contains(address)) {
        let Some(entry) = attributes.view.entry(&ADDRESSES, "", address) else { continue };
        let parent = storage::decode(&ADDRESSES, entry);
        let parent = parent.map_at(&["spec", "parentRef"]);
        let is_ours = parent.is_some_and(|parent| {
            parent.str("resource") == "services"
                && parent.str("namespace") == old.namespace()
                && parent.str("name") == old.name()
        });
        if is_ours {
            attributes.companions.delete(entry);
        }
    }
}

fn texts(list: &[Node]) -> Vec<String> {
    list.iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

fn addresses(service: &Map) -> Vec<String> {
    if !has_cluster_ip(service) {
        return Vec::new();
    }
    let list = service.map("spec").map(|spec| texts(spec.list("clusterIPs"))).unwrap_or_default();
    list.into_iter().filter(|address| address != "None").collect()
}

/// Takes the address that the client chose.
fn claim(attributes: &mut Attributes<'_>, service: &Map, text: &str) -> Result<(), Error> {
    // What is no address at all is refused by validation.
    let Ok(address) = text.parse::<IpAddr>() else { return Ok(()) };
    let network = attributes.cluster.service_network(Family::of(&address));
    let cause = match network {
        None => return Ok(()),
        Some(network) if !network.offers(&address) => {
            format!("the provided IP ({text}) is not in the valid range. The range of valid IPs is {network}")
        }
        Some(_) if attributes.view.entry(&ADDRESSES, "", &address.to_string()).is_some() => {
            "provided IP is already allocated".to_owned()
        }
        Some(_) => {
            hold(attributes, service, &address);
            return Ok(());
        }
    };
    let mut errors = FieldErrors::new();
    let path = Path::new("spec");
    let all = service.at(&["spec", "clusterIPs"]).cloned().unwrap_or_default();
    errors.invalid(&path.child("clusterIPs"), all, format!("failed to allocate IP {text}: {cause}"));
    refuse(service, errors)
}

fn hold(attributes: &mut Attributes<'_>, service: &Map, address: &IpAddr) {
    let object =
        address_object(address, attributes.namespace, service.name(), attributes.clock, attributes.now);
    attributes.companions.create(&ADDRESSES, &object);
}

/// The IPAddress that holds `address` for a service.
pub(crate) fn address_object(
    address: &IpAddr,
    namespace: &str,
    name: &str,
    clock: &dyn Clock,
    now: &str,
) -> Map {
    let labels = Map::from([
        ("ipaddress.kubernetes.io/ip-family", Family::of(address).as_str()),
        ("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"),
    ]);
    let metadata = Map::from([
        ("name", Node::from(address.to_string())),
        ("uid", Node::from(clock.uuid())),
        ("creationTimestamp", Node::from(now)),
        ("labels", Node::Map(labels)),
    ]);
    let parent = Map::from([("resource", "services"), ("namespace", namespace), ("name", name)]);
    Map::from([("metadata", metadata), ("spec", Map::from([("parentRef", parent)]))])
}

/// How many of the lowest addresses are kept for clients that choose their own as long as others are free.
fn chosen_band(size: u64) -> u64 {
    let band = (size / 16).clamp(16, 256);
    if band >= size { 0 } else { band }
}

/// A free address: the first from a random place of the upper band on, then of the lower band. Random, so that
/// servers and retries that allocate at the same time do not choose the same.
fn free(view: &View, network: &Network, clock: &dyn Clock) -> Option<IpAddr> {
    let size = network.size();
    let band = chosen_band(size);
    let is_free = |address: &IpAddr| view.entry(&ADDRESSES, "", &address.to_string()).is_none();
    [(band, size - band), (0, band)].into_iter().find_map(|(first, count)| {
        if count == 0 {
            return None;
        }
        let start = clock.below(count);
        (0..count).map(|step| network.address(1 + first + (start + step) % count)).find(is_free)
    })
}
