//! The runtime: drives every controller of a list over one API.
//!
//! Keeps: a key runs at most once at a time, and not again before the views have seen what it wrote; views are filled
//! before the first run; dropping the runtime ends everything it started.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::api::Connect;
use crate::clock::Clock;
use crate::context::Context;
use crate::controller::{Controller, Shape};

mod backoff;
mod cache;
mod correlator;
mod hold;
mod metrics;
mod queue;
mod recorder;
pub mod reflector;
mod rounds;
mod tracked;
mod viewer;
mod watches;
mod worker;

pub use backoff::Backoff;
pub use metrics::Metrics;
pub use queue::Queue;
pub use recorder::Recorder;
pub use viewer::Viewer;
pub use watches::Watches;

use watches::Caches;
use worker::Worker;

/// Everything that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    tasks: JoinSet<()>,
}

impl Running {
    /// Resolves when something has ended by itself, which only a defect can do.
    pub async fn ended(&mut self) {
        let _ = self.tasks.join_next().await;
    }
}

/// Starts controllers. Needs a tokio runtime.
pub fn start(
    controllers: &[&'static Controller],
    connect: &dyn Connect,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> Running {
    let mut tasks = JoinSet::new();
    let shared = connect.shared();
    let settings = Arc::new(connect.settings());
    let mut caches = Caches::new(clock.clone(), metrics.clone());
    let mut workers = Vec::new();
    for controller in controllers {
        let queue = Arc::new(Queue::new(controller.name, clock.clone(), metrics));
        let viewer = caches.attach(controller, &queue);
        let api = connect.controller(controller.name);
        let events =
            Recorder::start(controller.name, api.clone(), clock.clone(), metrics.clone(), &mut tasks);
        let context = Context {
            api,
            shared: shared.clone(),
            clock: clock.clone(),
            events,
            metrics: metrics.clone(),
            settings: settings.clone(),
            name: controller.name,
            viewer,
        };
        workers.push((*controller, queue, context));
    }
    caches.start(&shared, &mut tasks);
    for (controller, queue, context) in workers {
        if let Shape::Loop(run) = controller.shape {
            tasks.spawn(async move {
                context.viewer.synced().await;
                run(context).await;
            });
            continue;
        }
        let worker = Worker::new(controller, queue, context);
        worker.clone().start(&mut tasks);
    }
    Running { tasks }
}

#[cfg(test)]
mod tests;
