//! Simulates clusters under faults for as long as asked, and names the seeds that failed.
//!
//! `cargo run --release -p pintle-store --features simulation --example simulate -- --seeds N [--seed S] [--bugs | --bug NAME] [--aimed]`
//! runs the seeds S to S+N. With `--bugs` it plants one bug after the other instead, and tells which check noticed it
//! after how many runs; with `--aimed` each meets only the faults under which it shows.

use std::time::Duration;

use pintle_store::sim::{Bug, Figures, Plan, Verdict, run};
use pintle_store::{Clock, SystemClock};

const USAGE: &str = "usage: simulate [--seeds N] [--seed FIRST] [--bugs | --bug NAME] [--aimed]

Runs N clusters (100) from the seeds FIRST (0) onwards and names those that failed. With --bugs or --bug it plants bugs
instead, at most N runs each, and tells which check noticed each; with --aimed they meet only faults that show them.";

const HOURS_PER_YEAR: f64 = 24.0 * 365.25;

/// Ends the program, whose command line is not understood.
fn refuse(what: &str) -> ! {
    eprintln!("simulate: {what}\n\n{USAGE}");
    std::process::exit(2)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut first, mut bugs, mut aimed, mut only) = (100, 0, false, false, None);
    while let Some(argument) = arguments.next() {
        let mut number = || match arguments.next().map(|text| text.parse()) {
            Some(Ok(number)) => number,
            _ => refuse(&format!("{argument} wants a number")),
        };
        match argument.as_str() {
            "--seeds" => seeds = number(),
            "--seed" => first = number(),
            "--bugs" => bugs = true,
            "--aimed" => aimed = true,
            "--bug" => {
                only =
                    Some(arguments.next().unwrap_or_else(|| refuse("--bug wants the name of a planted bug")));
            }
            "--help" | "-h" => {
                println!("{USAGE}");
                return;
            }
            other => refuse(&format!("there is no argument {other}")),
        }
    }
    if bugs || only.is_some() {
        plant_all(first, seeds, aimed, only.as_deref());
        return;
    }
    let started = SystemClock.now();
    let mut total = Figures::default();
    let mut failed = Vec::new();
    for seed in first..first + seeds {
        let Verdict { figures, failure } = run(&Plan::new(seed), None);
        total.simulated += figures.simulated;
        total.events += figures.events;
        total.writes += figures.writes;
        total.reads += figures.reads;
        total.watched += figures.watched;
        total.ends += figures.ends;
        total.leaders += figures.leaders;
        total.snapshots += figures.snapshots;
        total.changes += figures.changes;
        total.resumed += figures.resumed;
        total.restores += figures.restores;
        if seeds == 1 {
            println!("{:#?}", Plan::new(seed));
            println!("trace {:016x}", figures.trace);
        }
        if let Some(failure) = failure {
            println!("seed {seed}: {}: {}", failure.check, failure.what);
            failed.push(seed);
        }
    }
    let wall = SystemClock.now() - started;
    let years = hours(total.simulated) / HOURS_PER_YEAR;
    println!(
        "{seeds} runs, {:.1} simulated hours in {:.1} s: {:.3} cluster-years per hour; {} events, {} writes, {} \
         reads, {} watch events, {} ends of processes, {} leaders, {} snapshots, {} gone on with, \
         {} changes of members, {} restores",
        hours(total.simulated),
        wall.as_secs_f64(),
        years / hours(wall),
        total.events,
        total.writes,
        total.reads,
        total.watched,
        total.ends,
        total.leaders,
        total.snapshots,
        total.resumed,
        total.changes,
        total.restores
    );
    println!("failing seeds: {failed:?}");
    if !failed.is_empty() {
        std::process::exit(1);
    }
}

fn hours(time: Duration) -> f64 {
    time.as_secs_f64() / 3_600.0
}

/// Plants each bug in turn until a check notices it.
fn plant_all(first: u64, seeds: u64, aimed: bool, only: Option<&str>) {
    if let Some(name) = only
        && !Bug::ALL.iter().any(|bug| name == format!("{bug:?}"))
    {
        refuse(&format!("there is no planted bug {name:?}; store/src/bugs.rs lists them"));
    }
    let plan = |seed, bug| if aimed { Plan::aimed_at(bug, seed) } else { Plan::new(seed) };
    for bug in Bug::ALL {
        if only.is_some_and(|only| only != format!("{bug:?}")) {
            continue;
        }
        let found = (first..first + seeds)
            .find_map(|seed| run(&plan(seed, bug), Some(bug)).failure.map(|failure| (seed, failure)));
        match found {
            Some((seed, failure)) => {
                println!("| {bug:?} | {} | {} | {} |", failure.check, seed - first + 1, failure.what);
            }
            None => println!("| {bug:?} | NOT CAUGHT | {seeds} | |"),
        }
    }
}
