//! The core: raft-rs's `RawNode` with its rules kept in one place.
//!
//! Inputs are ticks, peer messages, proposals, reads and the reports "persisted" and "applied"; [`Core::output`]
//! gives what is to be done. Keeps:
//! - messages that promise durability leave only after the batch they rest on was persisted;
//! - an entry is handed out for applying only after it was synced here;
//! - batches are persisted in order, and a change of the commit index alone never costs a sync.

mod elections;
mod probes;

use std::collections::{BTreeSet, VecDeque};

use raft::eraftpb::{ConfChange, ConfChangeV2, ConfState, Entry, EntryType, HardState, Message, MessageType};
use raft::{Config, RawNode, ReadOnlyOption, StateRole, Storage};

use crate::bugs::{Bug, planted};
use crate::codec::Malformed;
use crate::disk::{LogEntry, chain_of};
use crate::engine::Values;
use crate::members::{MemberError, Reach, is_member};
use crate::meta::Meta;
use crate::raft::core::elections::Elections;
use crate::raft::core::probes::Probes;
use crate::raft::reads::Reads;
use crate::raft::tail::{Tail, TailEntry};

const MESSAGE_BYTES_MAX: u64 = 1 << 20;
const INFLIGHT_MESSAGES_MAX: usize = 256;
const COMMITTED_BYTES_PER_OUTPUT_MAX: u64 = 8 << 20;
/// Buffers kept for coming batches.
const SPARE_MAX: usize = 2;

/// What a core needs to know at its start.
#[derive(Clone, Debug)]
pub(crate) struct CoreOptions {
    pub(crate) node: u64,
    pub(crate) boot: u64,
    pub(crate) applied: u64,
    /// Nothing is handed out for applying until a state was received.
    pub(crate) awaits_state: bool,
    pub(crate) heartbeat_ticks: usize,
    pub(crate) election_ticks: usize,
    pub(crate) uncommitted_bytes_max: u64,
    /// Where election timeouts come from: raft-rs would draw them from the operating system, and a simulation could
    /// not be repeated.
    pub(crate) seed: u64,
}

/// What this node is in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Follower,
    Candidate,
}

/// A batch for the log: to be written and synced as one, then reported by its number.
#[derive(Debug)]
pub(crate) struct LogBatch {
    pub(crate) number: u64,
    /// The encoded entries; they replace whatever the log holds from the first one on.
    pub(crate) entries: Values,
    /// Whether the log may hold other entries at these indexes.
    pub(crate) replaces: bool,
    /// Index, term and chain value of the log's last entry after this batch.
    pub(crate) last: (u64, u64, u64),
    pub(crate) hard_state: HardState,
}

/// A committed entry.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) data: Vec<u8>,
    /// The membership after this entry, when it changed it, and the addresses that came with it.
    pub(crate) conf: Option<(ConfState, Vec<u8>)>,
}

/// What the core wants done, in this order.
#[derive(Debug)]
pub(crate) struct Output<T> {
    pub(crate) messages: Vec<Message>,
    pub(crate) log: Option<LogBatch>,
    pub(crate) committed: Vec<Committed>,
    /// Confirmed reads, each with the index that must be applied first.
    pub(crate) reads: Vec<(u64, Vec<T>)>,
}

/// The replica of one node.
pub(crate) struct Core<T> {
    raw: RawNode<Tail>,
    config: Config,
    reads: Reads<T>,
    elections: Elections,
    probes: Probes,
    /// Batches handed out and not yet persisted, with the messages that wait for them.
    persisting: VecDeque<(u64, Vec<Message>)>,
    /// The number of the newest batch, also when it had nothing to persist.
    newest: u64,
    /// Messages that may leave with the next output.
    released: Vec<Message>,
    hard_state: HardState,
    applied: u64,
    awaits_state: bool,
    /// The newest entry that was handed out for applying.
    handed_out: u64,
    /// The newest change of membership that was handed out for applying.
    members_changed_at: u64,
    /// Buffers of batches that were written.
    spare: Vec<Values>,
}

