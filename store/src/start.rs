//! Starting and ending the threads of a store.
//!
//! Keeps: the owner ends first, when what is in flight is answered; then log and state, which it tells to; then
//! their helpers. The state is flushed last, so that the next start replays no log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, watch};

use crate::admission::Admission;
use crate::disk::{DataDir, Identity};
use crate::engine::{StateStore, StateWrite};
use crate::error::{DiskError, OpenError};
use crate::fatal::{fatal, spawn};
use crate::machine::Machine;
use crate::mailbox::Mailbox;
use crate::milestone::Milestone;
use crate::open::Recovered;
use crate::options::Options;
use crate::past::Roots;
use crate::raft::{Core, CoreOptions};
use crate::shared::{Figures, NEVER, OwnerEvent, ReadReply, Replica, Shared};
use crate::status::Leadership;
use crate::threads::{
    FlushEvent, LogEvent, LogThread, Owner, OwnerParts, SinceFlush, StateThread, Wake, run_flush, run_wake,
};
use crate::watch::{CATCH_UPS_MAX, Hubs};

/// A store whose threads run.
pub(crate) struct Started {
    pub(crate) shared: Arc<Shared>,
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
        let records = &self.shared.records;
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

/// Starts the threads on what was recovered.
pub(crate) fn start(options: Options, recovered: Recovered) -> Result<Started, OpenError> {
    let Recovered {
        data_dir,
        identity,
        boot,
        log,
        tail,
        log_bytes,
        watermark,
        records,
        machine,
        hubs,
        publisher,
    } = recovered;
    let core_options = CoreOptions {
        node: identity.node,
        boot,
        applied: machine.meta.applied,
        heartbeat_ticks: options.heartbeat_ticks,
        election_ticks: options.election_ticks,
        uncommitted_bytes_max: options.proposal_bytes_max as u64 * 2,
    };
    let core: Core<ReadReply> =
        Core::new(&core_options, tail).map_err(|error| data_dir.damaged(format!("Raft: {error}")))?;
    let shared = Arc::new(share(options, identity, boot, &machine, records.clone(), hubs));
    let log_mailbox: Arc<Mailbox<LogEvent>> = Arc::new(Mailbox::new());
    let state_mailbox = Arc::new(Mailbox::new());
    let flush_mailbox = Arc::new(Mailbox::new());
    let wake_mailbox = Arc::new(Mailbox::new());
    let flush_busy = Arc::new(AtomicBool::new(false));
    let owner = Owner::new(OwnerParts {
        shared: shared.clone(),
        core,
        log: log_mailbox.clone(),
        state: state_mailbox.clone(),
    });
    let log_thread = LogThread {
        shared: shared.clone(),
        mailbox: log_mailbox.clone(),
        log,
        watermark,
        watermark_synced: shared.options.clock.now(),
        watermark_dirty: false,
    };
    let state_thread = StateThread {
        shared: shared.clone(),
        mailbox: state_mailbox,
        machine,
        publisher,
        flush: flush_mailbox.clone(),
        flush_busy: flush_busy.clone(),
        wake: wake_mailbox.clone(),
        since_flush: SinceFlush { bytes: log_bytes, entries: 0 },
        erasing: false,
        write: StateWrite::default(),
    };
    state_thread.keep_figures();
    let start = |name, body: Box<dyn FnOnce() + Send>| {
        spawn(name, body).map_err(|error| data_dir.disk(DiskError::io("start a thread")(error)))
    };
    let chain = vec![
        start("store-owner", Box::new(move || owner.run()))?,
        start("store-log", Box::new(move || log_thread.run()))?,
        start("store-state", Box::new(move || state_thread.run()))?,
    ];
    let mailbox = flush_mailbox.clone();
    let flush =
        start("store-flush", Box::new(move || run_flush(&mailbox, &records, &log_mailbox, &flush_busy)))?;
    let mailbox = wake_mailbox.clone();
    let wake = start("store-wake", Box::new(move || run_wake(&mailbox)))?;
    let threads =
        Threads { shared: shared.clone(), chain, flush: (flush_mailbox, flush), wake: (wake_mailbox, wake) };
    Ok(Started { shared, threads, data_dir })
}

/// What the threads and the callers share, at the point where the records end.
fn share(
    options: Options,
    identity: Identity,
    boot: u64,
    machine: &Machine,
    records: Arc<dyn StateStore>,
    hubs: Arc<Hubs>,
) -> Shared {
    let admission = Arc::new(Admission::new(options.proposals_max, options.proposal_bytes_max));
    let shared = Shared {
        options,
        identity,
        boot,
        state: ArcSwap::from_pointee(machine.state.clone()),
        hubs,
        records,
        applied: Milestone::default(),
        published: Milestone::default(),
        recorded: Milestone::default(),
        admission,
        owner: Mailbox::new(),
        owner_waits_for: AtomicU64::new(NEVER),
        replica: Mutex::new(Replica::default()),
        replica_changed: Condvar::new(),
        fast_reads: AtomicU64::new(NEVER),
        leadership: watch::Sender::new(Leadership::default()),
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
