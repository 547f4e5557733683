//! Plays the nodes of a cluster: registers them, keeps them Ready, runs the pods bound to them in name only, and ends
//! them gracefully. It goes on until SIGTERM or Ctrl-C, and then says nothing to the server, as a node that loses power.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use pintle_e2e::{
    kubeconfig::Kubeconfig,
    kubelets::{Kubelets, NODES_GROUP, Options},
    load::{Error, Result},
    server,
};
use tokio::signal::unix::{SignalKind, signal};

/// Play the nodes of a cluster.
///
/// Pods steer their node by annotations: kubelets.test/start-after, terminate-after, exit-after (seconds), exit-code,
/// and ready ("false" lets readiness probes fail).
#[derive(Parser)]
struct Arguments {
    /// The cluster's administrator: it plays all nodes that have no user of their own, and binds pods.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,

    /// How many nodes.
    #[arg(long, default_value_t = 1)]
    nodes: usize,

    /// Names of the nodes, before their number.
    #[arg(long, default_value = "node-")]
    prefix: String,

    /// Bind pods that have no node, in turn; there is no scheduler.
    #[arg(long)]
    bind: bool,

    /// Give each node a user and certificate of its own, signed by the server with this data directory.
    #[arg(long, value_name = "DIRECTORY")]
    certificates_from: Option<PathBuf>,

    /// Give pods an IPv6 address as well.
    #[arg(long)]
    dual_stack: bool,

    /// Spread the nodes over so many zones.
    #[arg(long, default_value_t = 0)]
    zones: usize,

    /// Seconds that pods take to start.
    #[arg(long, default_value_t = 0.0)]
    start_after: f64,

    /// Seconds that pods take to end, at most their grace period.
    #[arg(long, default_value_t = 1.0)]
    terminate_after: f64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kubelets: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| Error::Io { what, source }
    };
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let options = Options {
        nodes: arguments.nodes,
        prefix: arguments.prefix.clone(),
        bind: arguments.bind,
        dual_stack: arguments.dual_stack,
        zones: arguments.zones,
        start_after: seconds(arguments.start_after),
        terminate_after: seconds(arguments.terminate_after),
        ..Options::default()
    };
    let administrator = Kubeconfig::read(&arguments.kubeconfig).map_err(io("reading the kubeconfig"))?;
    let mut users = Vec::new();
    if let Some(data_dir) = &arguments.certificates_from {
        let data_dir = data_dir.display().to_string();
        for number in 0..options.nodes {
            let text = server::run(&[
                "kubeconfig",
                "--data-dir",
                &data_dir,
                "--server",
                &administrator.server,
                "--user",
                &options.user(number),
                "--group",
                NODES_GROUP,
            ]);
            let user = Kubeconfig::from_text(&String::from_utf8_lossy(&text.stdout));
            users.push(
                user.ok_or_else(|| {
                    Error::Kubeconfig(String::from_utf8_lossy(&text.stderr).trim().to_owned())
                })?,
            );
        }
    }
    let kubelets = Kubelets::start_as(&administrator, &users, &options)?;
    println!("kubelets: {} nodes are ready", options.nodes);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(io("starting"))?.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(io("waiting for signals"))?;
        tokio::select! {
            _ = terminate.recv() => {}
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(io("waiting for signals"))?,
        }
        Ok::<_, Error>(())
    })?;
    drop(kubelets);
    Ok(())
}
