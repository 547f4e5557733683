//! Changes of membership, as the owner carries them out. Keeps: one is under way at a time, and who asked is told only
//! when it is complete.

use super::{Changing, Owner};
use crate::members::{MemberChange, MemberError};
use crate::raft::{Core, Role};
use crate::shared::Reader;
use tokio::sync::oneshot;

impl Owner {
    /// Begins a change of membership. One that has to wait for another one, or for a learner to catch up, is tried
    /// again with every tick until its time is over.
    pub(super) fn change_members(
        &mut self,
        change: MemberChange,
        reply: oneshot::Sender<Result<(), MemberError>>,
    ) {
        let deadline = self.shared.options.clock.now() + self.shared.options.request_timeout;
        self.try_member_change(Changing { change, reply, deadline });
    }

    pub(super) fn try_member_change(&mut self, changing: Changing) {
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

    pub(super) fn begin_member_change(&mut self, change: &MemberChange) -> Result<(), MemberError> {
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
    pub(super) fn end_member_change(&mut self) {
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
}
