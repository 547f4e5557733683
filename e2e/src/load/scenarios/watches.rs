//! Watch fan-out to everybody, and to the one watcher of a node.

use http::Method;

use super::{JSON, Run, STRATEGIC};
use crate::load::{
    Error, Result,
    connection::Call,
    objects::{self, Template},
    table::{self, Row, megabytes, number},
    watchers::{Delivered, FanOut},
};

/// Watches on one connection where they share one; servers allow 100 streams and more.
const SHARED: usize = 100;
const NODES: usize = 5_000;
const NODE_PODS: usize = 200;
const NODE_WRITES_PER_SECOND: u32 = 200;

pub(super) async fn fan_out(run: &mut Run) {
    for (watchers, writes_per_second) in [(1_000, 50), (5_000, 10)] {
        for per_connection in [SHARED, 1] {
            let sharing = if per_connection == 1 { "one a connection" } else { "100 a connection" };
            let scenario = format!("watch, {writes_per_second} writes/s, {sharing}");
            if run.wants(&scenario) {
                let outcome = everybody(run, &scenario, watchers, per_connection, writes_per_second).await;
                run.finish(&scenario, outcome);
            }
        }
    }
}

pub(super) async fn by_node(run: &mut Run) {
    for watchers in [0, NODES] {
        let scenario = format!("{NODE_WRITES_PER_SECOND} Pod patches/s, {watchers} watch spec.nodeName");
        if run.wants(&scenario) {
            let outcome = one_node_each(run, &scenario, watchers).await;
            run.finish(&scenario, outcome);
        }
    }
}

async fn everybody(
    run: &Run,
    scenario: &str,
    watchers: usize,
    per_connection: usize,
    writes_per_second: u32,
) -> Result<Row> {
    let name = format!("fan-{watchers}-{per_connection}");
    let created = run.create("configmaps", objects::config_map(&name, "0")).await?;
    let version = version_of(&created.body)?;
    let (collection, object) = (run.collection("configmaps"), run.path("configmaps", &name));
    let fan_out = FanOut {
        watchers,
        per_connection,
        watch: |_| Call::get(format!("{collection}?watch=true&resourceVersion={version}")),
        write: |_, stamp: &str| {
            Call::send(Method::PUT, object.clone(), JSON, objects::config_map(&name, stamp))
        },
        writes_per_second,
        writes: writes_per_second as usize * run.plan.time.as_secs().max(1) as usize,
        reached: watchers,
    };
    let delivered = fan_out.run(&run.target).await?;
    Ok(row(scenario, watchers, delivered.lags.count(), delivered))
}

async fn one_node_each(run: &Run, scenario: &str, watchers: usize) -> Result<Row> {
    let template = Template::pod();
    let mut version = String::new();
    for pod in 0..NODE_PODS {
        let name = format!("on-node-{watchers}-{pod}");
        let body = template.fill([&name, "none", "stable", &format!("node-{pod}")]);
        version = version_of(&run.create("pods", body).await?.body)?;
    }
    let paths: Vec<String> =
        (0..NODE_PODS).map(|pod| run.path("pods", &format!("on-node-{watchers}-{pod}"))).collect();
    let writes = NODE_WRITES_PER_SECOND as usize * run.plan.time.as_secs().max(1) as usize;
    let fan_out = FanOut {
        watchers,
        per_connection: SHARED,
        watch: |node| {
            Call::get(format!(
                "/api/v1/pods?watch=true&resourceVersion={version}&fieldSelector=spec.nodeName%3Dnode-{node}"
            ))
        },
        write: |write: usize, stamp: &str| {
            let body = format!(r#"{{"metadata":{{"annotations":{{"stamp":"{stamp}"}}}}}}"#);
            Call::send(Method::PATCH, paths[write % paths.len()].clone(), STRATEGIC, body)
        },
        writes_per_second: NODE_WRITES_PER_SECOND,
        writes,
        reached: usize::from(watchers > 0),
    };
    let delivered = fan_out.run(&run.target).await?;
    Ok(row(scenario, watchers, writes, delivered))
}

/// `operations` is what the server's processor time is divided by: deliveries, or writes where each has one watcher.
fn row(scenario: &str, watchers: usize, operations: usize, delivered: Delivered) -> Row {
    let seconds = delivered.elapsed.as_secs_f64();
    let deliveries = delivered.lags.count();
    let memory = delivered.memory_of_watchers.filter(|_| watchers > 0);
    Row {
        scenario: scenario.to_owned(),
        connections: Some(delivered.connections + 1),
        clients: Some(watchers),
        rate: if deliveries > 0 {
            format!("{} events/s", number(deliveries as f64 / seconds))
        } else {
            format!("{} writes/s", number(operations as f64 / seconds))
        },
        latency: if deliveries > 0 {
            table::latency(delivered.lags.percentiles([0.5, 0.99, 0.999]))
        } else {
            String::new()
        },
        processor: delivered.usage.map(|usage| table::per(usage.processor, operations)).unwrap_or_default(),
        memory: delivered.usage.map(table::peak).unwrap_or_default(),
        note: memory
            .map(|bytes| format!("watchers took {}", megabytes(bytes.max(0) as u64)))
            .unwrap_or_default(),
    }
}

fn version_of(body: &[u8]) -> Result<String> {
    let version = objects::resource_version(body).map(str::to_owned);
    version.ok_or_else(|| Error::Unreadable("a created object has no resourceVersion"))
}
