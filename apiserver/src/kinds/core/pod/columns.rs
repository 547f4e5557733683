//! The columns of pods: what state its containers are in, told in one word.

use super::status;
use super::sums::is_sidecar;
use crate::age;
use crate::kind::{self, Column, column, wide};
use crate::tree::{Map, Node};

pub(super) const COLUMNS: &[Column] = &[
    kind::NAME,
    column("Ready", "string", |it, _| {
        let summary = Summary::of(it);
        format!("{}/{}", summary.ready, summary.containers).into()
    }),
    column("Status", "string", |it, _| Summary::of(it).reason.into()),
    column("Restarts", "string", |it, now| Summary::of(it).restarts_cell(now)),
    kind::AGE,
    wide("IP", "string", |it, _| or_none(status::first_ip(it))),
    wide("Node", "string", |it, _| or_none(it.str_at(&["spec", "nodeName"]))),
    wide("Nominated Node", "string", |it, _| or_none(it.str_at(&["status", "nominatedNodeName"]))),
    wide("Readiness Gates", "string", |it, _| gates(it)),
];

fn or_none(text: &str) -> Node {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

/// A finished pod's row says so.
pub(super) fn row_conditions(pod: &Map) -> Vec<Node> {
    let (reason, message) = match pod.str_at(&["status", "phase"]) {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return Vec::new(),
    };
    vec![
        Map::from([("type", "Completed"), ("status", "True"), ("reason", reason), ("message", message)])
            .into(),
    ]
}

fn gates(pod: &Map) -> Node {
    let gates: Vec<&Map> = pod.map("spec").into_iter().flat_map(|spec| spec.maps("readinessGates")).collect();
    if gates.is_empty() {
        return "<none>".into();
    }
    let is_open =
        |gate: &&&Map| condition(pod, gate.str("conditionType")).is_some_and(|it| it.str("status") == "True");
    format!("{}/{}", gates.iter().filter(is_open).count(), gates.len()).into()
}

fn condition<'a>(pod: &'a Map, kind: &str) -> Option<&'a Map> {
    pod.map("status")?.maps("conditions").find(|condition| condition.str("type") == kind)
}

/// What the containers of a pod come to.
struct Summary<'a> {
    reason: String,
    ready: usize,
    containers: usize,
    restarts: i64,
    /// When the last container that restarted had ended.
    restarted: &'a str,
}

