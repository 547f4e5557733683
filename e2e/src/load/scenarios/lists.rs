//! Lists of all pods: whole, compressed, as protobuf, in pages, and selected by label.

use std::time::Duration;

use super::{OPERATIONS_UNBOUNDED, PROTOBUF, Run};
use crate::load::{
    closed_loop::{self, Clients, Limit, Operation},
    connection::{Answer, Call},
    objects::quoted_after,
    table::{Row, megabytes},
};

const PAGE: usize = 500;
/// Whole lists are long: a few of them, within a time.
const WHOLE: Limit = Limit { operations: 6, time: Duration::from_secs(20) };
/// The token stands in the list's metadata, before its items.
const METADATA_BYTES_MAX: usize = 2_048;

pub(super) async fn all(run: &mut Run) {
    let pods = run.collection("pods");
    let one = Clients { clients: 1, connections: 1 };
    let four = Clients { clients: 4, connections: 4 };
    let count = run.stored.pods;
    let whole = Call::get(pods.as_str());
    let gzip = Call { gzip: true, ..whole.clone() };
    let protobuf = Call { accept: PROTOBUF, ..whole.clone() };
    let selected = Call::get(format!("{pods}?labelSelector=group%3D17"));
    let selection = Limit { operations: OPERATIONS_UNBOUNDED, time: run.plan.time };

    list(run, &format!("list {count} Pods, JSON"), one, WHOLE, &whole).await;
    list(run, &format!("list {count} Pods, JSON, at once"), four, Limit { operations: 12, ..WHOLE }, &whole)
        .await;
    list(run, &format!("list {count} Pods, JSON, gzip"), one, WHOLE, &gzip).await;
    list(run, &format!("list {count} Pods, protobuf"), one, WHOLE, &protobuf).await;
    list(run, &format!("list {count} Pods, JSON, paged by {PAGE}"), one, WHOLE, &Pages { path: pods }).await;
    list(run, &format!("list 1 % of {count} Pods by label"), four, selection, &selected).await;
}

async fn list<O: Source>(run: &mut Run, scenario: &str, clients: Clients, limit: Limit, source: &O) {
    if !run.wants(scenario) {
        return;
    }
    let measured = closed_loop::run(&run.target, clients, limit, |_| source.operation()).await;
    let outcome = measured.map(|measured| {
        let each = measured.bytes / measured.latencies.count().max(1) as u64;
        Row::of(scenario, measured).note(format!("{} each", megabytes(each)))
    });
    run.finish(scenario, outcome);
}

/// Makes each client its own operation.
trait Source {
    fn operation(&self) -> impl Operation;
}

impl Source for Call {
    fn operation(&self) -> impl Operation {
        let call = self.clone();
        move |_| call.clone()
    }
}

/// A whole list in pages; it is one operation.
#[derive(Clone)]
struct Pages {
    path: String,
}

impl Source for Pages {
    fn operation(&self) -> impl Operation {
        self.clone()
    }
}

impl Operation for Pages {
    fn call(&mut self, _: usize) -> Call {
        Call::get(format!("{}?limit={PAGE}", self.path))
    }

    fn answered(&mut self, answer: &Answer) -> Option<Call> {
        let metadata = &answer.body[..answer.body.len().min(METADATA_BYTES_MAX)];
        let token = quoted_after(metadata, br#""continue":"#).filter(|token| !token.is_empty())?;
        Some(Call::get(format!("{}?limit={PAGE}&continue={token}", self.path)))
    }
}
