//! A simulated node: the parts of a store, each taking its turn when the world says so.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake as TaskWake, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use crate::backup::{self, BackupError, BackupInfo};
use crate::clock::Clock;
use crate::disk::Identity;
use crate::engine::Engine;
use crate::error::OpenError;
use crate::mailbox::Mailbox;
use crate::open::recover_simulated;
use crate::options::Options;
use crate::peers::{PeerFrame, Peers};
use crate::shared::Shared;
use crate::sim::disk::SimDisk;
use crate::start::{Assembly, assemble};
use crate::store::Store;
use crate::tasks::{Task, Tasks};
use crate::threads::{FlushThread, LogThread, Owner, SnapshotThread, StateThread, Wake, wake_turn};

/// The parts of a node that take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Owner,
    Log,
    State,
    Flush,
    Wake,
    Tasks,
    Snapshot,
}

impl Part {
    pub(crate) const ALL: [Part; 7] =
        [Part::Owner, Part::Log, Part::State, Part::Flush, Part::Wake, Part::Tasks, Part::Snapshot];
}

/// A node's clock: it starts anywhere and runs a little too fast or too slow.
#[derive(Debug)]
pub(crate) struct SimClock {
    start: u64,
    /// Local nanoseconds per simulated microsecond.
    rate: u64,
    now: AtomicU64,
}

impl SimClock {
    pub(crate) fn new(start: u64, rate: u64) -> SimClock {
        SimClock { start, rate, now: AtomicU64::new(start) }
    }

    /// Brings the clock to a moment of the world, in microseconds.
    pub(crate) fn set(&self, world: u64) {
        self.now.store(self.start + world * self.rate, Ordering::Relaxed);
    }

    /// The moment of the world at which the clock shows `local`.
    pub(crate) fn world_at(&self, local: Duration) -> u64 {
        let nanos = u64::try_from(local.as_nanos()).unwrap_or(u64::MAX);
        nanos.saturating_sub(self.start).div_ceil(self.rate)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.now.load(Ordering::Relaxed))
    }
}

/// A waker that leaves a mark.
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn raised() -> Arc<Flag> {
        Arc::new(Flag(AtomicBool::new(true)))
    }

    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl TaskWake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Frames that a node has sent and the network has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<Vec<PeerFrame>>);

impl Peers for Outbox {
    fn send(&self, frame: PeerFrame) {
        self.0.lock().push(frame);
    }
}

impl Outbox {
    pub(crate) fn take(&self) -> Vec<PeerFrame> {
        std::mem::take(&mut *self.0.lock())
    }
}

/// Work that no thread of the store does.
#[derive(Debug, Default)]
pub(crate) struct SimTasks {
    queue: Mutex<VecDeque<Item>>,
}

enum Item {
    Task(Task, Arc<Flag>),
    Work(Box<dyn FnOnce() + Send>),
}

impl std::fmt::Debug for Item {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Item")
    }
}

impl Tasks for SimTasks {
    fn spawn(&self, task: Task) {
        self.queue.lock().push_back(Item::Task(task, Flag::raised()));
    }

    fn block(&self, work: Box<dyn FnOnce() + Send>) {
        self.queue.lock().push_back(Item::Work(work));
    }
}

impl SimTasks {
    fn has_work(&self) -> bool {
        self.queue.lock().iter().any(|item| match item {
            Item::Task(_, flag) => flag.is_raised(),
            Item::Work(_) => true,
        })
    }

    /// Runs what can run now.
    fn turn(&self) {
        let items = std::mem::take(&mut *self.queue.lock());
        for item in items {
            match item {
                Item::Work(work) => work(),
                Item::Task(mut task, flag) => {
                    if flag.take() && poll(&mut task, &flag).is_ready() {
                        continue;
                    }
                    self.queue.lock().push_back(Item::Task(task, flag));
                }
            }
        }
    }
}

/// Polls a future once; its waker raises the flag.
pub(crate) fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>, flag: &Arc<Flag>) -> Poll<F::Output> {
    let waker = Waker::from(flag.clone());
    future.as_mut().poll(&mut Context::from_waker(&waker))
}

/// A node whose process runs.
pub(crate) struct Running {
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    pub(crate) outbox: Arc<Outbox>,
    owner: Option<Owner>,
    log: Option<LogThread>,
    state: Option<StateThread>,
    flush: FlushThread,
    snapshot: SnapshotThread,
    wake: Arc<Mailbox<Wake>>,
    tasks: Arc<SimTasks>,
    /// When each part takes its next turn, in microseconds of the world.
    scheduled: [u64; Part::ALL.len()],
}

/// What a turn of a part says about its next one.
pub(crate) enum Next {
    /// When a message comes.
    Message,
    /// When a message comes, or at this moment of the node's clock.
    At(Duration),
}

pub(crate) const NEVER_SCHEDULED: u64 = u64::MAX;

