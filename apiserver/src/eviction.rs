//! Eviction: a deletion of a pod that disruption budgets may refuse.
//!
//! Keeps: the budget's count goes down in the transaction that deletes the pod, so two evictions cannot spend the
//! same disruption.

use std::sync::{Arc, LazyLock};

use crate::admission::Companions;
use crate::authorization::aggregation::matches;
use crate::registry::{Registry, Resource};
use crate::status::{Error, StatusCause};
use crate::storage::{self, Entry, View};
use crate::tree::{Map, Node};

/// Disrupted pods that a budget remembers until its controller has seen them go.
const DISRUPTED_PODS_MAX: usize = 2_000;
const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
/// Seconds after which a budget that lags behind may have caught up.
const LAG_SECONDS: u32 = 10;

static BUDGETS: LazyLock<&Resource> = LazyLock::new(|| {
    Registry::builtin().storage_of("policy", "poddisruptionbudgets").expect("disruption budgets are built in")
});

/// What the budget says to an eviction.
#[derive(Debug)]
enum Spending {
    /// It does not concern it.
    Free,
    /// One disruption less: the budget as it is to be stored.
    One(Map),
}

/// Decides whether `pod` may be evicted at `now` (canonical). Answers the pod as it is to be deleted, with the
/// condition that says why, and adds the budget's new count to `companions`.
pub fn evict(view: &View, pod: &Map, now: &str, companions: &mut Companions) -> Result<Map, Error> {
    if needs_no_budget(pod) {
        return Ok(pod.clone());
    }
    let budgets: Vec<(&Arc<Entry>, Map)> = view
        .entries(&BUDGETS, pod.namespace())
        .map(|entry| (entry, storage::decode(&BUDGETS, entry)))
        .filter(|(_, budget)| {
            budget.map_at(&["spec", "selector"]).is_some_and(|selector| matches(selector, pod))
        })
        .collect();
    match budgets.as_slice() {
        [] => {}
        [(entry, budget)] => {
            if let Spending::One(budget) = spend(budget, pod, now)? {
                companions.update(&BUDGETS, entry, &budget);
            }
        }
        _ => {
            return Err(Error::Plain(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
                    .to_owned(),
            ));
        }
    }
    Ok(with_condition(pod, now))
}

/// A pod that does not run, or is on its way out, disrupts nothing.
fn needs_no_budget(pod: &Map) -> bool {
    pod.at(&["metadata", "deletionTimestamp"]).is_some()
        || matches!(pod.str_at(&["status", "phase"]), "Pending" | "Succeeded" | "Failed")
}

fn is_ready(pod: &Map) -> bool {
    let status = pod.map("status");
    status.is_some_and(|status| {
        status.maps("conditions").any(|it| it.str("type") == "Ready" && it.str("status") == "True")
    })
}

