//! The owner: the only one that drives the core. It never touches disk or state, so a slow disk cannot cost a
//! heartbeat. It does one turn after the other; its thread, or a simulation, says when.
//!
//! Group commit: while a batch is being synced, proposals gather and become the next batch; when the log is idle,
//! a proposal goes at once. A node that does not lead sends its proposals to the leader.

mod disk_trouble;
mod membership;
mod proposals;
mod publish;
mod snapshots;
mod standings;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::asks::{Taken, Waiting};
use crate::bugs::{Bug, planted};
use crate::command::{Encoded, session_of};
use crate::fatal::fatal;
use crate::floor::{FloorPolicy, Sample};
use crate::gather::Gather;
use crate::mailbox::Mailbox;
use crate::peers::{Body, PeerFrame, PeerMessage, batches};
use crate::raft::{Committed, Core, Role};
use crate::shared::{NEVER, OwnerEvent, Proposal, Reader, Replica, Reply, Shared};
use crate::standing::Standing;
use crate::status::Leadership;
use crate::threads::pending::PendingTable;
use crate::threads::{Built, LogEvent, SnapshotEvent, StateEvent};
use crate::txn::Why;

/// Bytes that one append may carry.
const APPEND_BYTES_MAX: usize = 8 << 20;
/// Bytes that one forward may carry.
const FORWARD_BYTES_MAX: usize = 1 << 20;
/// How often requests that nobody can answer any more are looked for, in ticks.
const SWEEP_TICKS: u64 = 10;
/// How often the cluster level is looked at, in ticks.
const LEVEL_TICKS: u64 = 50;
/// How often a snapshot is asked for again, in ticks.
const SNAPSHOT_TICKS: u64 = 20;
/// Of how many ticks a node that is alone makes one: nobody waits for its heartbeats, and idle it shall cost nothing.
const LONE_TICKS: u32 = 10;
/// How long a stop waits for what is in flight.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long a leader that stops tries to hand over, in election timeouts.
const HAND_OVER_TIMEOUTS: u32 = 4;

/// The owner's own things.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    core: Core<Reader>,
    log: Arc<Mailbox<LogEvent>>,
    state: Arc<Mailbox<StateEvent>>,
    snapshots: Arc<Mailbox<SnapshotEvent>>,
    /// Proposals of this node's callers that have not been given a sequence.
    queued: VecDeque<Queued>,
    /// Proposals of other nodes that wait to be appended here.
    foreign: VecDeque<Vec<u8>>,
    foreign_bytes: usize,
    pending: PendingTable,
    /// When and for whom pending proposals were last looked through for another attempt: tick, term, leader.
    tried: (u64, u64, u64),
    /// When a snapshot was last asked for, per node.
    asked: BTreeMap<u64, u64>,
    /// Wishes that wait, here or for the leader's answer.
    asks: VecDeque<Waiting>,
    /// The wish that is being carried out here.
    under_way: Option<Waiting>,
    /// Asks of other nodes that were taken.
    taken: Taken,
    /// The number of the newest ask that was sent.
    ask_number: u64,
    /// What the members said about themselves, and when.
    standings: BTreeMap<u64, (Standing, Duration)>,
    /// The tick at which each node was last heard.
    heard: BTreeMap<u64, u64>,
    /// Since when the log thread has had something to sync.
    persisting_since: Option<Duration>,
    /// When a mark was last proposed, and the revision then.
    marked: (Duration, u64),
    /// For how long the log thread has not come back, not counting pauses of the whole process.
    stalled: Duration,
    /// How often the log thread had looked for room at the last tick.
    log_rounds: u64,
    /// When leadership was last offered because of the disk.
    offered_at: Duration,
    /// When this node last said how it stands, or called the roll.
    told_at: Duration,
    /// The received state to which the log is being switched.
    installing: Option<Box<Built>>,
    floor: FloorPolicy,
    gather: Gather,
    known: Known,
    next_tick: Duration,
    ticks: u64,
    stop: Option<Stop>,
}

/// What the owner is made of.
pub(crate) struct OwnerParts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) core: Core<Reader>,
    pub(crate) log: Arc<Mailbox<LogEvent>>,
    pub(crate) state: Arc<Mailbox<StateEvent>>,
    pub(crate) snapshots: Arc<Mailbox<SnapshotEvent>>,
}

/// Until when, and for how many more proposals, the owner waits after a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) wanted: usize,
    pub(crate) until: Duration,
}

#[derive(Debug)]
struct Queued {
    proposal: Proposal,
    deadline: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Stop {
    hand_over_by: Duration,
    by: Duration,
}

/// What was last published about the replica.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    replica: Replica,
    leads_its_term: bool,
    sole_voter: bool,
    only_member: bool,
    /// The index whose application makes this leader's view complete.
    complete_from: u64,
    announced: Leadership,
}

