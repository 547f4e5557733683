//! When a node campaigns: after a silence of its leader, or as soon as it knows that the leader's process has ended.
//!
//! Keeps: whoever is told that the leader has ended gives up its own trust in it and nobody else's. It campaigns with
//! pre-votes, which nodes that hear the leader refuse, so a wrong report costs one node a moment without a leader and
//! the cluster nothing.

use raft::eraftpb::{Message, MessageType};
use raft::{INVALID_ID, StateRole};

use super::{Core, CoreOptions};
use crate::bugs::{Bug, planted};
use crate::disk::mix;

/// How many ticks lie between the turns of two nodes that succeed a leader, so that the second one has heard of the first
/// one's campaign before it begins its own.
const TURN_TICKS: u64 = 2;

/// The random part of an election timeout is less than this part of it.
const SPREAD_PART: u64 = 4;

/// The elections as one node knows them.
pub(super) struct Elections {
    ticks: usize,
    seed: u64,
    /// How often the election timer ran out or was set back by a tick.
    timeouts: u64,
    vacancy: Option<Vacancy>,
    /// A request for a pre-vote that came while the leader was trusted. Its sender may only have learned earlier that
    /// there is none any more, and would wait for another timeout.
    early: Option<Message>,
}

/// The leader's process has ended.
#[derive(Clone, Copy, Debug)]
struct Vacancy {
    /// Ticks until it is this node's turn to campaign.
    turn_in: u64,
    /// Ticks until the usual timeouts are left alone with it.
    ends_in: u64,
}

/// A node that asks for pre-votes, and where its log ends.
#[derive(Clone, Copy, Debug)]
struct Rival {
    node: u64,
    index: u64,
    log_term: u64,
}

impl Rival {
    fn of(request: &Message) -> Rival {
        Rival { node: request.from, index: request.index, log_term: request.log_term }
    }
}

impl Elections {
    pub(super) fn new(options: &CoreOptions) -> Elections {
        Elections {
            ticks: options.election_ticks,
            seed: options.seed,
            timeouts: 0,
            vacancy: None,
            early: None,
        }
    }
}

impl<T> Core<T> {
    pub(crate) fn campaign(&mut self) -> raft::Result<()> {
        let campaigned = self.raw.campaign();
        self.set_election_timeout();
        campaigned
    }

    /// Takes the news that the process of a node has ended.
    pub(crate) fn report_ended(&mut self, node: u64) {
        let raft = &mut self.raw.raft;
        if raft.state != StateRole::Follower || raft.leader_id != node || node == INVALID_ID {
            return;
        }
        if planted(Bug::ForcedSuccession) {
            let mut message = Message { from: node, to: raft.id, term: raft.term, ..Message::default() };
            message.set_msg_type(MessageType::MsgTimeoutNow);
            let _ = self.raw.step(message);
            return;
        }
        raft.leader_id = INVALID_ID;
        let turn_in = self.rank_without(node) * TURN_TICKS;
        self.elections.vacancy = Some(Vacancy { turn_in, ends_in: 2 * self.elections.ticks as u64 });
        self.answer_early();
        self.take_turn();
    }

    /// Replaces the random election timeout by one in which the nodes follow each other, and that for the rest follows
    /// from the seed. Two that campaign at once are rare, and the first does not wait longer than it must.
    pub(super) fn set_election_timeout(&mut self) {
        let Elections { ticks, seed, timeouts, .. } = self.elections;
        let turn = self.rank_without(self.leader()) * TURN_TICKS;
        let raft = &mut self.raw.raft;
        let random = mix(seed ^ mix(raft.term) ^ mix(!timeouts)) % (ticks as u64 / SPREAD_PART).max(1);
        let timeout = (ticks + (turn + random) as usize).min(2 * ticks - 1);
        if raft.randomized_election_timeout() != timeout {
            raft.set_randomized_election_timeout(timeout);
        }
    }

    pub(super) fn tick_elections(&mut self) {
        if self.awaits_state {
            // Without a state it could not lead.
            self.raw.raft.election_elapsed = 0;
        }
        let elapsed = self.raw.raft.election_elapsed;
        self.raw.tick();
        let campaigned_or_heard = self.raw.raft.election_elapsed <= elapsed;
        if campaigned_or_heard {
            self.elections.timeouts += 1;
            // Two campaigns at once would split the votes.
            self.elections.early = None;
        }
        self.set_election_timeout();
        if !self.trusts_leader() {
            self.answer_early();
        }
        if let Some(vacancy) = &mut self.elections.vacancy {
            vacancy.turn_in = vacancy.turn_in.saturating_sub(1);
            vacancy.ends_in = vacancy.ends_in.saturating_sub(1);
            if vacancy.ends_in == 0 {
                self.elections.vacancy = None;
            }
        }
        self.take_turn();
    }

