//! The plan of a run: which faults it knows, how often they come, and how the nodes are set up.
//!
//! Each run knows only some of the faults: a run with all of them hardly gets anything done, and finds less.

use crate::bugs::Bug;
use crate::sim::random::Random;

/// What a run is made of; everything follows from the seed.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    /// Hosts that wait to be taken in.
    pub(crate) spares: usize,
    pub(crate) clients: usize,
    pub(crate) watchers: usize,
    /// How long faults happen, in microseconds.
    pub(crate) length: u64,
    /// The longest pause between two faults.
    pub(crate) fault_interval: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) think: u64,
    pub(crate) ring_bytes: usize,
    pub(crate) flush_entries: u64,
    pub(crate) tail_bytes: usize,
    pub(crate) compacts: bool,
    /// How long a request may take, in microseconds.
    pub(crate) request_timeout: u64,
    /// The unit of Raft's timers, in microseconds.
    pub(crate) tick: u64,
    pub(crate) snapshot_rate: u64,
    pub(crate) snapshot_part: usize,
    /// How often a backup of the run is restored afterwards, each time as a new cluster.
    pub(crate) restores: u64,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    EndProcess,
    CutPower,
    CutAllPower,
    StopGracefully,
    Pause,
    Isolate,
    IsolateOneWay,
    CutOneDirection,
    CutOnePair,
    Lossy,
    Slow,
    SlowDisk,
    DiskTrouble,
    DiskFails,
    Damage,
    DamageState,
    Stall,
    ChangeMembers,
    HandOver,
    LoseDisk,
    FillDisk,
    FlipMemory,
    /// A host is so far away that answers come when nobody waits for them any more.
    FarHost,
    /// A process ends again and again soon after its start, while frames of its earlier lives are under way.
    CrashLoop,
    /// The leader falls silent, several nodes campaign, and voters lose their power just after they gave their vote.
    PowerAtVote,
    /// A disk takes nothing for a long time.
    StallDisk,
    /// Nodes are told that others have ended which run.
    FalseEnds,
    /// Processes end that are receiving a snapshot, and are back at once.
    EndReceivers,
}

impl Fault {
    const ALL: [Fault; 28] = [
        Fault::EndProcess,
        Fault::CutPower,
        Fault::CutAllPower,
        Fault::StopGracefully,
        Fault::Pause,
        Fault::Isolate,
        Fault::IsolateOneWay,
        Fault::CutOneDirection,
        Fault::CutOnePair,
        Fault::Lossy,
        Fault::Slow,
        Fault::SlowDisk,
        Fault::DiskTrouble,
        Fault::DiskFails,
        Fault::Damage,
        Fault::DamageState,
        Fault::Stall,
        Fault::ChangeMembers,
        Fault::HandOver,
        Fault::LoseDisk,
        Fault::FillDisk,
        Fault::FlipMemory,
        Fault::FarHost,
        Fault::CrashLoop,
        Fault::PowerAtVote,
        Fault::StallDisk,
        Fault::FalseEnds,
        Fault::EndReceivers,
    ];
}

