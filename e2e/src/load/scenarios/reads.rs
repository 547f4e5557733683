//! Gets of single objects.

use super::Run;
use crate::load::{closed_loop, connection::Call, table::Row};

/// Objects that are read in turn, so that no single one is always warm.
const READ_OBJECTS_MAX: usize = 5_000;

pub(super) async fn get(run: &mut Run) {
    let config_maps = names(run, "configmaps", "map", run.stored.config_maps);
    each(run, "get ConfigMap 1 KB", config_maps).await;
    let pods = names(run, "pods", "pod", run.stored.pods);
    each(run, "get Pod", pods).await;
}

/// Reads the events that were created in the core group through `events.k8s.io`.
pub(super) async fn events(run: &mut Run) {
    let paths = (0..200).map(|number| run.path("events.k8s.io/events", &format!("pod-{number}.{number:x}")));
    let paths = paths.collect();
    each(run, "get Event (events.k8s.io)", paths).await;
}

fn names(run: &Run, resource: &str, stem: &str, stored: usize) -> Vec<String> {
    let count = stored.clamp(1, READ_OBJECTS_MAX);
    (0..count).map(|number| run.path(resource, &format!("{stem}-{number}"))).collect()
}

async fn each(run: &mut Run, scenario: &str, paths: Vec<String>) {
    if !run.wants(scenario) {
        return;
    }
    let paths = std::sync::Arc::new(paths);
    let measured = closed_loop::run(&run.target, run.plan.clients, run.for_a_while(), |_| {
        let paths = paths.clone();
        move |number: usize| Call::get(paths[number % paths.len()].clone())
    });
    let outcome = measured.await.map(|measured| {
        let average = measured.bytes / measured.latencies.count().max(1) as u64;
        Row::of(scenario, measured).note(format!("{:.1} KB each", average as f64 / 1e3))
    });
    run.finish(scenario, outcome);
}
