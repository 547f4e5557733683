//! The owner thread: the only one that drives the core. It never touches disk or state, so a slow disk cannot cost
//! a heartbeat.
//!
//! Group commit: while a batch is being synced, proposals gather and become the next batch; when the log is idle,
//! a proposal goes at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::command::{Encoded, Session, session_of};
use crate::fatal::fatal;
use crate::floor::{FloorPolicy, Sample};
use crate::gather::Gather;
use crate::mailbox::Mailbox;
use crate::raft::{Committed, Core, Role};
use crate::shared::{NEVER, OwnerEvent, Proposal, ReadReply, Replica, Reply, Shared};
use crate::status::Leadership;
use crate::threads::{LogEvent, StateEvent};
use crate::txn::{Outcome, Why};

/// Bytes that one append may carry.
const APPEND_BYTES_MAX: usize = 8 << 20;
/// How often requests that nobody can answer any more are looked for, in ticks.
const SWEEP_TICKS: u64 = 10;
/// How long a stop waits for what is in flight.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The owner thread's own things.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    core: Core<ReadReply>,
    log: Arc<Mailbox<LogEvent>>,
    state: Arc<Mailbox<StateEvent>>,
    queued: VecDeque<Proposal>,
    /// Proposals in the log that are not committed yet, by sequence.
    pending: FxHashMap<u64, Pending>,
    sequence: u64,
    floor: FloorPolicy,
    gather: Gather,
    known: Known,
    next_tick: Duration,
    ticks: u64,
    stop_by: Option<Duration>,
}

/// What the owner is made of.
pub(crate) struct OwnerParts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) core: Core<ReadReply>,
    pub(crate) log: Arc<Mailbox<LogEvent>>,
    pub(crate) state: Arc<Mailbox<StateEvent>>,
}

#[derive(Debug)]
struct Pending {
    reply: Reply,
    deadline: Duration,
}

/// What was last published about the replica.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    replica: Replica,
    leads_its_term: bool,
    sole_voter: bool,
    /// The index whose application makes this leader's view complete.
    complete_from: u64,
    announced: Leadership,
}

impl Owner {
    pub(crate) fn new(parts: OwnerParts) -> Owner {
        let OwnerParts { shared, core, log, state } = parts;
        let floor = FloorPolicy::new(shared.options.history, shared.options.history_bytes);
        let gather = Gather::new(shared.options.gather);
        let next_tick = shared.options.clock.now() + shared.options.tick;
        Owner {
            shared,
            core,
            log,
            state,
            queued: VecDeque::new(),
            pending: FxHashMap::default(),
            sequence: 0,
            floor,
            gather,
            known: Known::default(),
            next_tick,
            ticks: 0,
            stop_by: None,
        }
    }

    pub(crate) fn run(mut self) {
        if self.core.is_sole_voter() {
            self.campaign();
        }
        let mut events = Vec::new();
        loop {
            let (wanted, until) = self.drive();
            if self.is_finished() {
                break;
            }
            let patience = until.min(self.next_tick).saturating_sub(self.shared.options.clock.now());
            self.shared.owner.take(&mut events, wanted, Some(patience));
            for event in events.drain(..) {
                self.handle(event);
            }
            self.tick();
        }
        self.log.push(LogEvent::Stop);
        self.state.push(StateEvent::Stop);
        self.abandon();
    }

    fn handle(&mut self, event: OwnerEvent) {
        match event {
            OwnerEvent::Propose(proposal) if self.stop_by.is_some() => proposal.reply.refuse(Why::Stopping),
            OwnerEvent::Propose(proposal) => self.queued.push_back(proposal),
            OwnerEvent::Read(reply) => self.core.read(reply),
            OwnerEvent::Persisted(number, buffers) => {
                self.core.persisted(number);
                buffers.into_iter().for_each(|buffer| self.core.recycle(buffer));
            }
            // The next drive looks at the applied index.
            OwnerEvent::Applied => {}
            OwnerEvent::Stop => {
                self.stop_by.get_or_insert(self.shared.options.clock.now() + STOP_PATIENCE);
            }
        }
    }

