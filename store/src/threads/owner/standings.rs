//! How the members stand: this node tells the leader, and as leader tells everybody.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Owner;
use crate::bugs::{Bug, planted};
use crate::command::Encoded;
use crate::level::{LEVEL_SUPPORTED, next_level};
use crate::marks::{Comparison, compare};
use crate::members::nodes_of;
use crate::peers::Body;
use crate::raft::Role;
use crate::shared::FREE_UNKNOWN;
use crate::standing::{KnownRoll, Roll, RollEntry, STANDING_INTERVAL, STANDING_PATIENCE, Standing};
use crate::threads::LogEvent;

impl Owner {
    /// With every tick: what the leader knows is published here at once; the others hear of it now and then.
    pub(super) fn tell_standings(&mut self, now: Duration) {
        let leads = self.core.role() == Role::Leader;
        if leads {
            self.standings.retain(|_, (_, at)| now <= *at + STANDING_PATIENCE);
            let roll = self.roll();
            self.compare_marks(&roll);
            *self.shared.roll.lock() = KnownRoll { roll, at: now };
        }
        if now < self.told_at + STANDING_INTERVAL {
            return;
        }
        self.told_at = now;
        let own = self.shared.identity.node;
        if leads {
            let roll = self.roll();
            for member in roll.entries.iter().filter(|entry| entry.node != own) {
                self.send(member.node, Body::Roll(roll.clone()));
            }
        } else if self.core.leader() != 0 {
            self.send(self.core.leader(), Body::Standing(self.standing()));
        }
    }

    pub(super) fn take_standing(&mut self, from: u64, standing: Standing) {
        let is_member = self.core.reach().iter().any(|reach| reach.node == from);
        if is_member {
            self.standings.insert(from, (standing, self.shared.options.clock.now()));
        }
    }

    pub(super) fn take_roll(&mut self, from: u64, roll: Roll) {
        if self.core.leader() == from && self.core.term() == roll.term {
            self.compare_marks(&roll);
            *self.shared.roll.lock() = KnownRoll { roll, at: self.shared.options.clock.now() };
        }
    }

    /// Whether a node was heard lately. (Raft's own mark is taken back with every election timeout.)
    pub(super) fn is_heard(&self, node: u64) -> bool {
        let patience = 2 * self.shared.options.election_ticks as u64;
        self.heard.get(&node).is_some_and(|tick| self.ticks <= tick + patience)
    }

    /// Raises the alarm when nodes that applied the same log differ, and takes this one out of service when it is the one
    /// that is wrong: it then has another state sent.
    fn compare_marks(&mut self, roll: &Roll) {
        let mark =
            |entry: &RollEntry| Some((entry.node, entry.standing?.mark)).filter(|(_, mark)| mark.index > 0);
        let marks: Vec<_> = roll.entries.iter().filter_map(mark).collect();
        let comparison = if planted(Bug::UncomparedHashes) { Comparison::Equal } else { compare(&marks) };
        let Comparison::Differs { index, outvoted } = comparison else {
            self.shared.divergence.lock().clear();
            return;
        };
        let news = format!("the states of the nodes differ at log entry {index}; outvoted: {outvoted:016x?}");
        let known = std::mem::replace(&mut *self.shared.divergence.lock(), news.clone());
        if known != news {
            tracing::error!("{news}");
        }
        let is_wrong = outvoted.contains(&self.shared.identity.node);
        if is_wrong && !self.shared.out_of_service.swap(true, Ordering::SeqCst) {
            self.core.await_state();
            // Also the next start must not serve it.
            self.log.push(LogEvent::Distrust);
        }
    }

    /// Now and then the leader has everybody note the hash of its state.
    pub(super) fn propose_mark(&mut self, now: Duration) {
        let revision = self.shared.published.reached();
        if now < self.marked.0 + self.shared.options.mark_interval || revision == self.marked.1 {
            return;
        }
        self.marked = (now, revision);
        if !self.known.sole_voter {
            // Nobody waits for the outcome: the next one comes.
            let _ = self.shared.propose(Encoded::mark(), None);
        }
    }

    /// The leader raises the cluster level once every member knows the next one.
    pub(super) fn propose_level(&self) {
        let current = self.shared.members.borrow().level;
        let roll = self.roll();
        let said = |node: &u64| {
            let entry = roll.entries.iter().find(|entry| entry.node == *node)?;
            Some(entry.standing?.level)
        };
        let next = next_level(current, nodes_of(&self.core.conf_state()).iter().map(said));
        if let Some(level) = next {
            tracing::info!(level, "raising the cluster level: every member knows it");
            // Nobody waits for the outcome: what is lost is asked for again.
            let _ = self.shared.propose(Encoded::level(level), None);
        }
    }

    fn standing(&self) -> Standing {
        let figures = &self.shared.figures;
        Standing {
            applied: self.shared.applied.reached(),
            revision: self.shared.published.reached(),
            free_bytes: Some(figures.free_bytes.load(Ordering::Relaxed)).filter(|free| *free != FREE_UNKNOWN),
            disk_full: figures.disk_full.load(Ordering::Relaxed),
            mark: *self.shared.mark.lock(),
            level: LEVEL_SUPPORTED.min(self.shared.options.cluster_level_max),
        }
    }

    fn roll(&self) -> Roll {
        let own = self.shared.identity.node;
        let entry = |reach: crate::members::Reach| RollEntry {
            node: reach.node,
            matched: reach.matched,
            active: reach.node == own || self.is_heard(reach.node),
            standing: if reach.node == own {
                Some(self.standing())
            } else {
                self.standings.get(&reach.node).map(|(standing, _)| *standing)
            },
        };
        let entries = self.core.reach().into_iter().map(entry).collect();
        Roll { term: self.core.term(), commit: self.core.commit(), entries }
    }
}
