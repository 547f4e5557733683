//! Deleting a namespace: how long until everything in it is gone.

use std::time::Duration;

use http::{Method, StatusCode};

use super::{JSON, Run};
use crate::load::{
    Error, Result,
    clock::Moment,
    closed_loop::{self, Limit},
    connection::Call,
    objects,
    table::Row,
};

/// How long the deletion may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often somebody looks whether the namespace is gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) async fn delete(run: &mut Run) {
    let scenario = format!("delete namespace with {} ConfigMaps", run.plan.config_maps);
    if run.wants(&scenario) {
        let outcome = fill_and_delete(run, &scenario).await;
        run.finish(&scenario, outcome);
    }
}

async fn fill_and_delete(run: &Run, scenario: &str) -> Result<Row> {
    let path = format!("/api/v1/namespaces/{}-deleted", run.namespace);
    let name = path.rsplit('/').next().unwrap_or_default();
    run.target.ensure("/api/v1/namespaces", objects::namespace(name)).await?;
    let limit = Limit { operations: run.plan.config_maps, time: PATIENCE };
    let maps = format!("{path}/configmaps");
    closed_loop::run(&run.target, run.plan.clients, limit, |_| {
        let maps = maps.clone();
        move |number: usize| {
            let body = objects::config_map(&format!("map-{number}"), "0");
            Call::send(Method::POST, maps.clone(), JSON, body)
        }
    })
    .await?;
    let mut connection = run.target.connect().await?;
    let before = run.target.usage();
    let began = Moment::now();
    connection.call(&Call::send(Method::DELETE, path.as_str(), JSON, "")).await?;
    loop {
        match connection.call(&Call::get(path.as_str())).await {
            Err(Error::Answer { status: StatusCode::NOT_FOUND, .. }) => break,
            Ok(_) if began.elapsed() < PATIENCE => tokio::time::sleep(LOOK_EVERY).await,
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(Error::Answer { request: format!("GET {path}"), status: StatusCode::OK, body });
            }
            Err(error) => return Err(error),
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let processor = before.zip(run.target.usage()).map(|(before, after)| {
        crate::load::table::per(after.processor.saturating_sub(before.processor), run.plan.config_maps)
    });
    Ok(Row {
        scenario: scenario.to_owned(),
        rate: format!("{seconds:.2} s"),
        processor: processor.unwrap_or_default(),
        note: format!("{:.0} objects/s", run.plan.config_maps as f64 / seconds),
        ..Row::default()
    })
}
