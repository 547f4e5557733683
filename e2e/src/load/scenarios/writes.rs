//! Creates, updates and patches.

use bytes::Bytes;
use http::Method;

use super::{JSON, Run, STRATEGIC, Stored};
use crate::load::{
    Result,
    closed_loop::{self, Clients, Limit, Measured, Operation},
    connection::{Answer, Call},
    objects::{self, Template},
    table::Row,
};

/// A create that is slower than this is bounded by time instead of count.
const CREATE_SECONDS_MAX: u64 = 60;
/// Pods that are created no two alike.
const UNLIKE_PODS_MAX: usize = 3_000;
/// Labels that spread the pods, so that one of them selects 1 %.
pub(super) const GROUPS: usize = 100;
/// Pods that the patches go to, in turn.
const PATCHED_PODS: usize = 200;

pub(super) async fn create(run: &mut Run) {
    let scenario = "create ConfigMap 1 KB, one client";
    if run.wants(scenario) {
        let outcome = lone_create(run, scenario).await;
        run.finish(scenario, outcome);
    }
    // What the later scenarios read is made in any case.
    let scenario = "create ConfigMap 1 KB";
    let outcome = create_config_maps(run, scenario).await;
    run.finish(scenario, outcome);
    let scenario = "create Pod 9 KB";
    let outcome = create_pods(run, scenario).await;
    run.finish(scenario, outcome);
}

pub(super) async fn change(run: &mut Run) {
    let scenario = "update Lease";
    if run.wants(scenario) {
        let outcome = update_leases(run, scenario).await;
        run.finish(scenario, outcome);
    }
    let scenario = "strategic patch of 200 Pods";
    if run.wants(scenario) {
        let outcome = patch_pods(run, scenario).await;
        run.finish(scenario, outcome);
    }
}

pub(super) async fn events(run: &mut Run) {
    let scenario = "create Event (core group)";
    if !run.wants("Event") {
        return;
    }
    let (path, namespace) = (run.collection("events"), run.namespace.clone());
    let measured = closed_loop::run(&run.target, run.plan.clients, run.for_a_while(), |_| {
        let (path, namespace) = (path.clone(), namespace.clone());
        move |number: usize| {
            let pod = format!("pod-{}", number % PATCHED_PODS);
            let body = objects::event(&namespace, &format!("{pod}.{number:x}"), &pod);
            Call::send(Method::POST, path.clone(), JSON, body)
        }
    });
    let outcome = measured.await.map(|measured| Row::of(scenario, measured));
    run.finish(scenario, outcome);
}

async fn lone_create(run: &Run, scenario: &str) -> Result<Row> {
    let path = run.collection("configmaps");
    let alone = Clients { clients: 1, connections: 1 };
    let measured = closed_loop::run(&run.target, alone, run.for_a_while(), |_| {
        let path = path.clone();
        move |number: usize| {
            let body = objects::config_map(&format!("lone-{number}"), "0");
            Call::send(Method::POST, path.clone(), JSON, body)
        }
    });
    Ok(Row::of(scenario, measured.await?))
}

async fn create_config_maps(run: &mut Run, scenario: &str) -> Result<Row> {
    let path = run.collection("configmaps");
    let measured = closed_loop::run(&run.target, run.plan.clients, limit(run.plan.config_maps), |_| {
        let path = path.clone();
        move |number: usize| {
            let body = objects::config_map(&format!("map-{number}"), "0");
            Call::send(Method::POST, path.clone(), JSON, body)
        }
    });
    let measured = measured.await?;
    run.stored = Stored {
        config_maps: measured.latencies.count(),
        bytes: run.stored.bytes + measured.bytes,
        ..run.stored
    };
    Ok(Row::of(scenario, measured))
}

