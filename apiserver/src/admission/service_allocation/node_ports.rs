//! Node ports, each held by a key that names its service.

use bytes::Bytes;

use super::{has_health_check_port, has_node_ports, refuse, wants_node_ports};
use crate::admission::Attributes;
use crate::field::{FieldErrors, Path};
use crate::status::Error;
use crate::storage::{Entry, Key, NewValue, View};
use crate::tree::Map;

/// Keys of held ports; not a resource, so no client sees them.
const BUCKET: &str = "/registry/pintle.servicenodeports/";

fn key(port: i64) -> Key {
    Key::new(format!("{BUCKET}{port}"))
}

fn holder(view: &View, port: i64) -> Option<&Entry> {
    view.state().get(&key(port)).map(|entry| &**entry)
}

/// Every port that a service has, its health check's included, once.
fn ports(service: &Map) -> Vec<i64> {
    let Some(spec) = service.map("spec") else { return Vec::new() };
    let mut ports: Vec<i64> = spec.maps("ports").filter_map(|port| port.int("nodePort")).collect();
    ports.extend(spec.int("healthCheckNodePort"));
    ports.retain(|port| *port != 0);
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Gives each port of the service a node port that has none and needs one, and takes those that the client chose.
pub(super) fn allocate(
    attributes: &mut Attributes<'_>,
    service: &mut Map,
    old: Option<&Map>,
) -> Result<(), Error> {
    let mut held: Vec<i64> = old.filter(|old| has_node_ports(old)).map(ports).unwrap_or_default();
    if has_node_ports(service) {
        let mut errors = FieldErrors::new();
        let spec = Path::new("spec");
        let path = spec.child("ports");
        let list = service.map("spec").map(|spec| spec.maps("ports").cloned().collect::<Vec<Map>>());
        for (at, port) in list.unwrap_or_default().iter().enumerate() {
            let chosen = port.int("nodePort").unwrap_or(0);
            if chosen != 0 && !held.contains(&chosen) {
                match take(attributes, service, chosen) {
                    Ok(()) => held.push(chosen),
                    Err(cause) => errors.invalid(&path.index(at).child("nodePort"), chosen, cause),
                }
            }
        }
        refuse(service, errors)?;
        if wants_node_ports(service) {
            give(attributes, service, &mut held)?;
        }
    }
    if !has_health_check_port(service) {
        return Ok(());
    }
    let before = old.map_or(0, health_check_port);
    health_check(attributes, service, before, &mut held)
}

fn give(attributes: &mut Attributes<'_>, service: &mut Map, held: &mut Vec<i64>) -> Result<(), Error> {
    let count = service.map("spec").map_or(0, |spec| spec.list("ports").len());
    for at in 0..count {
        let Some(ports) = service.map("spec").map(|spec| spec.maps("ports").cloned().collect::<Vec<Map>>())
        else {
            break;
        };
        let Some(port) = ports.get(at) else { break };
        if port.int("nodePort").unwrap_or(0) != 0 {
            continue;
        }
        // The same port over another protocol shares its node port.
        let shared = ports.iter().find(|other| {
            other.int("port") == port.int("port")
                && other.str("protocol") != port.str("protocol")
                && other.int("nodePort").unwrap_or(0) != 0
        });
        let number = match shared.and_then(|other| other.int("nodePort")) {
            Some(number) => number,
            None => {
                let number = free(attributes, held).ok_or_else(|| full("nodePort"))?;
                hold(attributes, service, number);
                held.push(number);
                number
            }
        };
        let list = service.map_mut("spec").existing_list_mut("ports").unwrap_or_default();
        if let Some(port) = list.get_mut(at).and_then(|port| port.as_map_mut()) {
            port.set("nodePort", number);
        }
    }
    Ok(())
}

fn health_check(
    attributes: &mut Attributes<'_>,
    service: &mut Map,
    before: i64,
    held: &mut Vec<i64>,
) -> Result<(), Error> {
    let chosen = health_check_port(service);
    // What is no port at all is left to validation.
    if chosen != 0 && (chosen == before || u16::try_from(chosen).is_err()) {
        return Ok(());
    }
    if chosen != 0 {
        // A port of the service's own is taken, too.
        let taken =
            if held.contains(&chosen) { Err(TAKEN.to_owned()) } else { take(attributes, service, chosen) };
        return taken.map_err(|cause| {
            Error::Internal(format!("failed to allocate requested HealthCheck NodePort {chosen}: {cause}"))
        });
    }
    let number = free(attributes, held).ok_or_else(|| full("HealthCheck NodePort"))?;
    hold(attributes, service, number);
    held.push(number);
    service.map_mut("spec").set("healthCheckNodePort", number);
    Ok(())
}

fn health_check_port(service: &Map) -> i64 {
    service.map("spec").and_then(|spec| spec.int("healthCheckNodePort")).unwrap_or(0)
}

const TAKEN: &str = "provided port is already allocated";

fn full(what: &str) -> Error {
    Error::Internal(format!("failed to allocate a {what}: range is full"))
}

fn take(attributes: &mut Attributes<'_>, service: &Map, port: i64) -> Result<(), String> {
    let range = &attributes.cluster.node_ports;
    if !u16::try_from(port).is_ok_and(|port| range.contains(&port)) {
        let (first, last) = (range.start(), range.end());
        return Err(format!(
            "provided port is not in the valid range. The range of valid ports is {first}-{last}"
        ));
    }
    if holder(attributes.view, port).is_some() {
        return Err(TAKEN.to_owned());
    }
    hold(attributes, service, port);
    Ok(())
}

fn owner(namespace: &str, name: &str) -> Bytes {
    Bytes::from(format!("{namespace}/{name}"))
}

fn hold(attributes: &mut Attributes<'_>, service: &Map, port: i64) {
    let bytes = owner(attributes.namespace, service.name());
    attributes.companions.reserve(key(port), NewValue { bytes, ..NewValue::default() });
}

/// How many of the lowest ports are kept for clients that choose their own as long as others are free.
fn chosen_band(size: u64) -> u64 {
    let band = (size / 32).clamp(16, 128);
    if band >= size { 0 } else { band }
}

fn free(attributes: &Attributes<'_>, held: &[i64]) -> Option<i64> {
    let range = &attributes.cluster.node_ports;
    let size = u64::from(*range.end()).checked_sub(u64::from(*range.start()))? + 1;
    let band = chosen_band(size);
    let is_free = |port: &i64| !held.contains(port) && holder(attributes.view, *port).is_none();
    [(band, size - band), (0, band)].into_iter().find_map(|(first, count)| {
        let start = attributes.clock.below(count);
        (0..count)
            .map(|step| i64::from(*range.start()) + (first + (start + step) % count) as i64)
            .find(is_free)
    })
}

/// Frees the ports that `kept`, what remains of the service, does not have.
pub(super) fn release(attributes: &mut Attributes<'_>, old: &Map, kept: Option<&Map>) {
    let kept = kept.map(ports).unwrap_or_default();
    let owner = owner(old.namespace(), old.name());
    for port in ports(old).into_iter().filter(|port| !kept.contains(port)) {
        if let Some(entry) = holder(attributes.view, port).filter(|entry| *entry.bytes() == owner) {
            attributes.companions.delete(entry);
        }
    }
}
