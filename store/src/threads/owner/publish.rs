//! What the owner tells everybody about the replica. Keeps: a leader's duties begin only when everything before its
//! term is applied.

use super::Owner;
use crate::raft::Role;
use crate::shared::{NEVER, Replica};
use crate::status::Leadership;
use std::sync::atomic::Ordering;

impl Owner {
    /// Publishes what changed about the replica.
    pub(super) fn publish(&mut self) {
        let replica = Replica {
            leader: self.core.leader(),
            term: self.core.term(),
            commit: self.core.commit(),
            leads: self.core.role() == Role::Leader,
            complete: self.known.replica.complete,
        };
        let leads_its_term = self.core.leads_its_term();
        let sole_voter = self.core.is_sole_voter();
        let only_member = self.core.is_only_member();
        let changed = replica.term != self.known.replica.term
            || replica.leads != self.known.replica.leads
            || leads_its_term != self.known.leads_its_term
            || sole_voter != self.known.sole_voter
            || only_member != self.known.only_member;
        if changed || replica != self.known.replica {
            *self.shared.replica.lock() = replica;
            self.known.replica = replica;
        }
        if changed {
            self.known.leads_its_term = leads_its_term;
            self.known.sole_voter = sole_voter;
            self.known.only_member = only_member;
            if !sole_voter {
                self.core.keep(self.shared.options.tail_bytes);
            }
            self.known.complete_from = replica.commit;
            // A learner may have answered a write before it is published here.
            let alone = only_member && !self.shared.options.confirm_every_read;
            let fast = leads_its_term && alone;
            let from = if fast { replica.commit } else { NEVER };
            self.shared.fast_reads.store(from, Ordering::SeqCst);
        }
        self.announce(replica, leads_its_term);
    }

    /// Tells leader-only loops that they may start, once everything before this term is applied, or must stop.
    pub(super) fn announce(&mut self, replica: Replica, leads_its_term: bool) {
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
    pub(super) fn has_applied(&self, index: u64) -> bool {
        if self.shared.applied.reached() >= index {
            return true;
        }
        self.shared.owner_waits_for.store(index, Ordering::SeqCst);
        // It may have been applied before the state thread could see the wish.
        self.shared.applied.reached() >= index
    }
}
