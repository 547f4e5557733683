//! The owner: the only one that drives the core. It never touches disk or state, so a slow disk cannot cost a
//! heartbeat. It does one turn after the other; its thread, or a simulation, says when.
//!
//! Group commit: while a batch is being synced, proposals gather and become the next batch; when the log is idle,
//! a proposal goes at once. A node that does not lead sends its proposals to the leader.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::bugs::{Bug, planted};
use crate::command::{Command, Encoded, Session, session_of};
use crate::disk::Truncation;
use crate::fatal::fatal;
use crate::floor::{FloorPolicy, Sample};
use crate::gather::Gather;
use crate::mailbox::Mailbox;
use crate::members::{MemberChange, MemberError};
use crate::peers::{Body, PeerFrame, PeerMessage, batches};
use crate::raft::{Committed, Core, Role, Tail};
use crate::shared::{NEVER, OwnerEvent, Proposal, Reader, Replica, Reply, Shared};
use crate::status::Leadership;
use crate::threads::pending::{Pending, PendingTable};
use crate::threads::{Built, LogEvent, SnapshotEvent, StateEvent};
use crate::txn::Why;

/// Bytes that one append may carry.
const APPEND_BYTES_MAX: usize = 8 << 20;
/// Bytes that one forward may carry.
const FORWARD_BYTES_MAX: usize = 1 << 20;
/// How often requests that nobody can answer any more are looked for, in ticks.
const SWEEP_TICKS: u64 = 10;
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
    /// The change of membership that was asked for here.
    changing: Option<Changing>,
    /// The next one, which waits.
    waiting_change: Option<Changing>,
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