impl Owner {
    pub(crate) fn new(parts: OwnerParts) -> Owner {
        let OwnerParts { shared, core, log, state, snapshots } = parts;
        let floor = FloorPolicy::new(shared.options.history, shared.options.history_bytes);
        let gather = Gather::new(shared.options.gather);
        let next_tick = shared.options.clock.now() + shared.options.tick;
        // Numbers grow over restarts.
        let ask_number = shared.boot << 32;
        let mut owner = Owner {
            shared,
            core,
            log,
            state,
            snapshots,
            queued: VecDeque::new(),
            foreign: VecDeque::new(),
            foreign_bytes: 0,
            pending: PendingTable::default(),
            tried: (0, 0, 0),
            asked: BTreeMap::new(),
            asks: VecDeque::new(),
            under_way: None,
            taken: Taken::default(),
            ask_number,
            standings: BTreeMap::new(),
            heard: BTreeMap::new(),
            persisting_since: None,
            stalled: Duration::ZERO,
            log_rounds: 0,
            offered_at: Duration::ZERO,
            marked: (Duration::ZERO, 0),
            told_at: Duration::ZERO,
            installing: None,
            floor,
            gather,
            known: Known::default(),
            next_tick,
            ticks: 0,
            stop: None,
        };
        if owner.core.is_sole_voter() {
            owner.campaign();
        }
        owner
    }