impl<T> Core<T> {
    pub(crate) fn new(options: &CoreOptions, tail: Tail) -> raft::Result<Core<T>> {
        let config = Config {
            id: options.node,
            election_tick: options.election_ticks,
            heartbeat_tick: options.heartbeat_ticks,
            applied: options.applied,
            max_size_per_msg: MESSAGE_BYTES_MAX,
            max_inflight_msgs: INFLIGHT_MESSAGES_MAX,
            check_quorum: true,
            pre_vote: true,
            read_only_option: ReadOnlyOption::Safe,
            max_uncommitted_size: options.uncommitted_bytes_max,
            max_committed_size_per_ready: COMMITTED_BYTES_PER_OUTPUT_MAX,
            ..Config::default()
        };
        config.validate()?;
        let raw = RawNode::new(&config, tail, &crate::raft::logger())?;
        let hard_state = raw.raft.hard_state();
        let mut core = Core {
            raw,
            config,
            reads: Reads::new(options.node, options.boot),
            elections: Elections::new(options),
            probes: Probes::new(options.heartbeat_ticks),
            persisting: VecDeque::new(),
            newest: 0,
            released: Vec::new(),
            hard_state,
            applied: options.applied,
            awaits_state: options.awaits_state,
            handed_out: options.applied,
            members_changed_at: 0,
            spare: Vec::new(),
        };
        core.set_election_timeout();
        Ok(core)
    }

    pub(crate) fn role(&self) -> Role {
        match self.raw.raft.state {
            StateRole::Leader => Role::Leader,
            StateRole::Follower => Role::Follower,
            StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
        }
    }

    pub(crate) fn term(&self) -> u64 {
        self.raw.raft.term
    }

    /// The leader known to this node, 0 for none.
    pub(crate) fn leader(&self) -> u64 {
        self.raw.raft.leader_id
    }

    pub(crate) fn commit(&self) -> u64 {
        self.raw.raft.raft_log.committed
    }

    /// The oldest entry that is in memory.
    pub(crate) fn first_index(&self) -> u64 {
        self.raw.raft.raft_log.first_index()
    }

    /// Whether this node is the leader and an entry of its own term is committed: before that a leader does not
    /// know what is committed, and answers no read.
    pub(crate) fn leads_its_term(&self) -> bool {
        self.role() == Role::Leader && self.raw.raft.commit_to_current_term()
    }

    /// Whether no other node has a vote.
    pub(crate) fn is_sole_voter(&self) -> bool {
        let conf = self.raw.raft.prs().conf().to_conf_state();
        conf.voters == [self.raw.raft.id] && conf.voters_outgoing.is_empty()
    }

    /// Whether this node is the only member, learners counted: one that learns also applies and answers.
    pub(crate) fn is_only_member(&self) -> bool {
        let learners = &self.raw.raft.prs().conf().to_conf_state().learners;
        self.is_sole_voter() && (learners.is_empty() || planted(Bug::LoneReadsBesideLearners))
    }

    /// The membership in force.
    pub(crate) fn conf_state(&self) -> ConfState {
        sorted(self.raw.raft.prs().conf().to_conf_state())
    }

    /// Whether a change of membership is under way.
    pub(crate) fn is_changing_members(&self) -> bool {
        self.raw.raft.has_pending_conf() || !self.conf_state().voters_outgoing.is_empty()
    }

    /// The log index of the newest change of membership that was handed out for applying.
    pub(crate) fn members_changed_at(&self) -> u64 {
        self.members_changed_at
    }

    /// Asks for a change of membership.
    pub(crate) fn propose_members(&mut self, change: ConfChangeV2) -> raft::Result<()> {
        self.raw.propose_conf_change(Vec::new(), change)
    }

    /// On the leader: how far the members are, by id.
    pub(crate) fn reach(&self) -> Vec<Reach> {
        let mut reach: Vec<Reach> = match self.role() {
            Role::Leader => {
                let progress = self.raw.raft.prs().iter();
                progress.map(|(node, progress)| Reach { node: *node, matched: progress.matched }).collect()
            }
            Role::Follower | Role::Candidate => Vec::new(),
        };
        reach.sort_by_key(|reach| reach.node);
        reach
    }

    /// Sets how many bytes of applied entries are kept for others.
    pub(crate) fn keep(&mut self, bytes: usize) {
        self.raw.mut_store().keep(bytes);
    }

    /// Whether a batch is on its way to the log.
    pub(crate) fn is_persisting(&self) -> bool {
        !self.persisting.is_empty()
    }

    /// Whether leadership is on its way to another node; until it has arrived, proposals would be dropped.
    pub(crate) fn is_handing_over(&self) -> bool {
        self.raw.raft.lead_transferee.is_some()
    }

