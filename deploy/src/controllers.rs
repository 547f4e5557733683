//! The controllers' place in the program: in the server's process they run while this node leads; as a program of their
//! own they run against any API server, as the holder of a Lease.

pub(crate) mod command;
mod selection;

mod clock;
mod discovery;
mod https;
mod in_process;
mod lease;
mod metrics;
mod rest;
mod status;

use std::{io, num::NonZero, sync::Arc};

use pintle_apiserver::{Server, cluster::ControllerRole};
use pintle_controllers::{clock::Clock, runtime, settings::Settings};
use pintle_store::Store;
use tokio::runtime::{Builder, Runtime};

use crate::cli::ControllerFlags;
use in_process::InProcess;
pub(crate) use selection::Selection;

/// The roles of controllers that bring their own rules along.
pub(crate) fn roles() -> Vec<ControllerRole> {
    let bring = pintle_controllers::ALL.iter().filter(|controller| !controller.rules.is_empty());
    bring.map(|controller| ControllerRole { name: controller.name, rules: controller.rules }).collect()
}

/// The threads of the controllers in a server: half as many as processors. They are not the API's, because a node that
/// begins to lead, or starts again, fills the controllers' views from all objects there are, and clients do not wait for
/// that.
pub(crate) fn threads() -> io::Result<Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(processors.div_ceil(2))
        .thread_name("controllers")
        .enable_all()
        .build()
}

/// Runs the chosen controllers whenever this node leads. Dropping it ends them.
pub(crate) fn follow_leadership(
    server: Arc<Server>,
    store: &Store,
    flags: &ControllerFlags,
) -> impl Future<Output = ()> + Send + use<> {
    let metrics = runtime::Metrics::default();
    let counted = metrics.clone();
    server.metrics.add_source(Box::new(move |out| counted.encode(out)));
    let clock: Arc<dyn Clock> = Arc::new(clock::SystemClock::default());
    let controllers = flags.selection.controllers();
    let settings = Settings {
        root_ca: server.cluster.root_ca.clone(),
        terminated_pods_max: flags.terminated_pod_gc_threshold,
    };
    let mut leadership = store.leadership();
    async move {
        loop {
            let now = *leadership.borrow_and_update();
            let running = now.leads.then(|| {
                tracing::info!(term = now.term, "controllers start");
                let connect = InProcess::new(server.clone(), now.term, settings.clone());
                runtime::start(&controllers, &connect, &clock, &metrics)
            });
            let changed = leadership.wait_for(|newest| *newest != now).await.is_ok();
            if running.is_some() {
                tracing::info!(term = now.term, "controllers stop");
            }
            drop(running);
            if !changed {
                return;
            }
        }
    }
}
