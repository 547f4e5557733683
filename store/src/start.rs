//! Starting and ending the threads of a store.
//!
//! Keeps: the owner ends first, when what is in flight is answered; then log and state, which it tells to; then
//! their helpers. The state is flushed last, so that the next start replays no log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{Semaphore, watch};

use crate::admission::Admission;
use crate::disk::{DataDir, Identity, SpaceWatch};
use crate::engine::{Engine, StateStore, StateWrite};
use crate::error::{DiskError, OpenError};
use crate::fatal::{fatal, spawn};
use crate::machine::Machine;
use crate::mailbox::Mailbox;
use crate::milestone::Milestone;
use crate::open::Recovered;
use crate::options::Options;
use crate::past::Roots;
use crate::raft::{Core, CoreOptions};
use crate::shared::{Figures, Inbound, Membership, NEVER, OwnerEvent, Reader, Replica, Shared};
use crate::status::Leadership;
use crate::threads::{
    FlushEvent, FlushThread, LogEvent, LogThread, Owner, OwnerParts, Pace, SinceFlush, SnapshotThread,
    StateEvent, StateThread, Wake, run_wake,
};
use crate::watch::{CATCH_UPS_MAX, Hubs};

/// A store whose threads run.
pub(crate) struct Started {
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: Arc<Mailbox<StateEvent>>,
    pub(crate) threads: Threads,
    pub(crate) data_dir: DataDir,
}

/// The running threads and the mailboxes that stop them.
#[derive(Debug)]
pub(crate) struct Threads {
    shared: Arc<Shared>,
    /// These end by themselves, in this order, after the owner was told to stop.
    chain: Vec<JoinHandle<()>>,
    flush: (Arc<Mailbox<FlushEvent>>, JoinHandle<()>),
    wake: (Arc<Mailbox<Wake>>, JoinHandle<()>),
}

impl Threads {
    /// Tells the threads to end and waits for them.
    pub(crate) fn join(self) {
        self.shared.owner.push(OwnerEvent::Stop);
        for thread in self.chain {
            join(thread);
        }
        let (mailbox, thread) = self.flush;
        mailbox.push(FlushEvent::Stop);
        join(thread);
        let (mailbox, thread) = self.wake;
        mailbox.push(Wake::Stop);
        join(thread);
        // The next start then replays no log.
        let records = self.shared.records();
        for milestone in [&self.shared.applied, &self.shared.published, &self.shared.recorded] {
            milestone.close();
        }
        if let Err(error) = records.begin_flush().and_then(|()| records.finish_flush()) {
            tracing::error!(%error, "the state could not be flushed; the next start replays the log");
        }
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        fatal("a thread of the store panicked");
    }
}

/// What a store consists of, before anything runs.
pub(crate) struct Assembly {
    pub(crate) shared: Arc<Shared>,
    pub(crate) owner: Owner,
    pub(crate) log: LogThread,
    pub(crate) state: StateThread,
    pub(crate) flush: FlushThread,
    pub(crate) snapshot: SnapshotThread,
    pub(crate) wake: Arc<Mailbox<Wake>>,
    pub(crate) data_dir: DataDir,
}

/// Starts the threads on what was recovered.
pub(crate) fn start(
    options: Options,
    recovered: Recovered,
    engine: Arc<dyn Engine>,
) -> Result<Started, OpenError> {
    let seed = getrandom::u64().map_err(|error| {
        let source = std::io::Error::other(error.to_string());
        recovered.data_dir.disk(DiskError::io("get random bytes")(source))
    })?;
    let Assembly { shared, owner, log, state, flush, snapshot, wake, data_dir } =
        assemble(options, recovered, engine, seed)?;
    let flush_mailbox = flush.mailbox.clone();
    let state_mailbox = state.mailbox.clone();
    let start = |name, body: Box<dyn FnOnce() + Send>| {
        spawn(name, body).map_err(|error| data_dir.disk(DiskError::io("start a thread")(error)))
    };
    let chain = vec![
        start("store-owner", Box::new(move || owner.run()))?,
        start("store-log", Box::new(move || log.run()))?,
        start("store-state", Box::new(move || state.run()))?,
        start("store-snapshot", Box::new(move || snapshot.run()))?,
    ];
    let flush = start("store-flush", Box::new(move || flush.run()))?;
    let mailbox = wake.clone();
    let wake_thread = start("store-wake", Box::new(move || run_wake(&mailbox)))?;
    let threads =
        Threads { shared: shared.clone(), chain, flush: (flush_mailbox, flush), wake: (wake, wake_thread) };
    Ok(Started { shared, state: state_mailbox, threads, data_dir })
}

