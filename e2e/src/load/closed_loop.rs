//! Closed loops: each client sends its next request when the previous one was answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    Result,
    clock::Moment,
    connection::{Answer, Call},
    latencies::Latencies,
    target::{Target, Usage},
};

/// One client's part of a scenario.
pub trait Operation: Send + 'static {
    /// The request for the operation with this number; numbers are unique over all clients.
    fn call(&mut self, number: usize) -> Call;

    /// Looks at the answer; `Some` is a further request of the same operation (the next page).
    fn answered(&mut self, _answer: &Answer) -> Option<Call> {
        None
    }
}

impl<F: FnMut(usize) -> Call + Send + 'static> Operation for F {
    fn call(&mut self, number: usize) -> Call {
        self(number)
    }
}

/// When a closed loop ends: at the first of both.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Operations, all clients together.
    pub operations: usize,
    /// Time.
    pub time: Duration,
}

/// How many clients share how many connections.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// Clients that each wait for their answers.
    pub clients: usize,
    /// Connections they are spread over.
    pub connections: usize,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Clients and connections.
    pub clients: Clients,
    /// Latency of every operation.
    pub latencies: Latencies,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Bytes of all answers' bodies.
    pub bytes: u64,
    /// What the server's processes used, where they are known; memory as of the end.
    pub usage: Option<Usage>,
}

/// Runs clients until the limit is reached.
pub async fn run<O: Operation>(
    target: &Target,
    clients: Clients,
    limit: Limit,
    mut operation: impl FnMut(usize) -> O,
) -> Result<Measured> {
    let connections = target.connect_many(clients.connections).await?;
    target.reset_peak();
    let before = target.usage();
    let began = Moment::now();
    let numbers = Arc::new(AtomicUsize::new(0));
    let mut tasks: JoinSet<Result<(Latencies, u64)>> = JoinSet::new();
    for client in 0..clients.clients {
        let mut connection = connections[client % connections.len()].clone();
        let mut operation = operation(client);
        let numbers = numbers.clone();
        tasks.spawn(async move {
            let mut latencies = Latencies::default();
            let mut bytes = 0;
            while began.elapsed() < limit.time {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                if number >= limit.operations {
                    break;
                }
                let mut call = operation.call(number);
                let sent = Moment::now();
                loop {
                    let answer = connection.call(&call).await?;
                    bytes += answer.length as u64;
                    match operation.answered(&answer) {
                        Some(next) => call = next,
                        None => break,
                    }
                }
                latencies.add(sent.elapsed());
            }
            Ok((latencies, bytes))
        });
    }
    let mut latencies = Latencies::default();
    let mut bytes = 0;
    while let Some(finished) = tasks.join_next().await {
        let (of_client, read) = finished.expect("a client does not panic")?;
        latencies.extend(of_client);
        bytes += read;
    }
    let elapsed = began.elapsed();
    let usage = before.zip(target.usage()).map(|(before, after)| Usage {
        processor: after.processor.saturating_sub(before.processor),
        memory: after.memory,
    });
    Ok(Measured { clients, latencies, elapsed, bytes, usage })
}