#[derive(Debug)]
struct Changing {
    change: MemberChange,
    reply: oneshot::Sender<Result<(), MemberError>>,
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
            changing: None,
            waiting_change: None,
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
                self.core.persisted(number);
                buffers.into_iter().for_each(|buffer| self.core.recycle(buffer));
            }
            // The next drive looks at the applied index.
            OwnerEvent::Applied => {}
            OwnerEvent::Peer(frame) => self.receive(frame),
            OwnerEvent::SnapshotBuilt(built) => self.install(built),
            OwnerEvent::SnapshotNotNeeded(index, term) => self.answer_snapshot(index, term),
            OwnerEvent::Switched => self.switched(),
            OwnerEvent::ChangeMembers(change, reply) => self.change_members(change, reply),
            OwnerEvent::HandOver(to) => match to {
                Some(node) => self.core.hand_over_to(node),
                None => self.core.hand_over(),
            },
            OwnerEvent::Unreachable(node) => self.core.report_unreachable(node),
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
            Body::Snapshot(chunk) => self.snapshots.push(SnapshotEvent::Received { from, chunk }),
            Body::SnapshotAck { id, next } => {
                self.snapshots.push(SnapshotEvent::Acked { from, id, next });
            }
        }
    }

    /// Takes proposals of another node in. What is dropped here, its node sends again.
    fn take_in(&mut self, from: u64, proposals: Vec<Vec<u8>>) {
        if self.core.role() != Role::Leader {
            return;
        }
        for data in proposals {
            // What does not decode would stop every node once it was in the log.
            if Command::decode(&data).is_err() || session_of(&data).map(|session| session.node) != Ok(from) {
                tracing::warn!(node = from, "a malformed proposal was dropped");
                continue;
            }
            if self.foreign_bytes + data.len() > self.shared.options.proposal_bytes_max {
                return;
            }
            self.foreign_bytes += data.len();
            self.foreign.push_back(data);
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

    /// Begins a change of membership. One that has to wait for another one, or for a learner to catch up, is tried
    /// again with every tick until its time is over.
    fn change_members(&mut self, change: MemberChange, reply: oneshot::Sender<Result<(), MemberError>>) {
        let deadline = self.shared.options.clock.now() + self.shared.options.request_timeout;
        self.try_member_change(Changing { change, reply, deadline });
    }

    fn try_member_change(&mut self, changing: Changing) {
        // A caller that went away needs no answer.
        let _ = match self.begin_member_change(&changing.change) {
            Ok(()) => {
                self.changing = Some(changing);
                return;
            }
            Err(MemberError::Busy | MemberError::NotCaughtUp { .. })
                if self.waiting_change.is_none() && self.shared.options.clock.now() < changing.deadline =>
            {
                self.waiting_change = Some(changing);
                return;
            }
            Err(error) => changing.reply.send(Err(error)),
        };
    }

    fn begin_member_change(&mut self, change: &MemberChange) -> Result<(), MemberError> {
        if !self.core.leads_its_term() {
            return Err(MemberError::NotLeader { leader: self.core.leader() });
        }
        if self.changing.is_some() || self.core.is_changing_members() {
            return Err(MemberError::Busy);
        }
        let own = self.shared.identity.node;
        change.check(&self.core.conf_state(), own, self.core.commit(), &self.core.reach())?;
        self.core.propose_members(change.conf_change()).map_err(|_| MemberError::Busy)
    }

    /// Answers whoever asked for a change of membership, once it is complete or its time is over.
    fn end_member_change(&mut self) {
        let now = self.shared.options.clock.now();
        let done = |changing: &Changing, core: &Core<Reader>| {
            !core.is_changing_members() && changing.change.is_done(&core.conf_state())
        };
        let Some(changing) = &self.changing else { return };
        let answer = if done(changing, &self.core) {
            Ok(())
        } else if changing.deadline <= now || self.core.role() != Role::Leader {
            Err(MemberError::Unknown)
        } else {
            return;
        };
        if let Some(changing) = self.changing.take() {
            // A caller that went away needs no answer.
            let _ = changing.reply.send(answer);
        }
    }

    /// Has snapshots sent to the nodes that need them.
    fn send_snapshots(&mut self) {
        let active = self.shared.snapshots.load(Ordering::SeqCst) > 0;
        for to in self.core.take_snapshot_wishes(active) {
            let asked = self.asked.get(&to).is_some_and(|tick| self.ticks < tick + SNAPSHOT_TICKS);
            if !asked {
                self.asked.insert(to, self.ticks);
                self.state.push(StateEvent::Snapshot(to));
            }
        }
    }

    /// Has the log switched to a received state, unless this node has come further meanwhile.
    fn install(&mut self, built: Box<Built>) {
        let meta = &built.machine.meta;
        if self.installing.is_some() || self.stop.is_some() {
            return;
        }
        if !self.core.wants(meta) {
            self.answer_snapshot(meta.applied, meta.term);
            return;
        }
        let truncation = Truncation { index: meta.applied, term: meta.term, chain: 0 };
        let hard_state = self.core.hard_state_at(meta);
        let state = built.directory.clone();
        self.log.push(LogEvent::Switch { truncation, hard_state, state });
        self.installing = Some(built);
    }

    /// Tells the leader that this node goes on without the state that ends at this entry.
    fn answer_snapshot(&mut self, index: u64, term: u64) {
        if self.installing.is_none()
            && let Some(answer) = self.core.answer_snapshot(index, term)
        {
            self.send(answer.to, Body::Raft(vec![answer]));
        }
    }

    /// Goes on behind the received state.
    fn switched(&mut self) {
        let Some(built) = self.installing.take() else { return };
        let meta = &built.machine.meta;
        let before = (meta.applied, meta.term, 0);
        let hard_state = self.core.hard_state_at(meta);
        let tail = Tail::new(before, self.shared.options.tail_bytes, hard_state, meta.conf.clone());
        let leader = self.core.leader();
        let restarted = self.core.restart(tail, meta, leader);
        let answer = restarted.unwrap_or_else(|error| fatal(format_args!("a received state: {error}")));
        tracing::info!(index = meta.applied, revision = meta.revision, "installed a snapshot");
        if leader != 0 {
            self.send(leader, Body::Raft(vec![answer]));
        }
        self.state.push(StateEvent::Replace(built));
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
        if let Some(changing) = self.waiting_change.take() {
            self.try_member_change(changing);
        }
        let reach = self.core.reach();
        let own_node = self.shared.identity.node;
        let is_alone = self.known.replica.leads && reach.iter().all(|reach| reach.node == own_node);
        self.next_tick = now + self.shared.options.tick * if is_alone { LONE_TICKS } else { 1 };
        if !reach.is_empty() || self.known.replica.leads {
            *self.shared.reach.lock() = reach;
        }
        if self.ticks.is_multiple_of(SWEEP_TICKS) {
            self.sweep(now);
        }
        if self.known.announced.leads && self.stop.is_none() {
            self.propose_floor(now);
        }
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
        self.end_member_change();
        self.publish();
        wait
    }

    fn append_when_due(&mut self) -> Wait {
        let leads = self.core.role() == Role::Leader;
        if leads && self.hands_over() && !self.core.is_handing_over() && !self.core.is_persisting() {
            self.core.hand_over();
        }
        if !leads || self.core.is_handing_over() {
            self.forward();
            return Wait { wanted: 1, until: Duration::MAX };
        }
        if self.core.is_persisting() {
            // The next batch gathers until this one is synced.
            return Wait { wanted: usize::MAX, until: Duration::MAX };
        }
        let now = self.shared.options.clock.now();
        let in_flight = self.shared.admission.in_flight();
        let gathered = self.queued.len() + self.foreign.len();
        match self.gather.wait(now, gathered, in_flight).filter(|_| self.stop.is_none()) {
            Some((wanted, until)) => Wait { wanted, until },
            None => {
                self.append();
                Wait { wanted: 1, until: Duration::MAX }
            }
        }
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

    /// Sends what waits here to the leader.
    fn forward(&mut self) {
        if self.core.role() != Role::Leader {
            self.foreign.clear();
            self.foreign_bytes = 0;
        }
        let (leader, term) = (self.core.leader(), self.core.term());
        if leader == 0 || leader == self.shared.identity.node {
            return;
        }
        self.forward_again(leader, term);
        let (mut proposals, mut bytes) = (Vec::new(), 0);
        while let Some(Queued { proposal, deadline }) = self.next_queued(term) {
            let sequence = self.pending.next_sequence();
            let data = proposal.command.into_data(self.session(sequence));
            bytes += data.len();
            proposals.push(data.clone());
            let reply = proposal.reply;
            let (tried_in, tried_at) = (term, self.ticks);
            let pending = Pending { reply, deadline, data: Some(data), tried_in, tried_at };
            self.pending.insert(sequence, pending);
            if bytes >= FORWARD_BYTES_MAX {
                self.send(leader, Body::Forward(std::mem::take(&mut proposals)));
                bytes = 0;
            }
        }
        if !proposals.is_empty() {
            self.send(leader, Body::Forward(proposals));
        }
    }

    /// Sends again what another leader was sent, and what got no answer for an election timeout.
    fn forward_again(&mut self, leader: u64, term: u64) {
        if self.tried == (self.ticks, term, leader) {
            return;
        }
        self.tried = (self.ticks, term, leader);
        if planted(Bug::HastyRefusal) {
            self.pending.refuse_tried_before(term);
        }
        let again_before = self.ticks.saturating_sub(self.shared.options.election_ticks as u64);
        loop {
            let proposals = self.pending.due(term, self.ticks, again_before, FORWARD_BYTES_MAX);
            if proposals.is_empty() {
                return;
            }
            self.send(leader, Body::Forward(proposals));
        }
    }

    /// The next proposal that may be given a sequence in this term.
    fn next_queued(&mut self, term: u64) -> Option<Queued> {
        while self.pending.has_room() {
            let queued = self.queued.pop_front()?;
            let fenced = queued.proposal.fence.is_some_and(|fence| fence != term);
            if !fenced || planted(Bug::Unfenced) {
                return Some(queued);
            }
            queued.proposal.reply.refuse(Why::Fenced);
        }
        None
    }

    fn session(&self, sequence: u64) -> Session {
        Session { node: self.shared.identity.node, boot: self.shared.boot, sequence }
    }

    /// Appends the queued proposals, and those of other nodes, to the log as one batch.
    fn append(&mut self) {
        let term = self.core.term();
        let alone = self.known.sole_voter;
        let mut bytes = 0;
        let mut batch = Vec::with_capacity(self.queued.len() + self.foreign.len());
        let own_node = self.shared.identity.node;
        if !alone && (self.tried.1, self.tried.2) != (term, own_node) {
            // What was proposed under an earlier leader may have been lost with it.
            batch = self.pending.due(term, self.ticks, 0, APPEND_BYTES_MAX);
            bytes = batch.iter().map(Vec::len).sum();
            if batch.is_empty() {
                self.tried = (self.ticks, term, own_node);
            }
        }
        let mut own = Vec::new();
        while bytes < APPEND_BYTES_MAX
            && let Some(Queued { proposal, deadline }) = self.next_queued(term)
        {
            bytes += proposal.command.len();
            let sequence = self.pending.next_sequence();
            let data = proposal.command.into_data(self.session(sequence));
            let again = (!alone).then(|| data.clone());
            batch.push(data);
            own.push(sequence);
            let reply = proposal.reply;
            let (tried_in, tried_at) = (term, self.ticks);
            let pending = Pending { reply, deadline, data: again, tried_in, tried_at };
            self.pending.insert(sequence, pending);
        }
        while bytes < APPEND_BYTES_MAX
            && let Some(data) = self.foreign.pop_front()
        {
            bytes += data.len();
            self.foreign_bytes -= data.len();
            batch.push(data);
        }
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.core.propose(batch) {
            // Refused before it entered the log: the sequences were used by nothing.
            tracing::debug!(%error, "proposals were dropped");
            for sequence in own {
                if let Some(reply) = self.pending.take(sequence) {
                    reply.refuse(Why::Overloaded);
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
        let sole_voter = self.core.is_sole_voter();
        let changed = replica.term != self.known.replica.term
            || replica.leads != self.known.replica.leads
            || leads_its_term != self.known.leads_its_term
            || sole_voter != self.known.sole_voter;
        if changed || replica != self.known.replica {
            *self.shared.replica.lock() = replica;
            self.known.replica = replica;
        }
        if changed {
            self.known.leads_its_term = leads_its_term;
            self.known.sole_voter = sole_voter;
            if !sole_voter {
                self.core.keep(self.shared.options.tail_bytes);
            }
            self.known.complete_from = replica.commit;
            let alone = sole_voter && !self.shared.options.confirm_every_read;
            let fast = leads_its_term && alone;
            let from = if fast { replica.commit } else { NEVER };
            self.shared.fast_reads.store(from, Ordering::SeqCst);
        }
        self.announce(replica, leads_its_term);
    }

    /// Tells leader-only loops that they may start, once everything before this term is applied, or must stop.
    fn announce(&mut self, replica: Replica, leads_its_term: bool) {
        let complete = leads_its_term && self.has_applied(self.known.complete_from);
        let leads = complete && self.stop.is_none();
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