const SECOND: u64 = 1_000_000;

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let kinds = random.within(1..7);
        let mut faults = Vec::new();
        for _ in 0..kinds {
            faults.extend(random.pick(&Fault::ALL));
        }
        // Long enough for a process to lose patience with its disk.
        let stalls = if faults.contains(&Fault::StallDisk) { 25 } else { 0 };
        Plan {
            seed,
            spares: random.within(0..3) as usize,
            nodes: if random.chance(15) { 5 } else { 3 },
            clients: random.within(2..7) as usize,
            watchers: random.within(1..5) as usize,
            length: (random.within(4..13) + stalls) * SECOND,
            fault_interval: random.within(1..20) * SECOND / 10,
            faults,
            think: [2_000, 20_000, 100_000][random.within(0..3) as usize],
            ring_bytes: [1, 2_000, 1 << 20][random.within(0..3) as usize],
            flush_entries: [20, 200, 100_000][random.within(0..3) as usize],
            tail_bytes: [2_000, 16 << 20][random.within(0..2) as usize],
            compacts: random.chance(60),
            tick: [10_000, 50_000][random.within(0..2) as usize],
            request_timeout: [SECOND / 2, 5 * SECOND][random.within(0..2) as usize],
            snapshot_rate: [60_000, 1 << 20, 64 << 20][random.within(0..3) as usize],
            snapshot_part: [2_000, 10_000, 512 << 10][random.within(0..3) as usize],
            restores: if random.chance(25) { random.within(1..3) } else { 0 },
        }
    }

    /// Whether nothing happens that could cost a leader its followers.
    pub(crate) fn is_calm(&self) -> bool {
        self.faults.iter().all(|fault| *fault == Fault::FalseEnds)
    }

    /// The plan of a cluster that begins with one node, restored from a backup, and grows.
    pub(crate) fn restored(&self, round: u64, now: u64) -> Plan {
        let mut random = Random::new(self.seed ^ (round + 1) << 32);
        let usual = [Fault::EndProcess, Fault::CutPower, Fault::Pause, Fault::Isolate];
        let faults = vec![Fault::ChangeMembers, *random.pick(&usual).unwrap_or(&Fault::EndProcess)];
        let length = now + random.within(2..6) * SECOND;
        let seed = random.next();
        Plan {
            seed,
            nodes: 1,
            spares: 2,
            length,
            faults,
            fault_interval: SECOND / 4,
            restores: 0,
            ..self.clone()
        }
    }

    /// The plan of a seed with the faults under which a bug shows: for tests that have little time.
    pub fn aimed_at(bug: Bug, seed: u64) -> Plan {
        let mut plan = Plan::new(seed);
        let faults: &[Fault] = match bug {
            Bug::LeaseRead | Bug::FollowerRead | Bug::ReadBeforeApply => &[Fault::Isolate, Fault::Pause],
            Bug::ReusedReadContext => &[Fault::FarHost],
            Bug::NoFsync | Bug::RetrySync => &[Fault::CutPower, Fault::DiskFails],
            Bug::ReusedBoot => &[Fault::CrashLoop],
            Bug::ForgottenRevision => &[Fault::EndProcess],
            Bug::VoteNotSynced => &[Fault::PowerAtVote],
            Bug::TornMeta | Bug::CutTooFar => &[Fault::EndProcess, Fault::CutPower],
            Bug::ResumeLosesPart => {
                &[Fault::EndReceivers, Fault::EndReceivers, Fault::EndReceivers, Fault::ChangeMembers]
            }
            Bug::SnapshotSkipsEvents | Bug::SnapshotLosesSessions => &[Fault::Isolate],
            Bug::UncomparedHashes => &[Fault::FlipMemory],
            Bug::ForgottenDistrust => &[Fault::FlipMemory, Fault::EndProcess],
            Bug::ForgottenRemoval => &[Fault::ChangeMembers],
            Bug::LoneReadsBesideLearners => &[Fault::Stall, Fault::ChangeMembers],
            Bug::PatientDisk => &[Fault::StallDisk],
            Bug::ForcedSuccession => &[Fault::FalseEnds],
            Bug::RestoreGoesOn | Bug::SecondRestore | Bug::RestoreKeepsHistory | Bug::LostWake => {
                &[Fault::EndProcess]
            }
            Bug::FullDisk => &[Fault::FillDisk],
            Bug::ForgottenLog => &[Fault::DamageState, Fault::Isolate, Fault::CutPower],
            Bug::IgnoreWatermark => &[Fault::Damage],
            Bug::HastyRefusal | Bug::TimeoutMeansRefused => {
                &[Fault::Isolate, Fault::Lossy, Fault::EndProcess]
            }
            _ => return plan,
        };
        plan.faults = faults.to_vec();
        plan.flush_entries = 20;
        plan.tail_bytes = 2_000;
        if bug == Bug::ResumeLosesPart {
            (plan.spares, plan.fault_interval) = (2, SECOND / 5);
            (plan.snapshot_rate, plan.snapshot_part, plan.tail_bytes) = (60_000, 200, 20_000);
        }
        if bug == Bug::LoneReadsBesideLearners {
            (plan.nodes, plan.spares, plan.think, plan.fault_interval) = (1, 2, 2_000, SECOND / 2);
        }
        if bug == Bug::ReusedBoot {
            (plan.think, plan.fault_interval) = (2_000, SECOND);
        }
        if bug == Bug::ForgottenRemoval {
            (plan.spares, plan.fault_interval) = (2, SECOND / 5);
        }
        if matches!(bug, Bug::RestoreGoesOn | Bug::SecondRestore | Bug::RestoreKeepsHistory) {
            plan.restores = 2;
        }
        if bug == Bug::PatientDisk {
            (plan.length, plan.fault_interval) = (50 * SECOND, 5 * SECOND);
        }
        plan
    }
}