fn spend(budget: &Map, pod: &Map, now: &str) -> Result<Spending, Error> {
    let empty = Map::new();
    let status = budget.map("status").unwrap_or(&empty);
    let count = |key: &str| status.int(key).unwrap_or(0);
    let (healthy, wanted) = (count("currentHealthy"), count("desiredHealthy"));
    if !is_ready(pod) {
        let always = budget.str_at(&["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow";
        if always || (healthy >= wanted && wanted > 0) {
            return Ok(Spending::Free);
        }
    }
    let name = budget.name();
    let refused = |retry_after: u32, message: String| Error::TooManyRequests {
        message: REFUSED.to_owned(),
        retry_after,
        causes: vec![StatusCause { reason: "DisruptionBudget".to_owned(), message, field: String::new() }],
    };
    let generation = budget.metadata().and_then(|metadata| metadata.int("generation")).unwrap_or(0);
    if count("observedGeneration") < generation {
        let message = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refused(LAG_SECONDS, message));
    }
    let allowed = count("disruptionsAllowed");
    let forbidden = |cause: &str| Err(Error::forbidden("poddisruptionbudget.policy", name, cause));
    if allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if status.map("disruptedPods").is_some_and(|pods| pods.len() > DISRUPTED_PODS_MAX) {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if allowed == 0 {
        // Without a time to retry after, so that clients decide themselves.
        let message =
            format!("The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently");
        return Err(refused(0, message));
    }
    Ok(Spending::One(spent(budget, pod, allowed - 1, now)))
}

fn spent(budget: &Map, pod: &Map, allowed: i64, now: &str) -> Map {
    let mut budget = budget.clone();
    let generation = budget.metadata().and_then(|metadata| metadata.int("generation")).unwrap_or(0);
    let status = budget.map_mut("status");
    status.set("disruptionsAllowed", allowed);
    status.map_mut("disruptedPods").set(ecow::EcoString::from(pod.name()), now);
    if allowed == 0 {
        let condition = condition("DisruptionAllowed", "False", "InsufficientPods", "", now);
        set_condition(status, condition, Some(generation));
    }
    budget
}

fn condition(kind: &str, status: &str, reason: &str, message: &str, now: &str) -> Map {
    Map::from([
        ("type", kind),
        ("status", status),
        ("lastTransitionTime", now),
        ("reason", reason),
        ("message", message),
    ])
}

/// Replaces the condition of the same type; the time stays when its status does.
fn set_condition(status: &mut Map, mut condition: Map, generation: Option<i64>) {
    if let Some(generation) = generation.filter(|generation| *generation != 0) {
        condition.set("observedGeneration", generation);
    }
    let list = status.list_mut("conditions");
    let position =
        list.iter().position(|it| it.as_map().is_some_and(|it| it.str("type") == condition.str("type")));
    match position {
        None => list.push(Node::Map(condition)),
        Some(at) => {
            let slot = &mut list.make_mut()[at];
            if let Some(old) = slot.as_map().filter(|old| old.str("status") == condition.str("status")) {
                condition.set("lastTransitionTime", old.str("lastTransitionTime"));
            }
            *slot = Node::Map(condition);
        }
    }
}

fn with_condition(pod: &Map, now: &str) -> Map {
    let mut pod = pod.clone();
    let condition =
        condition("DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting", now);
    set_condition(pod.map_mut("status"), condition, None);
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-02T03:04:05Z";

    fn pod(ready: &'static str) -> Map {
        let conditions =
            [Node::Map(Map::from([("type", "Ready"), ("status", ready)]))].into_iter().collect::<Node>();
        Map::from([
            ("metadata", Node::Map(Map::from([("name", "p")]))),
            ("status", Node::Map(Map::from([("phase", Node::from("Running")), ("conditions", conditions)]))),
        ])
    }

    /// Generation, observed generation, allowed, healthy, wanted.
    fn budget([generation, observed, allowed, healthy, wanted]: [i64; 5]) -> Map {
        let metadata = Map::from([("name", Node::from("b")), ("generation", Node::Int(generation))]);
        let status = Map::from([
            ("observedGeneration", observed),
            ("disruptionsAllowed", allowed),
            ("currentHealthy", healthy),
            ("desiredHealthy", wanted),
        ]);
        Map::from([("metadata", metadata), ("status", status)])
    }

    fn check(counts: [i64; 5], ready: &'static str, expected: &str) {
        let text = match spend(&budget(counts), &pod(ready), NOW) {
            Ok(Spending::Free) => "free".to_owned(),
            Ok(Spending::One(budget)) => format!("{:?} left", budget.at(&["status", "disruptionsAllowed"])),
            Err(Error::TooManyRequests { retry_after, causes, .. }) => {
                format!("{retry_after} {}", causes[0].message)
            }
            Err(other) => other.to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn budgets_are_spent_refused_or_passed_over() {
        check([1, 1, 2, 3, 1], "True", "Some(Int(1)) left");
        check([1, 1, 0, 2, 2], "True", "0 The disruption budget b needs 2 healthy pods and has 2 currently");
        check([2, 1, 5, 3, 1], "True", "10 The disruption budget b is still being processed by the server.");
        check([1, 1, 0, 2, 2], "False", "free");
        check([1, 1, 0, 1, 2], "False", "0 The disruption budget b needs 2 healthy pods and has 1 currently");
        check(
            [1, 1, -1, 1, 2],
            "True",
            "poddisruptionbudget.policy \"b\" is forbidden: pdb disruptions allowed is negative",
        );
    }

    #[test]
    fn the_last_disruption_is_told_in_a_condition() {
        let Ok(Spending::One(budget)) = spend(&budget([1, 1, 1, 3, 2]), &pod("True"), NOW) else {
            panic!("one disruption was left");
        };
        assert_eq!(budget.str_at(&["status", "disruptedPods", "p"]), NOW);
        let reasons: Vec<&str> =
            budget.map("status").unwrap().maps("conditions").map(|it| it.str("reason")).collect();
        assert_eq!(reasons, ["InsufficientPods"]);
    }

    #[test]
    fn pods_that_do_not_run_need_no_budget() {
        for (phase, expected) in
            [("Pending", true), ("Succeeded", true), ("Failed", true), ("Running", false)]
        {
            let pod = Map::from([("status", Map::from([("phase", phase)]))]);
            assert_eq!(needs_no_budget(&pod), expected);
        }
    }
}
