//! The status that a kubelet reports for a pod, computed from the pod alone.
//! Keeps: a fact that is in the stored status already (a start, a transition) is reported as it was.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::behaviour;

/// What a kubelet does next for a pod.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Write this status.
    Report(Value),
    /// Remove the object: nothing of the pod is left.
    Remove,
    /// Nothing, until it changes or until so much more time has passed.
    Wait(Option<Duration>),
}

/// What a kubelet knows about a pod besides the object.
pub(super) struct Circumstances<'a> {
    /// The pod's addresses, the first one of the node's main family.
    pub(super) addresses: &'a [String],
    /// The node's addresses.
    pub(super) node_addresses: &'a [String],
    /// How long the kubelet has known it.
    pub(super) known_for: Duration,
    /// How long its containers have been running.
    pub(super) running_for: Option<Duration>,
    /// How long it has been terminating.
    pub(super) terminating_for: Option<Duration>,
    /// How long a pod takes to start that does not say so itself.
    pub(super) start_after: Duration,
    /// How long a pod takes to end that does not say so itself.
    pub(super) terminate_after: Duration,
    /// The time, as it is written.
    pub(super) now: &'a str,
}

/// Exit codes as a container that heeds SIGTERM and one that SIGKILL ends.
const ENDED: i64 = 0;
const KILLED: i64 = 137;

/// What is to be done for a pod now.
pub(super) fn step(pod: &Value, about: &Circumstances<'_>) -> Step {
    let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if let Some(terminating_for) = about.terminating_for {
        let asked = behaviour::terminate_after(pod, about.terminate_after);
        return match asked.checked_sub(terminating_for) {
            _ if over || about.running_for.is_none() => Step::Remove,
            Some(rest) if rest > Duration::ZERO => report(pod, running(pod, about), Some(rest)),
            _ => {
                let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0);
                let code = if asked < Duration::from_secs(grace) { ENDED } else { KILLED };
                Step::Report(ended(pod, code, about))
            }
        };
    }
    if over {
        return Step::Wait(None);
    }
    let Some(running_for) = about.running_for else {
        let after = behaviour::start_after(pod).unwrap_or(about.start_after);
        return match after.checked_sub(about.known_for) {
            Some(rest) if rest > Duration::ZERO => Step::Wait(Some(rest)),
            _ if about.addresses.is_empty() => Step::Wait(None),
            _ => Step::Report(running(pod, about)),
        };
    };
    match behaviour::exit(pod).filter(|(_, code)| stays_ended(pod, *code)) {
        Some((after, code)) if after <= running_for => Step::Report(ended(pod, code, about)),
        exit => report(pod, running(pod, about), exit.map(|(after, _)| after - running_for)),
    }
}

fn report(pod: &Value, status: Value, otherwise: Option<Duration>) -> Step {
    if covers(&pod["status"], &status) { Step::Wait(otherwise) } else { Step::Report(status) }
}

/// Whether containers that exit with this code are not started again.
fn stays_ended(pod: &Value, code: i64) -> bool {
    match pod["spec"]["restartPolicy"].as_str() {
        Some("Never") => true,
        Some("OnFailure") => code == 0,
        _ => false,
    }
}

/// The status while its containers run.
fn running(pod: &Value, about: &Circumstances<'_>) -> Value {
    let ready = behaviour::probes_succeed(pod);
    let gates = gates_open(pod);
    let reason = if ready { "ReadinessGatesNotReady" } else { "ContainersNotReady" };
    let started = |stored: &Value| {
        let started = stored["state"]["running"]["startedAt"].as_str().unwrap_or(about.now).to_owned();
        json!({ "running": { "startedAt": started } })
    };
    let mut status = common(pod, about);
    status.insert("phase".into(), "Running".into());
    status.insert(
        "conditions".into(),
        json!([
            condition(pod, "PodReadyToStartContainers", true, "", about.now),
            condition(pod, "Initialized", true, "", about.now),
            condition(pod, "ContainersReady", ready, "ContainersNotReady", about.now),
            condition(pod, "Ready", ready && gates, reason, about.now),
        ]),
    );
    status.insert("containerStatuses".into(), containers(pod, "containers", ready, true, started));
    Value::Object(status)
}

/// The status once its containers have ended with an exit code.
fn ended(pod: &Value, code: i64, about: &Circumstances<'_>) -> Value {
    let (phase, reason) = if code == 0 { ("Succeeded", "PodCompleted") } else { ("Failed", "PodFailed") };
    let mut status = common(pod, about);
    status.insert("phase".into(), phase.into());
    status.insert(
        "conditions".into(),
        json!([
            condition(pod, "PodReadyToStartContainers", false, "", about.now),
            condition(pod, "ContainersReady", false, reason, about.now),
            condition(pod, "Ready", false, reason, about.now),
        ]),
    );
    let state = |stored: &Value| terminated(stored, code, about.now);
    status.insert("containerStatuses".into(), containers(pod, "containers", false, false, state));
    Value::Object(status)
}

