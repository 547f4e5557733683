//! Scenarios that start and end the server itself: start-up, idle, and kill and restart. They need its binary.

use std::{path::Path, time::Duration};

use super::{
    Result,
    clock::Moment,
    connection::{Answer, Call},
    objects,
    table::{Row, megabytes},
    target::Target,
};
use crate::{kubeconfig::Kubeconfig, server::Server};

/// A server that was started, and what that took.
pub struct Start {
    /// The server, still running.
    pub server: Server,
    /// From starting the process to the answer to the first create.
    pub took: Duration,
    /// The same for the table.
    pub row: Row,
}

/// Starts a server with an empty directory and creates the first object.
pub async fn start_to_first_create(binary: &Path) -> Result<Start> {
    let began = Moment::now();
    let server = Server::start_binary(binary, &[]);
    let ready = began.elapsed();
    let target = target(&server)?;
    let body = objects::config_map("first", "0");
    let call =
        Call::send(http::Method::POST, "/api/v1/namespaces/default/configmaps", "application/json", body);
    target.connect().await?.call(&call).await?;
    let took = began.elapsed();
    let row = row("start, empty directory, to first create", took, &target);
    Ok(Start { server, took, row: row.note(format!("ready after {:.0} ms", ready.as_secs_f64() * 1e3)) })
}

/// Lets the server rest and looks at what that costs.
pub async fn idle(server: &Server, rest: Duration) -> Result<Row> {
    let target = target(server)?;
    let before = target.usage();
    tokio::time::sleep(rest).await;
    let mut row = Row { scenario: "idle, empty".to_owned(), connections: Some(0), ..Row::default() };
    if let Some((before, after)) = before.zip(target.usage()) {
        let share = (after.processor - before.processor).as_secs_f64() / rest.as_secs_f64();
        row.processor = format!("{:.2} % core", share * 100.0);
        row.memory = megabytes(after.memory.resident);
        row.note = format!("peak since start {}", megabytes(after.memory.peak));
    }
    Ok(row)
}

/// Kills the server and starts it again: until it answers a read of an old object, and until it took a write.
pub async fn kill_and_restart(server: &mut Server, old_object: &str, stored: u64) -> Result<Row> {
    server.kill();
    let began = Moment::now();
    server.start_again();
    let target = target(server)?;
    let mut connection = target.connect().await?;
    let Answer { length, .. } = connection.call(&Call::get(old_object)).await?;
    assert!(length > 0, "an object has a body");
    let read = began.elapsed();
    let body = objects::config_map("after-restart", "0");
    let call =
        Call::send(http::Method::POST, "/api/v1/namespaces/default/configmaps", "application/json", body);
    connection.call(&call).await?;
    let row = row("kill -9, restart, to first read and create", began.elapsed(), &target);
    Ok(row.note(format!("{} stored, read after {:.0} ms", megabytes(stored), read.as_secs_f64() * 1e3)))
}

/// The server as a target whose processes are known.
pub fn target(server: &Server) -> Result<Target> {
    let kubeconfig =
        Kubeconfig::read(&server.kubeconfig()).map_err(super::Error::io("reading the kubeconfig"))?;
    Target::new(&kubeconfig, vec![server.process_id()])
}

fn row(scenario: &str, elapsed: Duration, target: &Target) -> Row {
    let usage = target.usage();
    Row {
        scenario: scenario.to_owned(),
        connections: Some(1),
        clients: Some(1),
        rate: format!("{:.0} ms", elapsed.as_secs_f64() * 1e3),
        processor: usage
            .map(|usage| format!("{:.0} ms", usage.processor.as_secs_f64() * 1e3))
            .unwrap_or_default(),
        memory: usage.map(|usage| megabytes(usage.memory.peak)).unwrap_or_default(),
        ..Row::default()
    }
}
