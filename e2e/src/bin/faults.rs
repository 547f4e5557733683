//! Attacks a cluster of three real servers behind a virtual address, round after round, and judges what its clients
//! recorded. Ends with failure as soon as a round breaks a rule.

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use pintle_e2e::{
    kubeconfig::Kubeconfig,
    rig::{
        checker::{self, Verdict},
        cluster::{Cluster, HOSTS},
        faults::{Fault, Limits},
        host::Disk,
        power,
        traffic::{Mix, Patience, Traffic},
    },
};

/// Large enough for a round's data, small enough to be filled at once.
const SMALL_DISK_MEBIBYTES: u32 = 384;
/// As long as the cluster may take to be whole after a fault.
const HEALED_MAX: Duration = Duration::from_secs(90);
/// As long as clients may wait for progress while two hosts are good, and for the cluster to be whole again.
const LIMITS: Limits = Limits { progress: Duration::from_secs(10), healed: HEALED_MAX };

/// Attack three servers in network namespaces and judge what clients saw.
#[derive(Parser)]
struct Options {
    /// How many rounds; in each one every fault strikes one host, and some strike two or all at once.
    #[arg(long, default_value_t = 10)]
    rounds: usize,

    /// Only faults whose name contains this text; may be repeated.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,

    /// Clients that write.
    #[arg(long, default_value_t = 8)]
    writers: usize,

    /// Clients that watch everything.
    #[arg(long, default_value_t = 8)]
    watchers: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let missing = power::missing_packages();
    let disk = if missing.is_empty() {
        Disk::Volatile(SMALL_DISK_MEBIBYTES)
    } else {
        println!("power cuts are left out: install {} for them", missing.join(", "));
        Disk::Small(SMALL_DISK_MEBIBYTES)
    };
    let cluster = Cluster::of_page([disk; HOSTS]);
    cluster.wait_until_healthy(HEALED_MAX);
    cluster.wait_for("holder of the virtual address", HEALED_MAX, |it| it.holder().is_some());
    let (mut acknowledged, mut events, mut struck) = (0, 0, 0);
    for round in 1..=options.rounds {
        let (verdict, faults) = one_round(&cluster, disk, &options, round);
        (acknowledged, events, struck) =
            (acknowledged + verdict.acknowledged, events + verdict.events, struck + faults);
        println!(
            "round {round}: {} writes acknowledged, {} unknown, {} refused, {} lists, {} events, {} watches continued",
            verdict.acknowledged,
            verdict.unknown,
            verdict.refused,
            verdict.lists,
            verdict.events,
            verdict.resumed
        );
        if !verdict.broken.is_empty() {
            println!("{}\n{}", cluster.story(), verdict.broken.join("\n"));
            return ExitCode::FAILURE;
        }
    }
    println!(
        "{struck} faults, {acknowledged} acknowledged writes, {events} watch events: nothing lost, nothing twice, nothing stale"
    );
    ExitCode::SUCCESS
}

fn one_round(cluster: &Cluster, disk: Disk, options: &Options, round: usize) -> (Verdict, usize) {
    let kubeconfig = Kubeconfig::read(&cluster.kubeconfig()).expect("the server wrote it");
    let mix = Mix {
        writers: options.writers,
        pace: Duration::from_millis(5),
        contended: true,
        readers: 2,
        watchers: options.watchers,
        patience: Patience::SHORT,
    };
    let traffic = Traffic::start(&cluster.client, &kubeconfig, &format!("round-{round}"), mix);
    let wanted = |fault: &Fault| {
        if *fault == Fault::PowerCut && !matches!(disk, Disk::Volatile(_)) {
            return false;
        }
        let name = fault.to_string();
        options.only.is_empty() || options.only.iter().any(|only| name.contains(only.as_str()))
    };
    let faults: Vec<Fault> = Fault::ALL.into_iter().filter(wanted).collect();
    for (number, fault) in faults.iter().enumerate() {
        // In turn the leader, the holder of the virtual address, and every host.
        let host = match (round + number) % 3 {
            0 => cluster.leader(),
            1 => cluster.holder(),
            _ => Some((round + number) / 3 % HOSTS),
        };
        println!("  {}", LIMITS.strike(cluster, &traffic, *fault, host.unwrap_or(0)));
    }
    let of_two: Vec<Fault> = Fault::OF_TWO.into_iter().filter(wanted).collect();
    for (number, fault) in of_two.iter().enumerate() {
        let spared = (round + number) % HOSTS;
        let struck: Vec<usize> = (0..HOSTS).filter(|host| *host != spared).collect();
        println!("  {}", LIMITS.strike_many(cluster, &traffic, *fault, &struck));
    }
    let of_all: Vec<Fault> = Fault::OF_ALL.into_iter().filter(wanted).collect();
    for fault in &of_all {
        println!("  {}", LIMITS.strike_many(cluster, &traffic, *fault, &[0, 1, 2]));
    }
    let verdict = checker::check(&traffic.finish(&cluster.client, cluster.nodes()));
    (verdict, faults.len() + of_two.len() + of_all.len())
}
