//! Endpoints of services: from nothing, from a pod's deletion to a watcher, and when every pod changes at once. The pods
//! have no kubelet; the scenario itself says what they are.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time;

use super::{JSON, Run, STRATEGIC};
use crate::load::{
    Result,
    clock::{self, Moment},
    closed_loop::{self, Limit, Operation},
    connection::{Answer, Call},
    endpoint_watchers::EndpointWatcher,
    latencies::Latencies,
    table::{self, Row, number},
    target::Usage,
};

/// Pods behind each service.
const PODS: usize = 10;
const DELETIONS_PER_SECOND: u32 = 50;
/// As much time as creating and changing all pods may take.
const TIME_MAX: Duration = Duration::from_secs(300);
const NODE: &str = "endpoints-node";

pub(super) async fn all(run: &mut Run) {
    let services = run.plan.services;
    let scenario = format!("endpoints, {services} x {PODS} pods");
    if !run.wants(&scenario) || services == 0 {
        return;
    }
    let outcome = measure(run, &scenario).await;
    match outcome {
        Ok(rows) => rows.into_iter().for_each(|row| run.print(row)),
        Err(error) => run.finish(&scenario, Err(error)),
    }
}

/// Watches of both kinds.
struct Watchers {
    slices: EndpointWatcher,
    endpoints: EndpointWatcher,
}

impl Watchers {
    fn expect(&self, service: &str, pod: &str, ready: bool) {
        self.slices.expect(service, pod, ready);
        self.endpoints.expect(service, pod, ready);
    }
}

async fn measure(run: &Run, scenario: &str) -> Result<Vec<Row>> {
    let services = run.plan.services;
    let node = json!({ "metadata": { "name": NODE } });
    run.target.ensure("/api/v1/nodes", node.to_string()).await?;
    let limit = |operations| Limit { operations, time: TIME_MAX };
    let path = run.collection("services");
    closed_loop::run(&run.target, run.plan.clients, limit(services), |_| {
        let path = path.clone();
        move |number: usize| Call::send(Method::POST, path.clone(), JSON, service(number))
    })
    .await?;
    let slices = run.collection("discovery.k8s.io/endpointslices");
    let watchers = Watchers {
        slices: EndpointWatcher::start(&run.target, &slices).await?,
        endpoints: EndpointWatcher::start(&run.target, &run.collection("endpoints")).await?,
    };
    let mut rows = vec![come(run, scenario, &watchers).await?];
    rows.extend(go(run, scenario, &watchers).await?);
    rows.push(change(run, scenario, &watchers).await?);
    Ok(rows)
}

/// All pods are created and become ready.
async fn come(run: &Run, scenario: &str, watchers: &Watchers) -> Result<Row> {
    let count = run.plan.services * PODS;
    let limit = Limit { operations: count, time: TIME_MAX };
    let (began, before) = (Moment::now(), run.target.usage());
    closed_loop::run(&run.target, run.plan.clients, limit, |_| NewPod {
        pods: run.collection("pods"),
        watchers: Watchers { slices: watchers.slices.clone(), endpoints: watchers.endpoints.clone() },
        number: 0,
        is_ready: false,
    })
    .await?;
    let (lags, events) = watchers.slices.finish().await?;
    watchers.endpoints.finish().await?;
    Ok(row(run, &format!("{scenario}: all come"), count, lags, began, before)
        .note(format!("{events} events")))
}

/// One pod of each service, one after the other, begins to terminate.
async fn go(run: &Run, scenario: &str, watchers: &Watchers) -> Result<Vec<Row>> {
    let deletions = (DELETIONS_PER_SECOND as usize * run.plan.time.as_secs() as usize).min(run.plan.services);
    let mut connection = run.target.connect().await?;
    let mut ticks = time::interval(Duration::from_secs(1) / DELETIONS_PER_SECOND);
    let (began, before) = (Moment::now(), run.target.usage());
    for number in 0..deletions {
        ticks.tick().await;
        let (service, pod) = names(number * PODS);
        watchers.expect(&service, &pod, false);
        let path = run.path("pods", &pod);
        let grace = r#"{"gracePeriodSeconds":30}"#;
        connection.call(&Call::send(Method::DELETE, path, JSON, grace)).await?;
    }
    let (to_slices, _) = watchers.slices.finish().await?;
    let (to_endpoints, _) = watchers.endpoints.finish().await?;
    Ok(vec![
        row(run, &format!("{scenario}: deletion to slice"), deletions, to_slices, began, before),
        row(run, &format!("{scenario}: deletion to Endpoints"), deletions, to_endpoints, began, before),
    ])
}