    /// Takes turns until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Vec::new();
        while let Some(Wait { wanted, until }) = self.turn(&mut events) {
            let patience = until.saturating_sub(self.shared.options.clock.now());
            self.shared.owner.take(&mut events, wanted, Some(patience));
        }
    }

    /// Handles events and does what follows from them. After the last turn there is nothing to wait for.
    pub(crate) fn turn(&mut self, events: &mut Vec<OwnerEvent>) -> Option<Wait> {
        for event in events.drain(..) {
            self.handle(event);
        }
        self.tick();
        let wait = self.drive();
        if self.is_finished() {
            self.finish();
            return None;
        }
        Some(Wait { until: wait.until.min(self.next_tick), ..wait })
    }

    fn handle(&mut self, event: OwnerEvent) {
        match event {
            OwnerEvent::Propose(proposal) if self.stop.is_some() => proposal.reply.refuse(Why::Stopping),
            OwnerEvent::Propose(proposal) => {
                let deadline = self.shared.options.clock.now() + self.shared.options.request_timeout;
                self.queued.push_back(Queued { proposal, deadline });
            }
            OwnerEvent::Read(reader) => self.read(reader),
            OwnerEvent::Persisted(number, buffers) => {
                (self.persisting_since, self.stalled) = (None, Duration::ZERO);
                self.core.persisted(number);
                buffers.into_iter().for_each(|buffer| self.core.recycle(buffer));
            }
            // The next drive looks at the applied index.
            OwnerEvent::Applied => {}
            OwnerEvent::Peer(frame) => self.receive(frame),
            OwnerEvent::SnapshotBuilt(built) => self.install(built),
            OwnerEvent::SnapshotNotNeeded(index, term) => self.answer_snapshot(index, term),
            OwnerEvent::Switched => self.switched(),
            OwnerEvent::Wish(wish, reply) => self.wish(wish, reply),
            OwnerEvent::Unreachable(node) => self.core.report_unreachable(node),
            OwnerEvent::Ended(node) => self.core.report_ended(node),
            OwnerEvent::Stop => self.begin_stop(),
        }
    }

    fn read(&mut self, reader: Reader) {
        let leads = self.core.role() == Role::Leader;
        let careless = (planted(Bug::LeaseRead) && leads) || (planted(Bug::FollowerRead) && !leads);
        if careless {
            let _ = reader.reply.send(self.core.commit());
            return;
        }
        self.core.read(reader);
    }

    fn begin_stop(&mut self) {
        if self.stop.is_some() {
            return;
        }
        let now = self.shared.options.clock.now();
        let election = self.shared.options.tick * self.shared.options.election_ticks as u32;
        self.stop = Some(Stop { hand_over_by: now + election * HAND_OVER_TIMEOUTS, by: now + STOP_PATIENCE });
    }

    fn receive(&mut self, frame: PeerFrame) {
        self.shared.inbound.release(frame.size());
        let PeerFrame { from, message: PeerMessage(body), .. } = frame;
        self.heard.insert(from, self.ticks);
        match body {
            Body::Raft(messages) => {
                for message in messages {
                    // Each node speaks for itself only. What raft-rs refuses, it needs not.
                    if message.from == from && message.to == self.shared.identity.node {
                        let _ = self.core.step(message);
                    }
                }
            }
            Body::Forward(proposals) => self.take_in(from, proposals),
            Body::StateWanted => self.state_wanted(from),
            Body::Ask(ask) => self.take_ask(from, ask),
            Body::AskAnswer(answer) => self.take_ask_answer(from, answer),
            Body::Standing(standing) => self.take_standing(from, standing),
            Body::Roll(roll) => self.take_roll(from, roll),
            Body::Snapshot(chunk) => self.snapshots.push(SnapshotEvent::Received { from, chunk }),
            Body::SnapshotAnswer { id, answer } => {
                self.snapshots.push(SnapshotEvent::Answered { from, id, answer });
            }
        }
    }

    fn send(&self, to: u64, body: Body) {
        let frame = PeerFrame {
            cluster: self.shared.identity.cluster,
            from: self.shared.identity.node,
            to,
            boot: self.shared.boot,
            message: PeerMessage(body),
        };
        self.shared.options.peers.send(frame);
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
        self.ticks += 1;
        self.core.tick();
        self.shared.applied.expire(now);
        self.shared.published.expire(now);
        self.shared.recorded.expire(now);
        if self.shared.snapshots.load(Ordering::SeqCst) > 0 {
            self.snapshots.push(SnapshotEvent::Tick);
        }
        self.next_tick = now + self.tick_length();
        self.tell_standings(now);
        self.look_at_disks(now);
        self.look_for_stall();
        self.ask_for_state();
        if self.ticks.is_multiple_of(SWEEP_TICKS) {
            self.sweep(now);
        }
        if self.known.announced.leads && self.stop.is_none() {
            self.propose_floor(now);
            self.propose_mark(now);
            if self.ticks.is_multiple_of(LEVEL_TICKS) {
                self.propose_level();
            }
        }
    }

    /// The time from one tick to the next.
    fn tick_length(&self) -> Duration {
        let own_node = self.shared.identity.node;
        let is_alone =
            self.known.replica.leads && self.core.reach().iter().all(|reach| reach.node == own_node);
        self.shared.options.tick * if is_alone { LONE_TICKS } else { 1 }
    }

    /// Answers those whose proposal may never be committed, and forgets reads nobody waits for.
    fn sweep(&mut self, now: Duration) {
        self.core.retain_readers(|reader| !reader.reply.is_closed() && reader.deadline > now);
        while self.queued.front().is_some_and(|queued| queued.deadline <= now) {
            if let Some(queued) = self.queued.pop_front() {
                queued.proposal.reply.refuse(Why::NoLeader);
            }
        }
        self.pending.end_late(now);
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
    fn drive(&mut self) -> Wait {
        if self.installing.is_some() {
            // Nothing may leave the core that the switch would undo.
            return Wait { wanted: 1, until: Duration::MAX };
        }
        self.core.applied(self.shared.applied.reached());
        while self.core.has_output() {
            self.output();
        }
        let mut wait = self.append_when_due();
        while self.core.has_output() {
            self.output();
            wait = self.append_when_due();
        }
        self.send_snapshots();
        self.publish();
        self.look_at_wishes();
        while self.core.has_output() {
            self.output();
        }
        wait
    }

    fn output(&mut self) {
        let output = self.core.output().unwrap_or_else(|error| fatal(format_args!("the log holds {error}")));
        if !output.messages.is_empty() {
            for (to, batch) in batches(output.messages) {
                self.send(to, Body::Raft(batch));
            }
        }
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
                let _ = reader.reply.send(index);
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
        let reply = if own { self.pending.take(session.sequence) } else { None };
        (entry, reply)
    }

    /// Whether this node should hand its leadership to another one before it stops.
    fn hands_over(&self) -> bool {
        self.stop.is_some_and(|stop| self.shared.options.clock.now() < stop.hand_over_by)
            && !self.known.sole_voter
    }

    fn is_finished(&self) -> bool {
        let Some(stop) = self.stop else { return false };
        let idle = self.queued.is_empty()
            && self.pending.is_empty()
            && self.foreign.is_empty()
            && !self.core.is_persisting()
            && self.installing.is_none()
            && !(self.core.role() == Role::Leader && self.hands_over());
        idle || self.shared.options.clock.now() >= stop.by
    }

    /// Stops log and state, and answers everybody who is still waiting.
    fn finish(&mut self) {
        self.log.push(LogEvent::Stop);
        self.state.push(StateEvent::Stop);
        self.snapshots.push(SnapshotEvent::Stop);
        self.queued.drain(..).for_each(|queued| queued.proposal.reply.refuse(Why::Stopping));
        self.pending.end_all();
        self.core.retain_readers(|_| false);
        self.shared.fast_reads.store(NEVER, Ordering::SeqCst);
        for event in self.shared.owner.close() {
            if let OwnerEvent::Propose(proposal) = event {
                proposal.reply.refuse(Why::Stopping);
            }
        }
    }
}
