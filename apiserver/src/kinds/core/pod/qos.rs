//! The quality-of-service class of a pod, from what it asks for of CPU and memory.

use super::resources;
use crate::quantity::Quantity;
use crate::tree::Map;

const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(super) fn class(spec: &Map) -> &'static str {
    let pod_level = spec.map("resources").filter(|own| {
        ["requests", "limits"]
            .into_iter()
            .filter_map(|list| own.map(list))
            .flat_map(Map::keys)
            .any(|name| resources::is_pod_level(name))
    });
    let owners: Vec<&Map> = match pod_level {
        Some(own) => vec![own],
        None => {
            let empty: &'static Map = empty();
            ["containers", "initContainers"]
                .into_iter()
                .flat_map(|list| spec.maps(list))
                .map(|container| container.map("resources").unwrap_or(empty))
                .collect()
        }
    };
    let amount = |owner: &Map, list: &str, name: &str| {
        resources::amount(owner, list, name).filter(|amount| *amount > Quantity::ZERO)
    };
    let asks = |list: &str| {
        owners.iter().any(|owner| COMPUTE.iter().any(|name| amount(owner, list, name).is_some()))
    };
    if !asks("requests") && !asks("limits") {
        return "BestEffort";
    }
    let is_limited =
        owners.iter().all(|owner| COMPUTE.iter().all(|name| amount(owner, "limits", name).is_some()));
    let sum = |list: &str, name: &str| {
        owners
            .iter()
            .filter_map(|owner| amount(owner, list, name))
            .try_fold(Quantity::ZERO, |sum, amount| sum.checked_add(&amount))
    };
    let is_exact = COMPUTE.iter().all(|name| {
        let requested = sum("requests", name);
        requested.is_some_and(|requested| requested > Quantity::ZERO) && requested == sum("limits", name)
    });
    if is_limited && is_exact { "Guaranteed" } else { "Burstable" }
}

fn empty() -> &'static Map {
    static EMPTY: std::sync::LazyLock<Map> = std::sync::LazyLock::new(Map::new);
    &EMPTY
}
