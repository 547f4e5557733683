//! Measures three servers behind a virtual address as clients see them: how long writes stop when the leader is killed
//! or hangs, what replication costs, and what a rolling restart breaks. All that is recorded is judged as well.

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use pintle_e2e::{
    kubeconfig::Kubeconfig,
    load::latencies::Latencies,
    rig::{
        checker,
        cluster::{Cluster, HOSTS, commands},
        faults::Fault,
        gaps::gaps,
        history::{History, Outcome, Time, Write},
        host::Disk,
        traffic::{Mix, Patience, Traffic},
    },
};

/// As long as the cluster may take to be whole.
const HEALED_MAX: Duration = Duration::from_secs(60);
/// Between a whole cluster and the next fault, so that each one strikes a steady load.
const STEADY: Duration = Duration::from_millis(1500);
/// How long a leader hangs: longer than everybody needs to notice.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the gaps of a fault are looked for.
const WINDOW: Duration = Duration::from_secs(2);

/// Measure failover, the cost of replication, and a rolling restart.
#[derive(Parser)]
struct Options {
    /// Times the leader is killed.
    #[arg(long, default_value_t = 50)]
    kills: usize,

    /// Times the leader hangs.
    #[arg(long, default_value_t = 50)]
    pauses: usize,

    /// Clients that write, each on a connection of its own.
    #[arg(long, default_value_t = 64)]
    clients: usize,

    /// Clients that watch during the rolling restart.
    #[arg(long, default_value_t = 1000)]
    watchers: usize,

    /// Seconds for each measurement of the write rate.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut broken = Vec::new();
    let cluster = Cluster::bare([Disk::Large; HOSTS]);
    cluster.follow(&commands("## Five commands")[..2], str::to_owned);
    cluster.wait_for("holder of the virtual address", HEALED_MAX, |it| it.holder().is_some());
    let alone = rate(&cluster, &options, "rate-of-one", &mut broken);
    cluster.follow(&commands("## Five commands")[2..], str::to_owned);
    cluster.wait_until_healthy(HEALED_MAX);
    let together = rate(&cluster, &options, "rate-of-three", &mut broken);
    println!("writes through the virtual address, {} clients", options.clients);
    println!("  one server      {alone:>8.0} /s");
    println!("  three servers   {together:>8.0} /s   {:.0} %", together / alone * 100.0);

    println!("time without an acknowledged write    n      p50      p99      max");
    for (fault, times) in [(Fault::Kill, options.kills), (Fault::Pause, options.pauses)] {
        failover(&cluster, &options, fault, times, &mut broken);
    }
    rolling_restart(&cluster, &options, &mut broken);
    for sentence in &broken {
        println!("BROKEN: {sentence}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn start(cluster: &Cluster, namespace: &str, mix: Mix) -> Traffic {
    let kubeconfig = Kubeconfig::read(&cluster.kubeconfig()).expect("the server wrote it");
    Traffic::start(&cluster.client, &kubeconfig, namespace, mix)
}

fn finish(cluster: &Cluster, traffic: Traffic, broken: &mut Vec<String>) -> History {
    let running = cluster.nodes().into_iter().filter(|(address, _)| cluster.serves(address)).collect();
    let history = traffic.finish(&cluster.client, running);
    broken.extend(checker::check(&history).broken);
    history
}

/// One watcher, so that the history can be judged, and nothing but writers beside it.
fn writers(options: &Options) -> Mix {
    Mix {
        writers: options.clients,
        pace: Duration::ZERO,
        contended: false,
        readers: 0,
        watchers: 1,
        patience: Patience::SHORT,
    }
}

fn rate(cluster: &Cluster, options: &Options, namespace: &str, broken: &mut Vec<String>) -> f64 {
    let traffic = start(cluster, namespace, writers(options));
    std::thread::sleep(STEADY);
    let (began, before) = (traffic.now(), traffic.acknowledged());
    std::thread::sleep(Duration::from_secs(options.seconds));
    let (ended, after) = (traffic.now(), traffic.acknowledged());
    finish(cluster, traffic, broken);
    (after - before) as f64 / ((ended - began) as f64 / 1e6)
}

fn failover(cluster: &Cluster, options: &Options, fault: Fault, times: usize, broken: &mut Vec<String>) {
    if times == 0 {
        return;
    }
    let traffic = start(
        cluster,
        &format!("failover-{}", if fault == Fault::Kill { "kill" } else { "pause" }),
        writers(options),
    );
    let mut struck: Vec<Time> = Vec::new();
    for _ in 0..times {
        // Asked for first: the answer costs the machine as much as many writes.
        let Some(leader) = cluster.leader() else {
            broken.push("nobody leads a whole cluster".to_owned());
            continue;
        };
        std::thread::sleep(STEADY);
        struck.push(traffic.now());
        fault.strike(cluster, leader);
        std::thread::sleep(PAUSE);
        fault.heal(cluster, leader);
        cluster.wait_until_healthy(HEALED_MAX);
    }
    let history = finish(cluster, traffic, broken);
    let gaps = gaps(&history.writes, &struck, WINDOW);
    row(&format!("leader: {fault}, no client at all"), gaps.service);
    row(&format!("leader: {fault}, each client"), gaps.clients);
}

fn row(name: &str, gaps: Latencies) {
    let count = gaps.count();
    let [p50, p99, max] = gaps.percentiles([0.5, 0.99, 1.0]).map(|gap| gap.as_secs_f64() * 1e3);
    println!("  {name:<34} {count:>5} {p50:>5.0} ms {p99:>5.0} ms {max:>5.0} ms");
}

fn rolling_restart(cluster: &Cluster, options: &Options, broken: &mut Vec<String>) {
    let mix = Mix {
        writers: 4,
        pace: Duration::from_millis(500),
        contended: false,
        readers: 2,
        watchers: options.watchers,
        patience: Patience::CLIENT_GO,
    };
    let traffic = start(cluster, "rolling-restart", mix);
    cluster.wait_for("write", HEALED_MAX, |_| traffic.acknowledged() > 0);
    std::thread::sleep(STEADY);
    // As fast as the page permits.
    cluster.follow(&commands("## Restart or upgrade"), str::to_owned);
    cluster.wait_until_healthy(HEALED_MAX);
    std::thread::sleep(STEADY);
    let history = finish(cluster, traffic, broken);
    let is_failed = |write: &&Write| !matches!(write.outcome, Outcome::Acknowledged(_));
    let failed: Vec<&Write> = history.writes.iter().filter(is_failed).collect();
    let resumed: usize = history.watchers.iter().map(|watched| watched.resumed).sum();
    let longest =
        history.writes.iter().map(|write| write.ended - write.began).max().unwrap_or(0) as f64 / 1e6;
    let relists: usize = history.watchers.iter().map(|watched| watched.relists).sum();
    println!(
        "rolling restart of three servers, {} watchers: {} of {} writes failed, the longest took {longest:.1} s, {} of {} lists failed, {resumed} watches continued, {relists} relists",
        history.watchers.len(),
        failed.len(),
        history.writes.len(),
        history.failed_reads,
        history.failed_reads + history.lists.len(),
    );
    for write in &failed {
        println!("  failed: {write:?}");
    }
    if !failed.is_empty() {
        println!("{}", cluster.story());
    }
}