/// What every report says: addresses, the start, and that the init containers are through.
fn common(pod: &Value, about: &Circumstances<'_>) -> Map<String, Value> {
    let host_network = pod["spec"]["hostNetwork"] == true;
    let addresses = if host_network { about.node_addresses } else { about.addresses };
    let list = |addresses: &[String]| -> Value {
        addresses.iter().map(|address| json!({ "ip": address })).collect::<Vec<_>>().into()
    };
    let started = pod["status"]["startTime"].as_str().unwrap_or(about.now);
    let mut status = Map::new();
    status.insert("startTime".into(), started.into());
    status.insert("hostIP".into(), about.node_addresses.first().cloned().into());
    status.insert("hostIPs".into(), list(about.node_addresses));
    status.insert("podIP".into(), addresses.first().cloned().into());
    status.insert("podIPs".into(), list(addresses));
    if pod["spec"]["initContainers"].as_array().is_some_and(|list| !list.is_empty()) {
        let state = |stored: &Value| terminated(stored, ENDED, about.now);
        status.insert("initContainerStatuses".into(), containers(pod, "initContainers", true, false, state));
    }
    status
}

/// The statuses of a pod's containers, or of its init containers.
fn containers(
    pod: &Value,
    field: &str,
    ready: bool,
    started: bool,
    state: impl Fn(&Value) -> Value,
) -> Value {
    let of = if field == "containers" { "containerStatuses" } else { "initContainerStatuses" };
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let containers = pod["spec"][field].as_array().map(Vec::as_slice).unwrap_or_default();
    let status = |container: &Value| {
        let name = container["name"].as_str().unwrap_or_default();
        let stored = pod["status"][of].as_array().into_iter().flatten().find(|one| one["name"] == name);
        json!({
            "name": name,
            "image": container["image"],
            "imageID": format!("simulated://{}", container["image"].as_str().unwrap_or_default()),
            "containerID": format!("simulated://{uid}/{name}"),
            "restartCount": 0,
            "ready": ready,
            "started": started,
            "state": state(stored.unwrap_or(&Value::Null)),
        })
    };
    containers.iter().map(status).collect::<Vec<_>>().into()
}

/// The state of a container that has ended, once and for all.
fn terminated(stored: &Value, code: i64, now: &str) -> Value {
    if stored["state"]["terminated"].is_object() {
        return stored["state"].clone();
    }
    let started = stored["state"]["running"]["startedAt"].as_str().unwrap_or(now);
    json!({ "terminated": {
        "exitCode": code,
        "reason": if code == 0 { "Completed" } else { "Error" },
        "startedAt": started,
        "finishedAt": now,
    } })
}

fn condition(pod: &Value, kind: &str, holds: bool, reason: &str, now: &str) -> Value {
    let status = if holds { "True" } else { "False" };
    let stored = stored_condition(pod, kind).filter(|stored| stored["status"] == status);
    let since = stored.and_then(|stored| stored["lastTransitionTime"].as_str()).unwrap_or(now);
    let mut condition = json!({ "type": kind, "status": status, "lastTransitionTime": since });
    if !holds && !reason.is_empty() {
        condition["reason"] = reason.into();
    }
    condition
}

/// Whether all conditions that the pod's readiness waits for hold.
fn gates_open(pod: &Value) -> bool {
    let gates = pod["spec"]["readinessGates"].as_array().map(Vec::as_slice).unwrap_or_default();
    gates.iter().all(|gate| {
        let kind = gate["conditionType"].as_str().unwrap_or_default();
        stored_condition(pod, kind).is_some_and(|condition| condition["status"] == "True")
    })
}

fn stored_condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|condition| condition["type"] == kind)
}

/// Whether everything wanted is there; lists of conditions may hold others as well.
fn covers(stored: &Value, wanted: &Value) -> bool {
    match (stored, wanted) {
        (Value::Object(stored), Value::Object(wanted)) => {
            wanted.iter().all(|(field, wanted)| covers(stored.get(field).unwrap_or(&Value::Null), wanted))
        }
        (Value::Array(stored), Value::Array(wanted)) => {
            let is_by_type = wanted.iter().all(|item| item["type"].is_string());
            if is_by_type && !wanted.is_empty() {
                wanted.iter().all(|wanted| stored.iter().any(|stored| covers(stored, wanted)))
            } else {
                stored.len() == wanted.len()
                    && stored.iter().zip(wanted).all(|(stored, wanted)| covers(stored, wanted))
            }
        }
        _ => stored == wanted,
    }
}

#[cfg(test)]
mod tests;