/// Puts a store together on what was recovered. Election timeouts follow from the seed.
pub(crate) fn assemble(
    options: Options,
    recovered: Recovered,
    engine: Arc<dyn Engine>,
    seed: u64,
) -> Result<Assembly, OpenError> {
    let Recovered {
        data_dir,
        identity,
        boot,
        awaits_state,
        distrusted,
        log,
        tail,
        log_bytes,
        watermark,
        records,
        machine,
        hubs,
        publisher,
        beginnings,
    } = recovered;
    let core_options = CoreOptions {
        node: identity.node,
        boot,
        applied: machine.meta.applied,
        awaits_state,
        heartbeat_ticks: options.heartbeat_ticks,
        election_ticks: options.election_ticks,
        uncommitted_bytes_max: options.proposal_bytes_max as u64 * 2,
        seed,
    };
    let core: Core<Reader> =
        Core::new(&core_options, tail).map_err(|error| data_dir.damaged(format!("Raft: {error}")))?;
    let shared = Arc::new(share(options, identity, boot, awaits_state, &machine, records.clone(), hubs));
    let log_mailbox: Arc<Mailbox<LogEvent>> = Arc::new(Mailbox::new());
    let state_mailbox = Arc::new(Mailbox::new());
    let flush_mailbox = Arc::new(Mailbox::new());
    let wake_mailbox = Arc::new(Mailbox::new());
    let snapshot_mailbox = Arc::new(Mailbox::new());
    let flush_busy = Arc::new(AtomicBool::new(false));
    let owner = Owner::new(OwnerParts {
        shared: shared.clone(),
        core,
        log: log_mailbox.clone(),
        state: state_mailbox.clone(),
        snapshots: snapshot_mailbox.clone(),
    });
    let log_thread = LogThread {
        shared: shared.clone(),
        mailbox: log_mailbox.clone(),
        log,
        watermark,
        watermark_synced: shared.options.clock.now(),
        watermark_dirty: false,
        space: SpaceWatch::new(engine.clone(), data_dir.path().to_owned(), shared.options.disk_reserve_bytes),
        held: Vec::new(),
        held_switch: None,
        held_distrust: false,
        has_distrusted: distrusted,
    };
    let state_thread = StateThread {
        shared: shared.clone(),
        mailbox: state_mailbox,
        machine,
        publisher,
        flush: flush_mailbox.clone(),
        flush_busy: flush_busy.clone(),
        wake: wake_mailbox.clone(),
        snapshots: snapshot_mailbox.clone(),
        log: log_mailbox.clone(),
        records,
        since_flush: SinceFlush { bytes: log_bytes, entries: 0 },
        erasing: false,
        write: StateWrite::default(),
    };
    state_thread.keep_figures();
    let flush = FlushThread { mailbox: flush_mailbox, log: log_mailbox, busy: flush_busy };
    let snapshot = SnapshotThread {
        shared: shared.clone(),
        mailbox: snapshot_mailbox,
        engine,
        states: data_dir.states_directory(),
        outgoing: BTreeMap::new(),
        incoming: None,
        beginnings,
        pace: Pace::new(shared.options.snapshot_bytes_per_second),
        counter: 0,
    };
    Ok(Assembly {
        snapshot,
        shared,
        owner,
        log: log_thread,
        state: state_thread,
        flush,
        wake: wake_mailbox,
        data_dir,
    })
}

/// What the threads and the callers share, at the point where the records end.
fn share(
    options: Options,
    identity: Identity,
    boot: u64,
    awaits_state: bool,
    machine: &Machine,
    records: Arc<dyn StateStore>,
    hubs: Arc<Hubs>,
) -> Shared {
    let admission = Arc::new(Admission::new(options.proposals_max, options.proposal_bytes_max));
    let shared = Shared {
        options,
        identity,
        boot,
        lone: machine.meta.conf.voters == [identity.node],
        state: ArcSwap::from_pointee(machine.state.clone()),
        hubs,
        records: RwLock::new(records),
        snapshots: AtomicUsize::new(0),
        saving: AtomicUsize::new(0),
        applied: Milestone::default(),
        published: Milestone::default(),
        recorded: Milestone::default(),
        admission,
        inbound: Inbound::default(),
        owner: Mailbox::new(),
        owner_waits_for: AtomicU64::new(NEVER),
        replica: Mutex::new(Replica::default()),
        replica_changed: Condvar::new(),
        fast_reads: AtomicU64::new(NEVER),
        leadership: watch::Sender::new(Leadership::default()),
        members: watch::Sender::new(Membership::of(&machine.meta)),
        roll: Mutex::default(),
        mark: Mutex::default(),
        divergence: Mutex::default(),
        out_of_service: AtomicBool::new(false),
        refuses_growth: AtomicBool::new(false),
        awaits_state: AtomicBool::new(awaits_state),
        stopping: AtomicBool::new(false),
        figures: Figures::default(),
        roots: Mutex::new(Roots::default()),
        catch_ups: Semaphore::new(CATCH_UPS_MAX),
    };
    shared.applied.reach(machine.meta.applied);
    shared.published.reach(machine.state.revision);
    shared.recorded.reach(machine.state.revision);
    shared
}
