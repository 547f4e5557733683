//! Puts load on an API server and prints one table. Given a kubeconfig it measures any API server that runs already;
//! otherwise it starts the built `pintle` and measures start-up, idling and restart as well.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use pintle_e2e::{
    kubeconfig::Kubeconfig,
    load::{
        Error, Result,
        closed_loop::Clients,
        life_cycle, machine,
        scenarios::{Plan, Run},
        table,
        target::Target,
    },
    server,
};
use rustix::process::{Resource, getrlimit, setrlimit};

/// Starts of an empty server; the median is what counts.
const STARTS: usize = 3;
const IDLE: Duration = Duration::from_secs(5);

/// Put load on an API server and print one table of rates, latencies and the server's cost.
#[derive(Parser)]
struct Options {
    /// Measure the running server of this kubeconfig instead of starting one.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// A process of that server, to measure its processor time and memory; may be repeated (its store, say).
    #[arg(long = "pid", value_name = "ID", requires = "kubeconfig")]
    processes: Vec<u32>,

    /// The pintle binary to start; by default the one built beside this program.
    #[arg(long, value_name = "FILE", conflicts_with = "kubeconfig")]
    server_binary: Option<PathBuf>,

    /// Clients of the closed loops.
    #[arg(long, default_value_t = 64)]
    clients: usize,

    /// Connections that these clients share.
    #[arg(long, default_value_t = 8)]
    connections: usize,

    /// Seconds for each scenario that has no end of its own.
    #[arg(long, default_value_t = 5)]
    seconds: u64,

    /// ConfigMaps to create.
    #[arg(long, default_value_t = 20_000)]
    config_maps: usize,

    /// Pods to create.
    #[arg(long, default_value_t = 10_000)]
    pods: usize,

    /// Services to create, each with ten pods; 0 leaves their scenarios out.
    #[arg(long, default_value_t = 1_000)]
    services: usize,

    /// Print only the scenarios whose name contains this text; may be repeated.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    raise_open_files();
    // One thread leaves the other core of a small machine to the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(options)),
        Err(source) => Err(Error::Io { what: "starting".to_owned(), source }),
    };
    match outcome {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("load: {failures} scenarios could not be measured");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<usize> {
    let plan = Plan {
        clients: Clients { clients: options.clients.max(1), connections: options.connections.max(1) },
        time: Duration::from_secs(options.seconds.max(1)),
        config_maps: options.config_maps,
        pods: options.pods,
        services: options.services,
        only: options.only.clone(),
    };
    table::print_heading();
    table::print(&machine::parsing());
    table::print(&machine::sending()?);
    match &options.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read(path)
                .map_err(|source| Error::Io { what: "reading the kubeconfig".to_owned(), source })?;
            let target = Target::new(&kubeconfig, options.processes.clone())?;
            let mut run = Run::new(target, plan, &format!("load-{}", std::process::id())).await?;
            run.all().await;
            Ok(run.failures())
        }
        None => with_own_server(options.server_binary.unwrap_or_else(server::binary), plan).await,
    }
}

async fn with_own_server(binary: PathBuf, plan: Plan) -> Result<usize> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(life_cycle::start_to_first_create(&binary).await?);
    }
    starts.sort_by_key(|start| start.took);
    let mut median = starts.swap_remove(STARTS / 2);
    drop(starts);
    table::print(&median.row);
    table::print(&life_cycle::idle(&median.server, IDLE).await?);

    let target = life_cycle::target(&median.server)?;
    let mut run = Run::new(target, plan, "load").await?;
    run.all().await;
    let restart =
        life_cycle::kill_and_restart(&mut median.server, &run.a_config_map(), run.stored().bytes).await?;
    table::print(&restart);
    Ok(run.failures())
}

/// Thousands of connections are as many open files.
fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("load: the limit of open files stays as it is: {error}");
    }
}