impl Running {
    /// Starts a process on what the disk holds.
    pub(crate) fn start(
        mut options: Options,
        identity: Identity,
        disk: &SimDisk,
        seed: u64,
    ) -> Result<Running, OpenError> {
        let outbox = Arc::new(Outbox::default());
        let tasks = Arc::new(SimTasks::default());
        options.peers = outbox.clone();
        options.tasks = tasks.clone();
        let engine: Arc<dyn Engine> = Arc::new(disk.clone());
        let recovered = recover_simulated(&options, &*engine, identity)?;
        let Assembly { shared, owner, log, state, flush, snapshot, wake, data_dir } =
            assemble(options, recovered, engine, seed)?;
        Ok(Running {
            store: Store::simulated(shared.clone(), state.mailbox.clone(), data_dir),
            shared,
            outbox,
            owner: Some(owner),
            log: Some(log),
            state: Some(state),
            flush,
            snapshot,
            wake,
            tasks,
            scheduled: [NEVER_SCHEDULED; Part::ALL.len()],
        })
    }

    pub(crate) fn scheduled(&mut self, part: Part) -> &mut u64 {
        &mut self.scheduled[part as usize]
    }

    /// Whether a part has something to do.
    pub(crate) fn is_due(&self, part: Part) -> bool {
        match part {
            Part::Owner => self.owner.is_some() && !self.shared.owner.is_empty(),
            Part::Log => self.log.as_ref().is_some_and(|log| !log.mailbox.is_empty()),
            Part::State => self.state.as_ref().is_some_and(|state| !state.mailbox.is_empty()),
            Part::Flush => !self.flush.mailbox.is_empty(),
            Part::Wake => !self.wake.is_empty(),
            Part::Tasks => self.tasks.has_work(),
            Part::Snapshot => !self.snapshot.mailbox.is_empty(),
        }
    }

    /// How many snapshots this process has installed.
    pub(crate) fn snapshots(&self) -> u64 {
        self.shared.figures.snapshots_installed.load(Ordering::Relaxed)
    }

    /// How many snapshots this process went on receiving.
    pub(crate) fn resumed(&self) -> u64 {
        self.shared.figures.snapshots_resumed.load(Ordering::Relaxed)
    }

    /// Whether a snapshot is on its way to this process.
    pub(crate) fn receives_snapshot(&self) -> bool {
        self.snapshot.incoming.is_some()
    }

    /// Flips a bit in the memory that holds the state.
    pub(crate) fn flip_memory(&mut self, bit: u64) {
        if let Some(state) = &mut self.state {
            state.machine.flip_memory(bit);
        }
    }

    /// Saves everything, as an administrator does.
    pub(crate) fn save_backup(&mut self, now: u64) -> Result<(Vec<u8>, BackupInfo), BackupError> {
        let state = self.state.as_mut().ok_or(BackupError::Stopping)?;
        let mut file = Vec::new();
        let tell = |event| {
            state.turn(&mut vec![event]);
        };
        let info = backup::save(&self.shared, tell, now, &mut file, &mut |_, _| {})?;
        Ok((file, info))
    }

    /// Whether the state is noted on the disk as one that must not be served.
    pub(crate) fn has_distrusted(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.has_distrusted)
    }

    /// Whether the log thread was given something that it has not answered.
    pub(crate) fn waits_for_log(&self) -> bool {
        self.owner.as_ref().is_some_and(Owner::waits_for_log)
    }

    /// The applied index and the hash of the state there.
    pub(crate) fn hash(&self) -> Option<(u64, u128)> {
        self.state.as_ref().map(|state| (state.machine.meta.applied, state.machine.hash()))
    }

    /// Whether this node was found to be wrong and has not been mended.
    pub(crate) fn is_out_of_service(&self) -> bool {
        self.shared.out_of_service.load(Ordering::SeqCst) || !self.shared.divergence.lock().is_empty()
    }

    /// Whether a graceful stop has come to its end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.owner.is_none() && self.log.is_none() && self.state.is_none()
    }

    /// Lets a part take its turn.
    pub(crate) fn turn(&mut self, part: Part) -> Next {
        match part {
            Part::Owner => {
                let Some(owner) = &mut self.owner else { return Next::Message };
                let mut events = Vec::new();
                self.shared.owner.try_take(&mut events);
                match owner.turn(&mut events) {
                    Some(wait) => return Next::At(wait.until),
                    None => self.owner = None,
                }
            }
            Part::Log => {
                let Some(log) = &mut self.log else { return Next::Message };
                let mut events = Vec::new();
                log.mailbox.try_take(&mut events);
                if log.turn(&mut events) {
                    return Next::At(self.shared.options.clock.now() + log.patience());
                }
                self.log = None;
            }
            Part::State => {
                let Some(state) = &mut self.state else { return Next::Message };
                let mut events = Vec::new();
                state.mailbox.try_take(&mut events);
                if !state.turn(&mut events) {
                    self.state = None;
                }
            }
            Part::Flush => {
                let mut events = Vec::new();
                self.flush.mailbox.try_take(&mut events);
                self.flush.turn(&mut events);
            }
            Part::Wake => {
                let mut events = Vec::new();
                self.wake.try_take(&mut events);
                wake_turn(&mut events);
            }
            Part::Tasks => self.tasks.turn(),
            Part::Snapshot => {
                let mut events = Vec::new();
                self.snapshot.mailbox.try_take(&mut events);
                self.snapshot.turn(&mut events);
            }
        }
        Next::Message
    }
}
