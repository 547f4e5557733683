//! The garbage collector: deletes what its owners left behind, and holds or frees owners as their deletion asks.
//!
//! Keeps: nothing is deleted because a watch did not show its owner: that an owner is absent is verified live, by uid,
//! and the deletion names uid and version of what it deletes. Memory holds no objects, only who owns whom.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::ApiError;
use crate::context::Context;
use crate::controller::{Controller, Shape};
use crate::key::Key;
use crate::runtime::Queue;

mod absent;
mod attempt;
mod graph;
mod kinds;
mod monitors;

#[cfg(test)]
mod tests;

use absent::Absent;
use graph::{Graph, Wake};
use kinds::Kinds;

/// The controller.
pub(crate) const CONTROLLER: Controller =
    Controller { name: "generic-garbage-collector", shape: Shape::Loop(run), ..Controller::DEFAULT };

/// Objects that are looked at at once.
const WORKERS: usize = 20;

/// How often discovery is asked for new resources.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(30);

/// How long the first lists may take before work begins without them.
const PATIENCE: Duration = Duration::from_secs(30);

/// What workers and monitors share.
struct Collector {
    context: Context,
    graph: Graph,
    kinds: Kinds,
    absent: Absent,
    /// Objects whose owners, or whose dependents, are to be looked at. Their keys are namespace and uid.
    deletions: Arc<Queue>,
    /// Owners whose dependents are to be freed.
    orphans: Arc<Queue>,
    ready: watch::Sender<bool>,
}

fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let queue = |name| Arc::new(Queue::new(name, context.clock.clone(), &context.metrics));
        let collector = Arc::new(Collector {
            graph: Graph::default(),
            kinds: Kinds::default(),
            absent: Absent::default(),
            deletions: queue("garbage_collector_attempt_to_delete"),
            orphans: queue("garbage_collector_attempt_to_orphan"),
            ready: watch::Sender::new(false),
            context,
        });
        let mut tasks = JoinSet::new();
        for _ in 0..WORKERS {
            tasks.spawn(collector.clone().work(|collector| &collector.deletions, attempt::delete));
            tasks.spawn(collector.clone().work(|collector| &collector.orphans, attempt::orphan));
        }
        monitors::follow(&collector).await;
    })
}

/// Looks at an object, named by namespace and uid.
type Attempt = for<'a> fn(&'a Collector, &'a Key) -> BoxFuture<'a, Result<(), ApiError>>;

impl Collector {
    async fn work(self: Arc<Self>, queue: fn(&Collector) -> &Arc<Queue>, attempt: Attempt) {
        // The sender lives as long as this.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
        let queue = queue(&self);
        loop {
            let key = queue.next().await;
            match attempt(&self, &key).await {
                Ok(()) => queue.forget(&key),
                Err(error) => {
                    tracing::debug!(uid = %key.name, %error, "garbage collection will be tried again");
                    queue.retry(key.clone(), error.retry_after);
                }
            }
            queue.done(&key, Vec::new());
        }
    }

    /// Queues what a change has made worth looking at, and tells of references into other namespaces.
    fn wake(&self, wake: Wake) {
        self.deletions.add_all(wake.deletions);
        self.orphans.add_all(wake.orphans);
        wake.events.into_iter().for_each(|event| self.context.events.record(event));
    }
}