/// Pods of which each has a spec of its own. They are gone before the next scenario.
pub(super) async fn create_unlike(run: &mut Run) {
    let scenario = "create Pod 9 KB, no two specs alike";
    if run.wants(scenario) {
        let outcome = create_unlike_pods(run, scenario).await;
        run.finish(scenario, outcome);
    }
}

async fn create_unlike_pods(run: &mut Run, scenario: &str) -> Result<Row> {
    let measured = post_pods(run, run.plan.pods.min(UNLIKE_PODS_MAX), |template, number| {
        let number = number.to_string();
        template.fill([&format!("unlike-{number}"), "unlike", &number, ""])
    });
    let measured = measured.await?;
    let all = format!("{}?labelSelector=group%3Dunlike", run.collection("pods"));
    run.target.connect().await?.call(&Call::send(Method::DELETE, all, JSON, "")).await?;
    Ok(Row::of(scenario, measured))
}

async fn create_pods(run: &mut Run, scenario: &str) -> Result<Row> {
    let measured = post_pods(run, run.plan.pods, |template, number| {
        let group = (number % GROUPS).to_string();
        template.fill([&format!("pod-{number}"), &group, "stable", ""])
    });
    let measured = measured.await?;
    run.stored =
        Stored { pods: measured.latencies.count(), bytes: run.stored.bytes + measured.bytes, ..run.stored };
    let average = measured.bytes / measured.latencies.count().max(1) as u64;
    Ok(Row::of(scenario, measured).note(format!("{:.1} KB stored", average as f64 / 1e3)))
}

/// Creates so many pods, each with the body that `fill` makes of the exemplar and its number.
async fn post_pods(run: &Run, pods: usize, fill: fn(&Template, usize) -> Bytes) -> Result<Measured> {
    let path = run.collection("pods");
    closed_loop::run(&run.target, run.plan.clients, limit(pods), |_| {
        let (path, template) = (path.clone(), Template::pod());
        move |number: usize| Call::send(Method::POST, path.clone(), JSON, fill(&template, number))
    })
    .await
}

async fn update_leases(run: &Run, scenario: &str) -> Result<Row> {
    let collection = run.collection("coordination.k8s.io/leases");
    let measured = closed_loop::run(&run.target, run.plan.clients, run.for_a_while(), |client| Renewal {
        collection: collection.clone(),
        name: format!("node-{client}"),
        version: String::new(),
    });
    Ok(Row::of(scenario, measured.await?))
}

async fn patch_pods(run: &Run, scenario: &str) -> Result<Row> {
    let paths: Vec<String> = (0..PATCHED_PODS.min(run.stored.pods.max(1)))
        .map(|pod| run.path("pods", &format!("pod-{pod}")))
        .collect();
    let measured = closed_loop::run(&run.target, run.plan.clients, run.for_a_while(), |_| {
        let paths = paths.clone();
        move |number: usize| {
            let body = format!(r#"{{"metadata":{{"annotations":{{"shop.example/load":"{number}"}}}}}}"#);
            Call::send(Method::PATCH, paths[number % paths.len()].clone(), STRATEGIC, body)
        }
    });
    Ok(Row::of(scenario, measured.await?))
}

/// One node's lease: created first, then renewed with the version of the last answer, as a kubelet does.
struct Renewal {
    collection: String,
    name: String,
    version: String,
}

impl Operation for Renewal {
    fn call(&mut self, number: usize) -> Call {
        let body = objects::lease(&self.name, &self.version, number);
        if self.version.is_empty() {
            return Call::send(Method::POST, self.collection.clone(), JSON, body);
        }
        Call::send(Method::PUT, format!("{}/{}", self.collection, self.name), JSON, body)
    }

    fn answered(&mut self, answer: &Answer) -> Option<Call> {
        objects::resource_version(&answer.body).unwrap_or_default().clone_into(&mut self.version);
        None
    }
}

fn limit(operations: usize) -> Limit {
    Limit { operations, time: std::time::Duration::from_secs(CREATE_SECONDS_MAX) }
}
