//! For whom endpoints are meant: clients of the same zone or node where the service prefers that, or shares of the
//! endpoints in proportion to what the zones' nodes can compute (`service.kubernetes.io/topology-mode: Auto`).
//!
//! Keeps: hints are given to all ready endpoints of a family or to none; no zone gets so few of them that its clients
//! would burden each of them by more than a fifth above the average.

use std::collections::BTreeMap;

use ecow::EcoString;

use crate::digests::endpoint_slice::{Endpoint, Hints, Named};
use crate::digests::{Node, Service};
use crate::view::View;

pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";

/// By how much a zone's endpoints may be burdened more than the average.
const OVERLOAD: f64 = 0.2;

/// Labels of nodes that run no workloads of users.
const CONTROL_PLANES: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// What part of the nodes' processors each zone has.
pub(crate) type Shares = BTreeMap<EcoString, f64>;

/// The zone of a node.
pub(crate) fn zone(node: &Node) -> Option<&EcoString> {
    node.metadata.labels.get(ZONE).filter(|zone| !zone.is_empty())
}

/// What of a node has a part in the shares of the zones; none when it has none.
pub(crate) fn weight(node: &Node) -> Option<(Option<&EcoString>, &EcoString)> {
    let runs_workloads = CONTROL_PLANES.iter().all(|label| !node.metadata.labels.contains_key(*label));
    (runs_workloads && node.is_ready()).then(|| (zone(node), &node.status.allocatable.cpu))
}

/// The shares of the zones; none when a node does not say enough, or when there is nothing to divide.
pub(crate) fn shares(view: &View) -> Option<Shares> {
    let mut shares = Shares::new();
    for node in view.of::<Node>().iter() {
        let Some((zone, cpu)) = weight(node) else { continue };
        *shares.entry(zone?.clone()).or_default() += cores(cpu).filter(|cores| *cores > 0.0)?;
    }
    let total: f64 = shares.values().sum();
    shares.values_mut().for_each(|share| *share /= total);
    (shares.len() >= 2).then_some(shares)
}

/// An amount of processors as kubelets write it: `4`, `3920m`, `1.5`.
fn cores(cpu: &str) -> Option<f64> {
    match cpu.strip_suffix('m') {
        Some(thousandths) => thousandths.parse::<f64>().ok().map(|count| count / 1000.0),
        None => cpu.parse().ok(),
    }
}

/// Gives hints to the endpoints of one family, or takes them away.
pub(crate) fn give_hints(service: &Service, shares: Option<&Shares>, endpoints: &mut [&mut Endpoint]) {
    for endpoint in endpoints.iter_mut() {
        endpoint.hints = None;
    }
    let mut ready: Vec<&mut &mut Endpoint> =
        endpoints.iter_mut().filter(|endpoint| endpoint.conditions.ready == Some(true)).collect();
    if service.divides_by_topology() {
        if let Some(targets) = shares.and_then(|shares| targets(shares, ready.len())) {
            divide(&targets, &mut ready);
        }
        return;
    }
    for endpoint in ready {
        let named = |name: &Option<EcoString>| name.clone().map(|name| Named { name }).into_iter().collect();
        let hints = match service.spec.traffic_distribution.as_str() {
            "PreferClose" | "PreferSameZone" => {
                Hints { for_zones: named(&endpoint.zone), for_nodes: Vec::new() }
            }
            "PreferSameNode" => {
                Hints { for_zones: named(&endpoint.zone), for_nodes: named(&endpoint.node_name) }
            }
            _ => continue,
        };
        endpoint.hints = Some(hints).filter(|hints| *hints != Hints::default());
    }
}

/// How many endpoints each zone gets; none when there are too few of them to be fair.
fn targets(shares: &Shares, endpoints: usize) -> Option<BTreeMap<EcoString, usize>> {
    if shares.len() > endpoints {
        return None;
    }
    let desired = |share: f64| share * endpoints as f64;
    let minimum = |share: f64| (desired(share) / (1.0 + OVERLOAD)).ceil() as usize;
    let mut targets: BTreeMap<EcoString, usize> = shares
        .iter()
        .map(|(zone, share)| (zone.clone(), minimum(*share).max(desired(*share).floor() as usize)))
        .collect();
    // Whole endpoints may be more than there are: what is above the minimum goes back first.
    let mut given: usize = targets.values().sum();
    while given > endpoints {
        let (zone, _) = shares.iter().find(|(zone, share)| targets[*zone] > minimum(**share))?;
        *targets.get_mut(zone)? -= 1;
        given -= 1;
    }
    while given < endpoints {
        let lack = |zone: &EcoString, share: f64| desired(share) - targets[zone] as f64;
        let (zone, _) = shares.iter().max_by(|a, b| lack(a.0, *a.1).total_cmp(&lack(b.0, *b.1)))?;
        *targets.get_mut(zone)? += 1;
        given += 1;
    }
    Some(targets)
}

