//! Expiry: objects of kinds that do not last (events) are deleted when their time has come.
//!
//! Keeps: only the leader's loop deletes, fenced by its term; an object that changed meanwhile is left alone.

use std::sync::Arc;
use std::time::Duration;

use crate::facts::FactsView;
use crate::pipeline::Server;
use crate::registry::Registry;
use crate::storage::{Compare, Entry, Key, Op, Txn, View};

/// How often expired objects are looked for.
const INTERVAL: Duration = Duration::from_secs(30);

/// Deletes of one transaction.
const DELETES_MAX: usize = 200;

/// Runs until the task is dropped.
pub async fn run(server: Arc<Server>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let leadership = *server.store.leadership().borrow();
        if leadership.leads {
            sweep(&server, leadership.term).await;
        }
    }
}

/// Deletes what has expired by now.
pub async fn sweep(server: &Server, term: u64) {
    let view = server.view();
    let now = server.clock.unix_seconds();
    let expired = expired(&view, now);
    for batch in expired.chunks(DELETES_MAX) {
        let mut txn = Txn { fence: Some(term), ..Txn::default() };
        for (key, revision) in batch {
            txn.compares.push(Compare::Modified(key.clone(), *revision));
            txn.ops.push(Op::Delete { key: key.clone() });
        }
        // A batch that lost a race is found again by the next sweep.
        let outcome = server.store.txn(txn).await;
        tracing::debug!(?outcome, count = batch.len(), "expired objects were deleted");
    }
}

fn expired(view: &View, now: i64) -> Vec<(Key, u64)> {
    let due =
        |entry: &&Arc<Entry>| FactsView::new(entry.facts()).expires().is_some_and(|expires| expires <= now);
    Registry::builtin()
        .iter()
        .filter(|resource| resource.kind.expires.is_some() && resource.version.storage)
        .flat_map(|resource| {
            view.entries(resource, "").filter(due).map(|entry| (entry.key.clone(), entry.modified))
        })
        .collect()
}