impl<'a> Summary<'a> {
    fn of(pod: &'a Map) -> Summary<'a> {
        let empty: &'static [Node] = &[];
        let list = |part: &str, name: &str| pod.map(part).map_or(empty, |part| part.list(name));
        let init_specs = list("spec", "initContainers");
        let sidecars = init_specs.iter().filter_map(Node::as_map).filter(|container| is_sidecar(container));
        let mut summary = Summary {
            reason: initial_reason(pod),
            ready: 0,
            containers: list("spec", "containers").len() + sidecars.count(),
            restarts: 0,
            restarted: "",
        };
        let initializing = summary.add_init_containers(init_specs, list("status", "initContainerStatuses"));
        let is_initialized = condition(pod, "Initialized").is_some_and(|it| it.str("status") == "True");
        if !initializing || is_initialized {
            summary.add_containers(pod, init_specs);
        }
        summary.note_deletion(pod);
        summary
    }

    /// Goes through init containers up to the first that is not done; answers whether there is one.
    fn add_init_containers(&mut self, specs: &[Node], statuses: &'a [Node]) -> bool {
        for (i, status) in statuses.iter().filter_map(Node::as_map).enumerate() {
            self.count_restarts(status);
            let state = |name: &str| status.map_at(&["state", name]);
            let is_sidecar = is_sidecar_name(specs, status.str("name"));
            if let Some(terminated) = state("terminated") {
                if exit_code(terminated) == 0 {
                    continue;
                }
                if !(is_sidecar && status.bool("started") == Some(true)) {
                    self.reason = format!("Init:{}", end_reason(terminated));
                    return true;
                }
            }
            if is_sidecar && status.bool("started") == Some(true) {
                self.ready += usize::from(status.bool("ready") == Some(true));
                continue;
            }
            let waiting = state("waiting").map_or("", |waiting| waiting.str("reason"));
            self.reason = if matches!(waiting, "" | "PodInitializing") {
                format!("Init:{i}/{}", specs.len())
            } else {
                format!("Init:{waiting}")
            };
            return true;
        }
        false
    }

    fn count_restarts(&mut self, status: &'a Map) {
        self.restarts += status.int("restartCount").unwrap_or(0);
        let ended = status.str_at(&["lastState", "terminated", "finishedAt"]);
        // Canonical times compare as texts.
        if ended > self.restarted {
            self.restarted = ended;
        }
    }

    /// Once the pod is initialized only containers that keep running count.
    fn add_containers(&mut self, pod: &'a Map, init_specs: &[Node]) {
        self.restarts = 0;
        self.restarted = "";
        let Some(status) = pod.map("status") else { return };
        for sidecar in
            status.maps("initContainerStatuses").filter(|it| is_sidecar_name(init_specs, it.str("name")))
        {
            self.count_restarts(sidecar);
        }
        let mut has_running = false;
        let mut error_reason = String::new();
        let statuses: Vec<&Map> = status.maps("containerStatuses").collect();
        for status in statuses.into_iter().rev() {
            self.count_restarts(status);
            let waiting = status.str_at(&["state", "waiting", "reason"]);
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(terminated) = status.map_at(&["state", "terminated"]) {
                self.reason = end_reason(terminated);
                if exit_code(terminated) != 0 {
                    error_reason.clone_from(&self.reason);
                }
            } else if status.bool("ready") == Some(true) && status.map_at(&["state", "running"]).is_some() {
                has_running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" {
            let is_ready = condition(pod, "Ready").is_some_and(|it| it.str("status") == "True");
            if has_running && is_ready {
                self.reason = "Running".to_owned();
            } else if !error_reason.is_empty() {
                self.reason = error_reason;
            } else if has_running {
                self.reason = "NotReady".to_owned();
            }
        }
    }

    fn note_deletion(&mut self, pod: &Map) {
        if pod.str_at(&["metadata", "deletionTimestamp"]).is_empty() {
            return;
        }
        if pod.str_at(&["status", "reason"]) == "NodeLost" {
            self.reason = "Unknown".to_owned();
        } else if !matches!(pod.str_at(&["status", "phase"]), "Succeeded" | "Failed") {
            self.reason = "Terminating".to_owned();
        }
    }

    fn restarts_cell(&self, now: i64) -> Node {
        if self.restarts == 0 || self.restarted.is_empty() {
            return self.restarts.to_string().into();
        }
        format!("{} ({} ago)", self.restarts, age::age(self.restarted, now)).into()
    }
}

fn initial_reason(pod: &Map) -> String {
    let is_gated = pod
        .map("status")
        .into_iter()
        .flat_map(|status| status.maps("conditions"))
        .any(|it| it.str("type") == "PodScheduled" && it.str("reason") == "SchedulingGated");
    match pod.str_at(&["status", "reason"]) {
        _ if is_gated => "SchedulingGated".to_owned(),
        "" => pod.str_at(&["status", "phase"]).to_owned(),
        reason => reason.to_owned(),
    }
}

fn is_sidecar_name(specs: &[Node], name: &str) -> bool {
    specs
        .iter()
        .filter_map(Node::as_map)
        .any(|container| container.str("name") == name && is_sidecar(container))
}

fn exit_code(terminated: &Map) -> i64 {
    terminated.int("exitCode").unwrap_or(0)
}

fn end_reason(terminated: &Map) -> String {
    match (terminated.str("reason"), terminated.int("signal").unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", exit_code(terminated)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
