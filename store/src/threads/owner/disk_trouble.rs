//! Disks that are full or stand still, as the owner sees them. Keeps: growth is refused once no majority has room for it,
//! and a node that cannot write hands leadership to one that can.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Owner;
use crate::bugs::{Bug, planted};
use crate::fatal::fatal;
use crate::raft::Role;

/// How often leadership is offered to a node with a better disk.
const OFFER_INTERVAL: Duration = Duration::from_secs(1);
/// A disk that has not taken a batch for so long is not coming back: the process ends, and what supervises it decides.
pub(crate) const STALL_PATIENCE: Duration = Duration::from_secs(20);

impl Owner {
    /// With every tick.
    pub(super) fn look_at_disks(&mut self, now: Duration) {
        let roomy = self.voters_with_room(now);
        let majority = self.core.conf_state().voters.len() / 2 + 1;
        self.shared
            .refuses_growth
            .store(roomy.is_some_and(|roomy| roomy.len() < majority), Ordering::Relaxed);
        if !self.core.is_persisting() {
            self.persisting_since = None;
        } else if self.persisting_since.is_none() {
            self.persisting_since = Some(now);
        }
        if self.core.role() == Role::Leader && now >= self.offered_at + OFFER_INTERVAL {
            self.offer_leadership(now);
        }
    }

    /// With every tick. Ticks are counted, not the clock: while the whole process is paused its disk stalls nobody. A batch
    /// that waits for room on the disk waits as long as it takes.
    pub(super) fn look_for_stall(&mut self) {
        let figures = &self.shared.figures;
        // Only a log thread that still looks for room is waiting for it.
        let rounds = figures.log_rounds.load(Ordering::Relaxed);
        let looks = std::mem::replace(&mut self.log_rounds, rounds) != rounds;
        let held = looks && figures.log_held.load(Ordering::Relaxed);
        if !self.waits_for_log() || held {
            self.stalled = Duration::ZERO;
            return;
        }
        self.stalled += self.tick_length();
        if self.stalled >= STALL_PATIENCE && !planted(Bug::PatientDisk) {
            fatal(format_args!(
                "the disk has not taken a write of the log for {} s",
                STALL_PATIENCE.as_secs()
            ));
        }
    }

    /// Whether the log thread has been given something that it has not answered.
    pub(crate) fn waits_for_log(&self) -> bool {
        self.core.is_persisting() || self.installing.is_some()
    }

    /// The voters whose disks have the room for growth, as far as known; a voter that says nothing has room.
    fn voters_with_room(&self, now: Duration) -> Option<Vec<u64>> {
        let conf = self.core.conf_state();
        let own = self.shared.identity.node;
        let own_full = self.shared.figures.disk_full.load(Ordering::Relaxed);
        if conf.voters.is_empty() {
            // A node that has no state yet knows no voters, and nothing about their disks.
            return None;
        }
        if conf.voters == [own] {
            return Some(conf.voters.into_iter().filter(|_| !own_full).collect());
        }
        let known = self.shared.roll.lock();
        let is_full = |node: &u64| {
            let entry = known.entry(*node, self.core.term(), now);
            entry.and_then(|entry| entry.standing).is_some_and(|standing| standing.disk_full)
        };
        Some(conf.voters.iter().copied().filter(|node| !is_full(node)).collect())
    }

    /// A leader whose disk is full, or whose log thread has not come back for an election timeout, lets another one lead:
    /// its own reads and writes would wait for that disk.
    fn offer_leadership(&mut self, now: Duration) {
        let election = self.shared.options.tick * self.shared.options.election_ticks as u32;
        let stands_still = self.persisting_since.is_some_and(|since| now >= since + election);
        let full = self.shared.figures.disk_full.load(Ordering::Relaxed);
        if !(stands_still || full) || self.core.is_handing_over() || self.known.sole_voter {
            return;
        }
        let own = self.shared.identity.node;
        let others = self.voters_with_room(now).unwrap_or_default();
        let other = others.into_iter().find(|node| *node != own && self.is_heard(*node));
        // While others are full as well, only one that can write at all is better.
        let to = if full { other } else { other.or(self.any_other_heard()) };
        if let Some(to) = to {
            self.offered_at = now;
            tracing::warn!(
                node = to,
                stands_still,
                full,
                "this node's disk is in trouble: another one shall lead"
            );
            // Whoever was not heard lately cannot take over; it is tried again.
            let _ = self.hand_over(Some(to));
        }
    }

    fn any_other_heard(&self) -> Option<u64> {
        let own = self.shared.identity.node;
        self.core.conf_state().voters.into_iter().find(|node| *node != own && self.is_heard(*node))
    }
}
