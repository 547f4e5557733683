//! Whole clusters under faults, and the bugs that must not pass.

use super::faults::Fault;
use super::*;

/// Runs after which a planted bug must have been noticed. Most are at the first one; any change of the core or of the
/// simulator is another draw for the few that need a rare coincidence.
const RUNS_MAX: u64 = 60;

#[test]
fn clusters_keep_every_promise() {
    for seed in 0..20 {
        let verdict = run(&Plan::new(seed), None);
        assert_eq!(verdict.failure, None, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..3 {
        let plan = Plan::new(seed);
        assert_eq!(run(&plan, None).figures, run(&plan, None).figures, "seed {seed}");
    }
}

#[test]
fn planted_bugs_are_noticed() {
    for bug in Bug::ALL {
        let noticed = (0..RUNS_MAX).any(|seed| run(&Plan::aimed_at(bug, seed), Some(bug)).failure.is_some());
        assert!(noticed, "{bug:?} passed {RUNS_MAX} runs");
    }
}

#[test]
fn interrupted_snapshots_are_gone_on_with() {
    let verdicts = (0..6).map(|seed| run(&Plan::aimed_at(Bug::ResumeLosesPart, seed), None));
    let verdicts: Vec<Verdict> = verdicts.collect();
    assert!(verdicts.iter().all(|verdict| verdict.failure.is_none()), "{verdicts:?}");
    assert!(verdicts.iter().any(|verdict| verdict.figures.resumed > 0), "no snapshot was interrupted");
}

#[test]
fn an_outvoted_state_is_noted_once_a_full_disk_has_room() {
    for seed in 0..10 {
        let mut plan = Plan::aimed_at(Bug::UncomparedHashes, seed);
        plan.faults.extend([Fault::FillDisk; 4]);
        plan.fault_interval /= 2;
        assert_eq!(run(&plan, None).failure, None, "seed {seed}");
    }
}

#[test]
fn clusters_are_restored_twice_from_one_backup() {
    let verdicts = (0..3).map(|seed| run(&Plan::aimed_at(Bug::SecondRestore, seed), None));
    for verdict in verdicts {
        assert_eq!((verdict.failure, verdict.figures.restores), (None, 2));
    }
}