    /// Begins to hand leadership to a voter that was heard lately: this one, or the one that is furthest.
    pub(crate) fn hand_over(
        &mut self,
        to: Option<u64>,
        is_heard: impl Fn(u64) -> bool,
    ) -> Result<(), MemberError> {
        let own = self.raw.raft.id;
        let progress = self.raw.raft.prs();
        let voters = progress.conf().voters();
        let others: Vec<(u64, u64)> = progress
            .iter()
            .filter(|(id, _)| **id != own && voters.contains(**id) && is_heard(**id))
            .map(|(id, progress)| (progress.matched, *id))
            .collect();
        let to = match to {
            Some(node) if !voters.contains(node) => return Err(MemberError::NoSuchMember(node)),
            Some(node) if others.iter().all(|(_, id)| *id != node) => {
                return Err(MemberError::NotActive(node));
            }
            Some(node) => node,
            None => {
                others
                    .iter()
                    .max_by_key(|(matched, id)| (*matched, u64::MAX - id))
                    .ok_or(MemberError::NoOther)?
                    .1
            }
        };
        self.raw.transfer_leader(to);
        Ok(())
    }

    pub(crate) fn tick(&mut self) {
        self.tick_elections();
        self.probes.tick();
        self.reads.tick(self.raw.raft.term, self.raw.raft.election_timeout());
    }

    /// Takes a message of another node.
    pub(crate) fn step(&mut self, message: Message) -> raft::Result<()> {
        if self.awaits_state && message.get_msg_type() == MessageType::MsgTimeoutNow {
            return Ok(());
        }
        self.step_with_elections(message)
    }

    /// Notes that messages to a node do not arrive.
    pub(crate) fn report_unreachable(&mut self, node: u64) {
        self.raw.report_unreachable(node);
    }

    /// Appends entries to the leader's log, all or none.
    pub(crate) fn propose(&mut self, data: Vec<Vec<u8>>) -> raft::Result<()> {
        let entries = data.into_iter().map(|data| Entry { data, ..Entry::default() }).collect();
        let mut message = Message { from: self.raw.raft.id, entries, ..Message::default() };
        message.set_msg_type(MessageType::MsgPropose);
        self.raw.raft.step(message)
    }

    /// Takes the nodes that are too far behind for this log.
    pub(crate) fn take_snapshot_wishes(&mut self, held: bool) -> BTreeSet<u64> {
        let tail = self.raw.mut_store();
        tail.hold(held);
        tail.take_wishes()
    }

    /// From now on nothing is handed out for applying until another state was received.
    pub(crate) fn await_state(&mut self) {
        if self.role() == Role::Leader {
            // Its own state decides nothing any more, and others have a better one.
            let term = self.raw.raft.term;
            self.raw.raft.become_follower(term, 0);
            self.set_election_timeout();
        }
        self.awaits_state = true;
    }

    /// Whether this node has no state yet: its own was damaged.
    pub(crate) fn awaits_state(&self) -> bool {
        self.awaits_state
    }

    /// Whether a received state brings this node forward: it is beyond what is committed here, the log does not hold
    /// its last entry, and this node is a member in it. One that has no state takes any that its log can follow.
    pub(crate) fn wants(&self, meta: &Meta) -> bool {
        if self.role() == Role::Leader || !is_member(&meta.conf, self.raw.raft.id) {
            return false;
        }
        let log = &self.raw.raft.raft_log;
        if self.awaits_state {
            return meta.applied + 1 >= log.first_index() && meta.applied >= self.handed_out;
        }
        meta.applied > log.committed && !log.match_term(meta.applied, meta.term)
    }

    /// The entries that follow a state in this log: others count on them. An entry in the place of the state's last one
    /// that is not that one was never committed, and nothing behind it.
    pub(crate) fn kept_behind(&self, meta: &Meta) -> Vec<TailEntry> {
        if !self.holds_last_of(meta) || planted(Bug::ForgottenLog) {
            return Vec::new();
        }
        self.raw.store().behind(meta.applied)
    }

    /// Whether what was handed out for the log has the last entry of a state.
    fn holds_last_of(&self, meta: &Meta) -> bool {
        self.raw.store().term(meta.applied) == Ok(meta.term)
    }

    /// The chain value at a state's last entry, if the log goes on behind it.
    pub(crate) fn chain_at(&self, meta: &Meta) -> u64 {
        self.raw.store().chain(meta.applied).filter(|_| self.holds_last_of(meta)).unwrap_or(0)
    }

