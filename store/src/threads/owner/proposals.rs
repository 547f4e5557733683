//! Proposals on their way into the log: appended where this node leads, forwarded where another one does.

use super::{APPEND_BYTES_MAX, FORWARD_BYTES_MAX, Owner, Queued, Wait};
use crate::bugs::{Bug, planted};
use crate::command::{Command, Session, session_of};
use crate::peers::Body;
use crate::raft::Role;
use crate::threads::pending::Pending;
use crate::txn::Why;
use std::time::Duration;

impl Owner {
    /// Takes proposals of another node in. What is dropped here, its node sends again.
    pub(super) fn take_in(&mut self, from: u64, proposals: Vec<Vec<u8>>) {
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

    pub(super) fn append_when_due(&mut self) -> Wait {
        let leads = self.core.role() == Role::Leader;
        if leads && self.hands_over() && !self.core.is_handing_over() && !self.core.is_persisting() {
            // Without another voter this node leads until it stops.
            let _ = self.hand_over(None);
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

    /// Sends what waits here to the leader.
    pub(super) fn forward(&mut self) {
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
    pub(super) fn forward_again(&mut self, leader: u64, term: u64) {
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
    pub(super) fn next_queued(&mut self, term: u64) -> Option<Queued> {
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

    pub(super) fn session(&self, sequence: u64) -> Session {
        Session { node: self.shared.identity.node, boot: self.shared.boot, sequence }
    }

    /// Appends the queued proposals, and those of other nodes, to the log as one batch.
    pub(super) fn append(&mut self) {
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
}
