//! States that travel as a whole, as the owner sees them: who is to be sent one, and whether a received one is
//! installed. Keeps: nothing leaves the core while the log is being switched.

use super::{Owner, SNAPSHOT_TICKS};
use crate::disk::Truncation;
use crate::fatal::fatal;
use crate::peers::Body;
use crate::raft::Tail;
use crate::threads::{Built, LogEvent, StateEvent, Switch};
use std::sync::atomic::Ordering;

impl Owner {
    /// Has snapshots sent to the nodes that need them.
    pub(super) fn send_snapshots(&mut self) {
        let active = self.shared.snapshots.load(Ordering::SeqCst) > 0;
        for to in self.core.take_snapshot_wishes(active) {
            let asked = self.asked.get(&to).is_some_and(|tick| self.ticks < tick + SNAPSHOT_TICKS);
            if !asked {
                self.asked.insert(to, self.ticks);
                let first_index = self.core.first_index();
                self.state.push(StateEvent::Snapshot { to, first_index });
            }
        }
    }

    /// A node whose state was damaged asks the leader for another one until it has it.
    pub(super) fn ask_for_state(&mut self) {
        let leader = self.core.leader();
        if self.core.awaits_state()
            && leader != 0
            && self.installing.is_none()
            && self.ticks.is_multiple_of(SNAPSHOT_TICKS)
        {
            self.send(leader, Body::StateWanted);
        }
    }

    /// Another node asks for the whole state.
    pub(super) fn state_wanted(&mut self, by: u64) {
        let is_member = self.core.reach().iter().any(|reach| reach.node == by);
        if self.core.leads_its_term() && is_member {
            let first_index = self.core.first_index();
            self.state.push(StateEvent::Snapshot { to: by, first_index });
        }
    }

    /// Has the log switched to a received state, unless this node has come further meanwhile.
    pub(super) fn install(&mut self, built: Box<Built>) {
        let meta = &built.machine.meta;
        if self.installing.is_some() || self.stop.is_some() {
            return;
        }
        if !self.core.wants(meta) {
            self.answer_snapshot(meta.applied, meta.term);
            return;
        }
        let kept = self.core.kept_behind(meta);
        let before = (meta.applied, meta.term, self.core.chain_at(meta));
        let last = kept.last().map_or(before, |last| (last.entry.index, last.entry.term, last.chain));
        let truncation = Truncation { index: before.0, term: before.1, chain: before.2 };
        let hard_state = self.core.hard_state_at(meta);
        let state = built.directory.clone();
        self.log.push(LogEvent::Switch(Switch { truncation, last, hard_state, state }));
        self.installing = Some(built);
    }

    /// Tells the leader that this node goes on without the state that ends at this entry.
    pub(super) fn answer_snapshot(&mut self, index: u64, term: u64) {
        if self.installing.is_none()
            && let Some(answer) = self.core.answer_snapshot(index, term)
        {
            self.send(answer.to, Body::Raft(vec![answer]));
        }
    }

    /// Goes on behind the received state.
    pub(super) fn switched(&mut self) {
        let Some(built) = self.installing.take() else { return };
        let meta = &built.machine.meta;
        let before = (meta.applied, meta.term, self.core.chain_at(meta));
        let kept = self.core.kept_behind(meta);
        let hard_state = self.core.hard_state_at(meta);
        let mut tail = Tail::new(before, self.shared.options.tail_bytes, hard_state, meta.conf.clone());
        tail.append(kept);
        let leader = self.core.leader();
        let restarted = self.core.restart(tail, meta, leader);
        let answer = restarted.unwrap_or_else(|error| fatal(format_args!("a received state: {error}")));
        tracing::info!(index = meta.applied, revision = meta.revision, "installed a snapshot");
        if leader != 0 {
            self.send(leader, Body::Raft(vec![answer]));
        }
        self.state.push(StateEvent::Replace(built));
    }
}