    /// Tells the leader how far this node is without the state that ends at this entry. When the log holds the entry,
    /// it is committed: the sender had applied it.
    pub(crate) fn answer_snapshot(&mut self, index: u64, term: u64) -> Option<Message> {
        let raft = &mut self.raw.raft;
        if raft.state != StateRole::Follower || raft.leader_id == 0 {
            return None;
        }
        if index > raft.raft_log.committed && raft.raft_log.match_term(index, term) {
            raft.raft_log.commit_to(index);
        }
        // Only what is synced here may be claimed.
        let known = raft.raft_log.committed.min(raft.raft_log.persisted);
        let (from, to, term) = (raft.id, raft.leader_id, raft.term);
        let mut message = Message { to, from, term, index: known, commit: known, ..Message::default() };
        message.set_msg_type(MessageType::MsgAppendResponse);
        Some(message)
    }

    /// The hard state with which the log begins anew behind a received state: what was last given out, because
    /// nothing newer has left this node.
    pub(crate) fn hard_state_at(&self, meta: &Meta) -> HardState {
        let kept = self.kept_behind(meta).last().map_or(meta.applied, |last| last.entry.index);
        let commit = self.hard_state.commit.clamp(meta.applied, kept);
        HardState { commit, ..self.hard_state.clone() }
    }

    /// Begins anew behind a received state whose log is persisted. Gives the message that tells the leader.
    pub(crate) fn restart(&mut self, tail: Tail, meta: &Meta, leader: u64) -> raft::Result<Message> {
        let config = Config { applied: meta.applied, ..self.config.clone() };
        self.raw = RawNode::new(&config, tail, &crate::raft::logger())?;
        self.set_election_timeout();
        self.persisting.clear();
        self.released.clear();
        self.newest = 0;
        self.awaits_state = false;
        self.handed_out = meta.applied;
        self.hard_state = self.raw.raft.hard_state();
        self.applied = meta.applied;
        let (from, term) = (config.id, self.raw.raft.term);
        let mut message = Message { to: leader, from, term, index: meta.applied, ..Message::default() };
        message.commit = meta.applied;
        message.set_msg_type(MessageType::MsgAppendResponse);
        Ok(message)
    }

    /// Asks for a read barrier on behalf of `reader`.
    pub(crate) fn read(&mut self, reader: T) {
        self.reads.push(reader);
    }

    /// Drops the readers for whom nobody waits any more.
    pub(crate) fn retain_readers(&mut self, keep: impl Fn(&T) -> bool) {
        self.reads.retain(keep);
    }

    /// Reports that the batch of this number, and all before it, are synced.
    pub(crate) fn persisted(&mut self, number: u64) {
        while self.persisting.front().is_some_and(|(first, _)| *first <= number) {
            let (_, messages) = self.persisting.pop_front().expect("there is a first batch");
            self.released.extend(messages);
        }
        // Batches without content count as persisted with the one before them.
        let through = self.persisting.front().map_or(self.newest, |(next, _)| next - 1);
        self.raw.on_persist_ready(through);
        if planted(Bug::AckBeforeQuorum) && self.role() == Role::Leader {
            let log = &mut self.raw.raft.raft_log;
            log.commit_to(log.persisted.max(log.committed));
        }
    }

    /// Takes back the buffer of a batch that was written.
    pub(crate) fn recycle(&mut self, mut values: Values) {
        if self.spare.len() < SPARE_MAX {
            values.clear();
            self.spare.push(values);
        }
    }

    /// Reports that all entries up to `index` are applied.
    pub(crate) fn applied(&mut self, index: u64) {
        if index > self.applied {
            self.applied = index;
            self.raw.advance_apply_to(index);
            self.raw.mut_store().trim(index);
        }
    }

    /// Whether [`Core::output`] has something to say.
    pub(crate) fn has_output(&mut self) -> bool {
        self.begin_read();
        !self.released.is_empty() || self.raw.has_ready()
    }

    fn begin_read(&mut self) {
        // Without a leader raft-rs drops the request; waiting costs nothing.
        if self.raw.raft.leader_id == 0 || (self.role() == Role::Leader && !self.leads_its_term()) {
            return;
        }
        if let Some(context) = self.reads.begin(self.raw.raft.term) {
            self.raw.read_index(context);
        }
    }