/// All other pods cease to be ready, as fast as that can be written.
async fn change(run: &Run, scenario: &str, watchers: &Watchers) -> Result<Row> {
    let others = PODS - 1;
    let count = run.plan.services * others;
    let limit = Limit { operations: count, time: TIME_MAX };
    let (began, before) = (Moment::now(), run.target.usage());
    closed_loop::run(&run.target, run.plan.clients, limit, |_| {
        let pods = run.collection("pods");
        let (slices, endpoints) = (watchers.slices.clone(), watchers.endpoints.clone());
        move |number: usize| {
            let (service, pod) = names(number / others * PODS + number % others + 1);
            slices.expect(&service, &pod, false);
            endpoints.expect(&service, &pod, false);
            Call::send(Method::PATCH, format!("{pods}/{pod}/status"), STRATEGIC, readiness(false))
        }
    })
    .await?;
    let (lags, events) = watchers.slices.finish().await?;
    watchers.endpoints.finish().await?;
    Ok(row(run, &format!("{scenario}: all turn unready"), count, lags, began, before)
        .note(format!("{events} events")))
}

/// Creates a pod and then makes it ready.
struct NewPod {
    pods: String,
    watchers: Watchers,
    number: usize,
    is_ready: bool,
}

impl Operation for NewPod {
    fn call(&mut self, number: usize) -> Call {
        (self.number, self.is_ready) = (number, false);
        Call::send(Method::POST, self.pods.clone(), JSON, pod(number))
    }

    fn answered(&mut self, _: &Answer) -> Option<Call> {
        if self.is_ready {
            return None;
        }
        self.is_ready = true;
        let (service, pod) = names(self.number);
        self.watchers.expect(&service, &pod, true);
        let path = format!("{}/{pod}/status", self.pods);
        Some(Call::send(Method::PATCH, path, STRATEGIC, running(self.number)))
    }
}

/// The names of a pod's service and of the pod, by the pod's number.
fn names(pod: usize) -> (String, String) {
    let service = format!("service-{}", pod / PODS);
    let name = format!("{service}-{}", pod % PODS);
    (service, name)
}

fn service(number: usize) -> String {
    let name = format!("service-{number}");
    json!({
        "metadata": { "name": name },
        "spec": { "selector": { "serves": name }, "ports": [{ "port": 80, "targetPort": 8080 }] },
    })
    .to_string()
}

fn pod(number: usize) -> String {
    let (service, name) = names(number);
    json!({
        "metadata": { "name": name, "labels": { "serves": service } },
        "spec": { "nodeName": NODE, "containers": [{ "name": "web", "image": "web:1" }] },
    })
    .to_string()
}

fn running(number: usize) -> String {
    let ip = format!("10.{}.{}.{}", 128 + (number >> 16), number >> 8 & 255, number & 255);
    let mut status: serde_json::Value = json!({ "status": {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{ "ip": ip }],
    } });
    status["status"]["conditions"] = conditions(true);
    status.to_string()
}

fn readiness(ready: bool) -> String {
    json!({ "status": { "conditions": conditions(ready) } }).to_string()
}

fn conditions(ready: bool) -> serde_json::Value {
    let status = if ready { "True" } else { "False" };
    json!([{ "type": "Ready", "status": status, "lastTransitionTime": clock::utc_seconds() }])
}

fn row(
    run: &Run,
    scenario: &str,
    count: usize,
    lags: Latencies,
    began: Moment,
    before: Option<Usage>,
) -> Row {
    let used = before.zip(run.target.usage());
    let used = used.map(|(before, after)| after.processor.saturating_sub(before.processor));
    Row {
        scenario: scenario.to_owned(),
        connections: Some(run.plan.clients.connections),
        clients: Some(run.plan.clients.clients),
        rate: format!("{} pods/s", number(count as f64 / began.elapsed().as_secs_f64())),
        latency: table::latency(lags.percentiles([0.5, 0.99, 0.999])),
        processor: used.map(|used| table::per(used, count)).unwrap_or_default(),
        memory: run.target.usage().map(table::peak).unwrap_or_default(),
        ..Row::default()
    }
}
