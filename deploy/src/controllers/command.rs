//! `pintle controllers`: only the loops, against any API server, as the holder of a Lease.

use std::sync::Arc;
use std::time::Duration;

use pintle_controllers::{api::Connect as _, clock::Clock, runtime, settings::Settings};
use tokio::task::JoinSet;

use super::clock::SystemClock;
use super::https::Https;
use super::lease::{Candidate, DEADLINE, RETRY};
use super::metrics;
use super::selection::Selection;
use crate::{
    cli::ControllersArgs, error::Error, kubeconfig_file::KubeconfigFile, listener, logging, shutdown::Stop,
};

pub(crate) fn run(args: &ControllersArgs) -> Result<(), Error> {
    logging::start(args.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(serve(args))
}

async fn serve(args: &ControllersArgs) -> Result<(), Error> {
    let settings =
        Settings { terminated_pods_max: args.controllers.terminated_pod_gc_threshold, ..Settings::default() };
    let https = Https::of(&KubeconfigFile::read(&args.kubeconfig)?, settings)?;
    let mut stop = Stop::listen()?;
    let metrics = runtime::Metrics::default();
    let mut tasks = JoinSet::new();
    if let Some(address) = args.metrics_listen {
        let listener = listener::reserve(address, "--metrics-listen")?.listen()?;
        tasks.spawn(metrics::serve(listener, metrics.clone()));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut candidate = Candidate::new(https.shared(), clock.clone(), identity(&*clock));
    stop.unless(lead(&https, &args.controllers.selection, &clock, &mut candidate, &metrics)).await;
    if let Err(error) = candidate.release().await {
        tracing::warn!(%error, "the lease could not be released; others wait until it is over");
    }
    Ok(())
}

/// Who this is: the machine, and what no other process on it is called.
fn identity(clock: &dyn Clock) -> String {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}_{}_{:x}", hostname.trim(), std::process::id(), clock.now().as_nanosecond())
}

/// Runs the controllers whenever the lease is held.
async fn lead(
    https: &Https,
    selection: &Selection,
    clock: &Arc<dyn Clock>,
    candidate: &mut Candidate,
    metrics: &runtime::Metrics,
) {
    let controllers = selection.controllers();
    let mut running = None;
    let mut renewed = clock.elapsed();
    loop {
        let left = DEADLINE.saturating_sub(clock.elapsed().saturating_sub(renewed));
        let patience = if running.is_some() { left } else { DEADLINE };
        match tokio::time::timeout(patience.max(Duration::from_millis(1)), candidate.try_hold()).await {
            Ok(Ok(true)) => {
                renewed = clock.elapsed();
                if running.is_none() {
                    tracing::info!("the lease is held: controllers start");
                    running = Some(runtime::start(&controllers, https, clock, metrics));
                }
            }
            Ok(Ok(false)) => {
                if running.take().is_some() {
                    tracing::warn!("somebody else holds the lease: controllers stop");
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be asked for"),
            Err(_) => tracing::warn!("the lease could not be asked for in time"),
        }
        if clock.elapsed().saturating_sub(renewed) >= DEADLINE && running.take().is_some() {
            tracing::warn!("the lease could not be renewed: controllers stop");
        }
        clock.sleep(RETRY).await;
    }
}