    pub(super) fn step_with_elections(&mut self, message: Message) -> raft::Result<()> {
        let term = self.raw.raft.term;
        let kind = message.get_msg_type();
        let asks_early =
            kind == MessageType::MsgRequestPreVote && message.term > term && self.trusts_leader();
        let rival = (kind == MessageType::MsgRequestPreVote && !asks_early).then(|| Rival::of(&message));
        let early = (asks_early && self.raw.raft.state == StateRole::Follower).then(|| message.clone());
        let stepped = self.step_with_probes(message);
        self.set_election_timeout();
        let hears_leader =
            matches!(kind, MessageType::MsgAppend | MessageType::MsgHeartbeat) && self.leader() != INVALID_ID;
        if self.raw.raft.term != term || hears_leader {
            (self.elections.vacancy, self.elections.early) = (None, None);
        }
        if early.is_some() {
            self.elections.early = early;
        }
        if let Some(rival) = rival {
            self.meet_rival(rival);
        }
        stepped
    }

    /// Whether raft-rs refuses votes because a leader was heard lately.
    fn trusts_leader(&self) -> bool {
        let raft = &self.raw.raft;
        raft.leader_id != INVALID_ID && raft.election_elapsed < raft.election_timeout()
    }

    /// Answers the request that came too early.
    fn answer_early(&mut self) {
        if let Some(message) = self.elections.early.take() {
            // A request that is out of date is answered as one that was long under way.
            let _ = self.step_with_elections(message);
        }
    }

    /// Another node asks for pre-votes while no leader is trusted here. Who may win goes first: two candidates at once
    /// would split the votes. Who cannot win need not be waited for.
    fn meet_rival(&mut self, rival: Rival) {
        let period = self.turn_period();
        let raft = &mut self.raw.raft;
        if !raft.raft_log.is_up_to_date(rival.index, rival.log_term) {
            if let Some(vacancy) = &mut self.elections.vacancy {
                vacancy.turn_in = 0;
                self.take_turn();
            }
            return;
        }
        let latest = raft.randomized_election_timeout().saturating_sub(TURN_TICKS as usize + 1);
        match raft.state {
            StateRole::Follower => {
                // With less time elapsed it would trust the leader again whose silence it has just waited out.
                raft.leader_id = INVALID_ID;
                raft.election_elapsed = raft.election_elapsed.min(latest);
            }
            // Both have asked. One of them has to give way.
            StateRole::PreCandidate if rival.node < raft.id => {
                let term = raft.term;
                raft.become_follower(term, INVALID_ID);
                self.set_election_timeout();
            }
            StateRole::PreCandidate | StateRole::Candidate | StateRole::Leader => {}
        }
        if let Some(vacancy) = &mut self.elections.vacancy {
            vacancy.turn_in = vacancy.turn_in.max(period);
        }
    }

    /// Campaigns if the leader has ended and it is this node's turn.
    fn take_turn(&mut self) {
        let is_due = self.elections.vacancy.is_some_and(|vacancy| vacancy.turn_in == 0);
        if !is_due || !self.raw.raft.promotable() || self.awaits_state || self.leader() != INVALID_ID {
            return;
        }
        let period = self.turn_period();
        if let Some(vacancy) = &mut self.elections.vacancy {
            vacancy.turn_in = period;
        }
        if self.campaign().is_err() {
            // The usual timeouts are left.
            self.elections.vacancy = None;
        }
    }

    /// How long it takes until every voter had a turn.
    fn turn_period(&self) -> u64 {
        (self.voters().count() as u64).max(1) * TURN_TICKS
    }

    /// How many other voters have their turn before this one when `gone` is succeeded.
    fn rank_without(&self, gone: u64) -> u64 {
        let own = self.raw.raft.id;
        self.voters().filter(|node| *node != gone && *node < own).count() as u64
    }

    /// Everybody who has a vote, also while the membership changes.
    fn voters(&self) -> impl Iterator<Item = u64> {
        let progress = self.raw.raft.prs();
        progress.iter().map(|(node, _)| *node).filter(|node| progress.conf().voters().contains(*node))
    }
}
