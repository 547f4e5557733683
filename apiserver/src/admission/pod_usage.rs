//! What pods and containers ask for, added up as the scheduler does.

use crate::quantity::Quantity;
use crate::tree::{Key, Map, Node};

/// Requests and limits, per resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    pub(super) requests: Map,
    pub(super) limits: Map,
}

impl Usage {
    /// What a `resources` says.
    pub(super) fn of(resources: Option<&Map>) -> Usage {
        let part =
            |key: &str| resources.and_then(|resources| resources.map(key)).cloned().unwrap_or_default();
        Usage { requests: part("requests"), limits: part("limits") }
    }

    /// The most that a pod needs at once: its containers and sidecars together, or an init container with the
    /// sidecars before it, and what the runtime adds.
    pub(super) fn of_pod(spec: &Map) -> Usage {
        let mut running = Usage::default();
        for container in spec.maps("containers") {
            running.add(&Usage::of(container.map("resources")));
        }
        let (mut sidecars, mut starting) = (Usage::default(), Usage::default());
        for container in spec.maps("initContainers") {
            let mut own = Usage::of(container.map("resources"));
            if container.str("restartPolicy") == "Always" {
                running.add(&own);
                sidecars.add(&own);
                own = sidecars.clone();
            } else {
                own.add(&sidecars);
            }
            starting.raise(&own);
        }
        running.raise(&starting);
        if let Some(overhead) = spec.map("overhead") {
            combine(&mut running.requests, overhead, |a, b| a.checked_add(&b));
            let limited = |key: &Key, _: &mut Node| running.limits.contains(key);
            let mut of_limits = overhead.clone();
            of_limits.retain(limited);
            combine(&mut running.limits, &of_limits, |a, b| a.checked_add(&b));
        }
        running
    }

    fn add(&mut self, other: &Usage) {
        combine(&mut self.requests, &other.requests, |a, b| a.checked_add(&b));
        combine(&mut self.limits, &other.limits, |a, b| a.checked_add(&b));
    }

    fn raise(&mut self, other: &Usage) {
        combine(&mut self.requests, &other.requests, |a, b| Some(a.max(b)));
        combine(&mut self.limits, &other.limits, |a, b| Some(a.max(b)));
    }
}

/// The amount of a resource in a list of amounts.
pub(super) fn quantity(amounts: &Map, resource: &str) -> Option<Quantity> {
    Quantity::parse(amounts.get(resource)?.as_str()?).ok()
}

/// Joins amounts into a total; one that cannot be represented keeps what was there.
pub(super) fn combine(total: &mut Map, own: &Map, join: impl Fn(Quantity, Quantity) -> Option<Quantity>) {
    for key in own.keys() {
        let Some(value) = quantity(own, key) else { continue };
        let joined = match quantity(total, key) {
            Some(present) => join(present, value).unwrap_or(present),
            None => value,
        };
        total.set(Key::clone(key), Node::Str(joined.canonical()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(cpu: &'static str, policy: &'static str) -> Node {
        let requests = Map::from([("requests", Map::from([("cpu", cpu)]))]);
        Node::Map(Map::from([("resources", Node::Map(requests)), ("restartPolicy", Node::from(policy))]))
    }

    fn check(containers: Vec<Node>, init: Vec<Node>, expected: &str) {
        let list = |items: Vec<Node>| items.into_iter().collect::<Node>();
        let spec = Map::from([("containers", list(containers)), ("initContainers", list(init))]);
        assert_eq!(Usage::of_pod(&spec).requests.str("cpu"), expected);
    }

    #[test]
    fn pods_need_what_they_need_at_once() {
        check(vec![container("1", ""), container("500m", "")], vec![], "1500m");
        check(vec![container("1", "")], vec![container("3", "")], "3");
        check(vec![container("1", "")], vec![container("1", "Always")], "2");
        check(vec![container("1", "")], vec![container("1", "Always"), container("2", "")], "3");
    }
}
