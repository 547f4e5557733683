//! What the containers of a pod ask for together.
//!
//! Keeps: init containers run one by one beside those that restart always, so the larger of the two phases counts.

use super::resources;
use crate::quantity::Quantity;
use crate::tree::Map;

/// The requests of all containers for one resource.
pub(super) fn container_requests(spec: &Map, resource: &str) -> Quantity {
    total(spec, |container| amount(container, "requests", resource))
}

/// The limits of all containers on one resource.
pub(super) fn container_limits(spec: &Map, resource: &str) -> Quantity {
    total(spec, |container| amount(container, "limits", resource))
}

fn amount(container: &Map, list: &str, resource: &str) -> Quantity {
    container
        .map("resources")
        .and_then(|resources| resources::amount(resources, list, resource))
        .unwrap_or(Quantity::ZERO)
}

fn total(spec: &Map, amount: impl Fn(&Map) -> Quantity) -> Quantity {
    let running = spec.maps("containers").map(&amount).fold(Quantity::ZERO, add);
    let mut sidecars = Quantity::ZERO;
    let mut starting = Quantity::ZERO;
    for container in spec.maps("initContainers") {
        let own = amount(container);
        if is_sidecar(container) {
            sidecars = add(sidecars, own);
            starting = starting.max(sidecars);
        } else {
            starting = starting.max(add(sidecars, own));
        }
    }
    add(running, sidecars).max(starting)
}

/// Amounts are read from text of bounded length, so a sum that cannot be represented keeps the greater part.
fn add(a: Quantity, b: Quantity) -> Quantity {
    a.checked_add(&b).unwrap_or(a.max(b))
}

/// An init container that keeps running beside the pod's containers.
pub(in crate::kinds) fn is_sidecar(container: &Map) -> bool {
    container.str("restartPolicy") == "Always"
}