    fn campaign(&mut self) {
        if let Err(error) = self.core.campaign() {
            tracing::warn!(%error, "campaigning failed");
        }
    }

    fn tick(&mut self) {
        let now = self.shared.options.clock.now();
        if now < self.next_tick {
            return;
        }
        // After a pause the missed ticks are not made up for: they would only cause an election.
        self.next_tick = now + self.shared.options.tick;
        self.ticks += 1;
        self.core.tick();
        if self.ticks.is_multiple_of(SWEEP_TICKS) {
            self.sweep(now);
        }
        if self.known.announced.leads && self.stop_by.is_none() {
            self.propose_floor(now);
        }
    }

    /// Answers those whose proposal may never be committed, and forgets reads nobody waits for.
    fn sweep(&mut self, now: Duration) {
        self.core.retain_readers(|reader| !reader.is_closed());
        let late: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.deadline <= now)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in late {
            if let Some(pending) = self.pending.remove(&sequence) {
                pending.reply.send(Outcome::Unknown);
            }
        }
    }

    fn propose_floor(&mut self, now: Duration) {
        let superseded = self.shared.figures.superseded_bytes.load(Ordering::Relaxed);
        let revision = self.shared.published.reached();
        let Some(floor) = self.floor.floor(Sample { at: now, revision, superseded }) else { return };
        if floor > self.shared.state.load().floor {
            // Nobody waits for the outcome: the next sample asks again.
            let _ = self.shared.propose(Encoded::compact(floor), None);
        }
    }

    /// Does what the core wants until it wants nothing more, and appends what has gathered. Gives how many more
    /// proposals are worth waking up for, and until when to wait for them.
    fn drive(&mut self) -> (usize, Duration) {
        self.core.applied(self.shared.applied.reached());
        while self.core.has_output() {
            self.output();
        }
        let mut wait = self.append_when_due();
        while self.core.has_output() {
            self.output();
            wait = self.append_when_due();
        }
        self.publish();
        wait
    }

    fn append_when_due(&mut self) -> (usize, Duration) {
        if self.core.is_persisting() {
            // The next batch gathers until this one is synced.
            return (usize::MAX, Duration::MAX);
        }
        let now = self.shared.options.clock.now();
        let patient = self.stop_by.is_none() && self.core.role() == Role::Leader;
        let in_flight = self.shared.admission.in_flight();
        match self.gather.wait(now, self.queued.len(), in_flight).filter(|_| patient) {
            Some(wait) => wait,
            None => {
                self.append();
                (1, Duration::MAX)
            }
        }
    }

    fn output(&mut self) {
        let output = self.core.output().unwrap_or_else(|error| fatal(format_args!("the log holds {error}")));
        // Peers arrive with the transport; a sole voter has nobody to write to.
        drop(output.messages);
        if let Some(batch) = output.log {
            self.log.push(LogEvent::Append(batch));
        }
        if !output.committed.is_empty() {
            let batch = output.committed.into_iter().map(|entry| self.claim(entry)).collect();
            self.state.push(StateEvent::Apply(batch));
        }
        for (index, readers) in output.reads {
            for reader in readers {
                // A reader that went away needs no answer.
                let _ = reader.send(index);
            }
        }
    }

    /// Joins a committed entry with the caller that waits for it here.
    fn claim(&mut self, entry: Committed) -> (Committed, Option<Reply>) {
        if entry.data.is_empty() {
            return (entry, None);
        }
        let session =
            session_of(&entry.data).unwrap_or_else(|error| fatal(format_args!("the log holds {error}")));
        let own = session.node == self.shared.identity.node && session.boot == self.shared.boot;
        let pending = if own { self.pending.remove(&session.sequence) } else { None };
        (entry, pending.map(|pending| pending.reply))
    }

    /// Appends the queued proposals to the log as one batch.
    fn append(&mut self) {
        if self.queued.is_empty() {
            return;
        }
        if self.core.role() != Role::Leader {
            self.queued.drain(..).for_each(|proposal| proposal.reply.refuse(Why::NoLeader));
            return;
        }
        let deadline = self.shared.options.clock.now() + self.shared.options.request_timeout;
        let term = self.core.term();
        let first = self.sequence + 1;
        let mut bytes = 0;
        let mut batch = Vec::with_capacity(self.queued.len());
        while let Some(proposal) = self.queued.pop_front() {
            if proposal.fence.is_some_and(|fence| fence != term) {
                proposal.reply.refuse(Why::Fenced);
                continue;
            }
            bytes += proposal.command.len();
            self.sequence += 1;
            let session =
                Session { node: self.shared.identity.node, boot: self.shared.boot, sequence: self.sequence };
            batch.push(proposal.command.into_data(session));
            self.pending.insert(self.sequence, Pending { reply: proposal.reply, deadline });
            if bytes >= APPEND_BYTES_MAX {
                break;
            }
        }
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.core.propose(batch) {
            // Refused before it entered the log: the sequences were used by nothing.
            tracing::debug!(%error, "proposals were dropped");
            for sequence in first..=self.sequence {
                if let Some(pending) = self.pending.remove(&sequence) {
                    pending.reply.refuse(Why::Overloaded);
                }
            }
        }
    }

    /// Publishes what changed about the replica.
    fn publish(&mut self) {
        let replica = Replica {
            leader: self.core.leader(),
            term: self.core.term(),
            commit: self.core.commit(),
            leads: self.core.role() == Role::Leader,
            complete: self.known.replica.complete,
        };
        let leads_its_term = self.core.leads_its_term();
        let changed = replica.term != self.known.replica.term
            || replica.leads != self.known.replica.leads
            || leads_its_term != self.known.leads_its_term;
        if changed || replica != self.known.replica {
            *self.shared.replica.lock() = replica;
            self.known.replica = replica;
        }
        if changed {
            self.known.leads_its_term = leads_its_term;
            self.known.sole_voter = self.core.is_sole_voter();
            self.known.complete_from = replica.commit;
            let alone = self.known.sole_voter && !self.shared.options.confirm_every_read;
            let fast = leads_its_term && alone;
            let from = if fast { replica.commit } else { NEVER };
            self.shared.fast_reads.store(from, Ordering::SeqCst);
        }
        self.announce(replica, leads_its_term);
    }

    /// Tells leader-only loops that they may start, once everything before this term is applied, or must stop.
    fn announce(&mut self, replica: Replica, leads_its_term: bool) {
        let complete = leads_its_term && self.has_applied(self.known.complete_from);
        let leads = complete && self.stop_by.is_none();
        let leadership = Leadership { term: replica.term, leads };
        if leadership != self.known.announced {
            self.known.announced = leadership;
            self.known.replica.complete = complete;
            self.shared.leadership.send_replace(leadership);
            *self.shared.replica.lock() = self.known.replica;
            self.shared.replica_changed.notify_all();
        }
    }

    /// Whether `index` is applied; if not, the state thread will say when it is.
    fn has_applied(&self, index: u64) -> bool {
        if self.shared.applied.reached() >= index {
            return true;
        }
        self.shared.owner_waits_for.store(index, Ordering::SeqCst);
        // It may have been applied before the state thread could see the wish.
        self.shared.applied.reached() >= index
    }

    fn is_finished(&self) -> bool {
        let Some(stop_by) = self.stop_by else { return false };
        let idle = self.queued.is_empty() && self.pending.is_empty() && !self.core.is_persisting();
        idle || self.shared.options.clock.now() >= stop_by
    }

    /// Answers everybody who is still waiting when the thread ends.
    fn abandon(mut self) {
        self.queued.drain(..).for_each(|proposal| proposal.reply.refuse(Why::Stopping));
        self.pending.drain().for_each(|(_, pending)| pending.reply.send(Outcome::Unknown));
        self.shared.fast_reads.store(NEVER, Ordering::SeqCst);
        for event in self.shared.owner.close() {
            if let OwnerEvent::Propose(proposal) = event {
                proposal.reply.refuse(Why::Stopping);
            }
        }
    }
}