    /// Takes what is to be done now.
    pub(crate) fn output(&mut self) -> Result<Output<T>, Malformed> {
        let mut ready = self.raw.ready();
        self.newest = ready.number();
        let mut messages = std::mem::take(&mut self.released);
        messages.extend(ready.take_messages());
        if let Some(hard_state) = ready.hs() {
            self.hard_state = hard_state.clone();
        }
        let log = self.log_batch(&mut ready);
        let persisted_messages = ready.take_persisted_messages();
        match &log {
            Some(batch) => self.persisting.push_back((batch.number, persisted_messages)),
            None => match self.persisting.back_mut() {
                Some((_, waiting)) => waiting.extend(persisted_messages),
                None => messages.extend(persisted_messages),
            },
        }
        let term = self.raw.raft.term;
        let read_states = ready.take_read_states();
        let reads = read_states.into_iter().filter_map(|state| self.reads.answer(state, term)).collect();
        let entries = ready.take_committed_entries();
        self.raw.advance_append_async(ready);
        if self.persisting.is_empty() {
            self.raw.on_persist_ready(self.newest);
        }
        // Without a state nothing can be applied; what follows the received one is handed out again.
        let entries = if self.awaits_state { Vec::new() } else { entries };
        self.handed_out = entries.last().map_or(self.handed_out, |last| last.index);
        let committed =
            entries.into_iter().map(|entry| self.commit_entry(entry)).collect::<Result<_, _>>()?;
        Ok(Output { messages, log, committed, reads })
    }

    /// Moves new entries into the tail, where raft-rs reads them, and encodes them for the disk.
    fn log_batch(&mut self, ready: &mut raft::Ready) -> Option<LogBatch> {
        let number = ready.number();
        let must_sync = ready.must_sync();
        let entries = ready.take_entries();
        if entries.is_empty() && !must_sync {
            return None;
        }
        let tail = self.raw.mut_store();
        let first = entries.first().map(|entry| entry.index);
        let replaces = first.is_some_and(|first| first <= tail.last().0);
        let mut chain =
            first.map_or(0, |first| tail.chain(first - 1).expect("entries join the log in memory"));
        let mut encoded = self.spare.pop().unwrap_or_default();
        for entry in entries {
            chain = chain_of(chain, &entry);
            encoded.push_with(entry.index, |buffer| LogEntry::encode_into(&entry, chain, buffer));
            tail.append([TailEntry { entry, chain }]);
        }
        let last = tail.last();
        Some(LogBatch { number, entries: encoded, replaces, last, hard_state: self.hard_state.clone() })
    }

    fn commit_entry(&mut self, entry: Entry) -> Result<Committed, Malformed> {
        let conf = match entry.get_entry_type() {
            EntryType::EntryNormal => None,
            EntryType::EntryConfChange => {
                let change: ConfChange = decode_message(&entry.data)?;
                Some((self.raw.apply_conf_change(&change).map_err(unfit)?, change.context))
            }
            EntryType::EntryConfChangeV2 => {
                let change: ConfChangeV2 = decode_message(&entry.data)?;
                Some((self.raw.apply_conf_change(&change).map_err(unfit)?, change.context))
            }
        };
        let conf = conf.map(|(conf, context)| (sorted(conf), context));
        if conf.is_some() {
            self.members_changed_at = entry.index;
        }
        if let Some((conf, _)) = &conf
            && self.role() == Role::Leader
            && !is_member(conf, self.raw.raft.id)
        {
            // Its removal was proposed by an earlier leader. raft-rs would let it go on and panic.
            let term = self.raw.raft.term;
            self.raw.raft.become_follower(term, 0);
            self.set_election_timeout();
        }
        let data = if conf.is_some() { Vec::new() } else { entry.data };
        Ok(Committed { index: entry.index, term: entry.term, data, conf })
    }
}

/// raft-rs keeps members in hash sets, whose order differs from node to node.
fn sorted(mut conf: ConfState) -> ConfState {
    for nodes in [&mut conf.voters, &mut conf.learners, &mut conf.voters_outgoing, &mut conf.learners_next] {
        nodes.sort_unstable();
    }
    conf
}

fn unfit(_: raft::Error) -> Malformed {
    Malformed("membership change")
}

fn decode_message<M: prost::Message + Default>(data: &[u8]) -> Result<M, Malformed> {
    M::decode(data).map_err(|_| Malformed("membership change"))
}

#[cfg(test)]
mod tests;