/// Every zone keeps its own endpoints up to its target; those beyond it go to the zones that lack some.
fn divide(targets: &BTreeMap<EcoString, usize>, ready: &mut [&mut &mut Endpoint]) {
    if !ready.iter().all(|endpoint| endpoint.zone.as_ref().is_some_and(|zone| !zone.is_empty())) {
        return;
    }
    // The order decides who is given away, so it must not depend on who was looked at first.
    ready.sort_by(|a, b| (&a.zone, &a.addresses).cmp(&(&b.zone, &b.addresses)));
    let mut open = targets.clone();
    let mut surplus = Vec::new();
    for endpoint in ready.iter_mut() {
        let own = endpoint.zone.clone().unwrap_or_default();
        match open.get_mut(&own).filter(|open| **open > 0) {
            Some(open) => {
                *open -= 1;
                hint(endpoint, own);
            }
            None => surplus.push(endpoint),
        }
    }
    let lacking = open.into_iter().flat_map(|(zone, count)| std::iter::repeat_n(zone, count));
    for (endpoint, zone) in surplus.into_iter().zip(lacking) {
        hint(endpoint, zone);
    }
}

fn hint(endpoint: &mut Endpoint, zone: EcoString) {
    endpoint.hints = Some(Hints { for_zones: vec![Named { name: zone }], for_nodes: Vec::new() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digests::endpoint_slice::Conditions;
    use crate::digests::service::Annotations;

    /// What each zone gets of endpoints that lie in zones `a`, `b` and `c`, as `a>b` for one that is given away.
    fn divided(shares: &[(&str, f64)], zones: &str) -> Vec<String> {
        let mut endpoints: Vec<Endpoint> = zones
            .chars()
            .enumerate()
            .map(|(at, zone)| Endpoint {
                addresses: vec![format!("10.0.0.{at}").into()],
                conditions: Conditions { ready: Some(zone.is_lowercase()), ..Conditions::default() },
                zone: Some(zone.to_ascii_lowercase().to_string().into()).filter(|_| zone != '-'),
                ..Endpoint::default()
            })
            .collect();
        let mut service = Service::default();
        service.metadata.annotations = Annotations { topology_mode: "Auto".into(), ..Annotations::default() };
        let shares: Shares = shares.iter().map(|(zone, share)| ((*zone).into(), *share)).collect();
        give_hints(&service, Some(&shares), &mut endpoints.iter_mut().collect::<Vec<_>>());
        let given = endpoints.iter().filter_map(|endpoint| {
            let to = &endpoint.hints.as_ref()?.for_zones[0].name;
            let own = endpoint.zone.as_ref()?;
            Some(if own == to { own.to_string() } else { format!("{own}>{to}") })
        });
        given.collect()
    }

    #[test]
    fn zones_get_endpoints_in_proportion_to_their_processors() {
        let halves = [("a", 0.5), ("b", 0.5)];
        assert_eq!(divided(&halves, "aabb"), ["a", "a", "b", "b"]);
        assert_eq!(divided(&halves, "aaab"), ["a", "a", "a>b", "b"]);
        assert_eq!(divided(&halves, "aaaa"), ["a", "a", "a>b", "a>b"]);
        assert_eq!(
            divided(&halves, "aaabB"),
            ["a", "a", "a>b", "b"],
            "one that is not ready counts for nothing"
        );
        assert_eq!(divided(&[("a", 0.75), ("b", 0.25)], "abbb"), ["a", "b", "b>a", "b>a"]);
        assert_eq!(divided(&halves, "ccab"), ["c>a", "c>b", "a", "b"], "a zone without nodes has no clients");
    }

    #[test]
    fn nobody_gets_hints_where_they_would_be_unfair() {
        let halves = [("a", 0.5), ("b", 0.5)];
        let none = Vec::<String>::new();
        assert_eq!(divided(&halves, "a"), none, "there are more zones than endpoints");
        assert_eq!(divided(&halves, "aab"), none, "half a zone's clients would use a third of the endpoints");
        assert_eq!(divided(&halves, "aab-"), none, "an endpoint does not say where it is");
        assert_eq!(divided(&[("a", 0.9), ("b", 0.05), ("c", 0.05)], "aabc"), none);
    }

    #[test]
    fn processors_are_read_as_kubelets_write_them() {
        let close =
            |text: &str, expected: f64| cores(text).is_some_and(|cores| (cores - expected).abs() < 1e-9);
        assert!(close("4", 4.0) && close("3920m", 3.92) && close("1.5", 1.5));
        assert_eq!(cores("many"), None);
    }
}
