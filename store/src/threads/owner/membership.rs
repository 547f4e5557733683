//! What is wanted of the leader for the members as a whole: changes of membership, and another leader. Keeps: one
//! change is under way at a time; who asked is told only when it is complete; a node that does not lead sends the wish
//! to the leader, once.

use tokio::sync::oneshot;

use super::Owner;
use crate::asks::{ASKS_MAX, Ask, AskAnswer, Asker, Waiting, Wish};
use crate::members::{MemberChange, MemberError};
use crate::peers::Body;
use crate::raft::Role;

/// What became of a wish that was looked at.
enum Step {
    /// It is under way.
    Begun,
    /// It has to wait, or its answer has.
    Later,
    Answer(Result<(), MemberError>),
    /// Whoever asked will find out otherwise.
    Forget,
}

impl Owner {
    /// Takes in a wish of a caller. What has to wait is looked at again with every turn until its time is over.
    pub(super) fn wish(&mut self, wish: Wish, reply: oneshot::Sender<Result<(), MemberError>>) {
        if self.asks.len() >= ASKS_MAX {
            // A caller that went away needs no answer.
            let _ = reply.send(Err(MemberError::Busy));
            return;
        }
        let deadline = self.shared.options.clock.now() + self.shared.options.request_timeout;
        self.asks.push_back(Waiting {
            wish,
            asker: Asker::Here(reply),
            deadline,
            sent: None,
            is_second: false,
        });
    }

    /// Takes in an ask of another node. One that is not for this leader is nobody's: its node learns of the other leader.
    pub(super) fn take_ask(&mut self, node: u64, ask: Ask) {
        let Ask { number, term, wish } = ask;
        let is_new = self.taken.admit(node, number);
        if !is_new || self.core.role() != Role::Leader || self.core.term() != term {
            return;
        }
        if self.asks.len() >= ASKS_MAX {
            let result = Err(MemberError::Busy);
            self.send(node, Body::AskAnswer(AskAnswer { number, result }));
            return;
        }
        let deadline = self.shared.options.clock.now() + self.shared.options.request_timeout;
        let asker = Asker::There { node, number, term };
        self.asks.push_back(Waiting { wish, asker, deadline, sent: None, is_second: false });
    }

    /// Takes the answer of the leader.
    pub(super) fn take_ask_answer(&mut self, node: u64, answer: AskAnswer) {
        let is_for = |waiting: &Waiting| {
            waiting.sent.is_some_and(|(number, _, leader)| (number, leader) == (answer.number, node))
        };
        if let Some(at) = self.asks.iter().position(is_for)
            && let Some(waiting) = self.asks.remove(at)
        {
            self.answer(waiting.asker, answer.result);
        }
    }

    /// Looks at every wish once.
    pub(super) fn look_at_wishes(&mut self) {
        for _ in 0..self.asks.len() {
            let Some(mut waiting) = self.asks.pop_front() else { return };
            match self.step_wish(&mut waiting) {
                Step::Begun => self.under_way = Some(waiting),
                Step::Later => self.asks.push_back(waiting),
                Step::Answer(result) => self.answer(waiting.asker, result),
                Step::Forget => {}
            }
        }
        self.end_wish();
    }

    fn step_wish(&mut self, waiting: &mut Waiting) -> Step {
        if let Asker::There { term, .. } = waiting.asker
            && (self.core.term() != term || self.core.role() != Role::Leader)
        {
            return Step::Forget;
        }
        let late = self.shared.options.clock.now() >= waiting.deadline;
        if let Some((_, term, leader)) = waiting.sent {
            return self.look_at_sent(&waiting.wish, term, leader, late);
        }
        let own = self.shared.identity.node;
        let leader = self.core.leader();
        if self.core.leads_its_term() && self.stop.is_none() {
            return match self.begin_wish(&waiting.wish) {
                Ok(step) => step,
                Err(MemberError::Busy | MemberError::NotCaughtUp { .. }) if !late => Step::Later,
                Err(error) => Step::Answer(Err(error)),
            };
        }
        if late {
            return Step::Answer(Err(MemberError::NoLeader));
        }
        if leader != 0 && leader != own {
            self.ask_number += 1;
            let (number, term) = (self.ask_number, self.core.term());
            waiting.sent = Some((number, term, leader));
            self.send(leader, Body::Ask(Ask { number, term, wish: waiting.wish.clone() }));
        }
        Step::Later
    }

    /// A wish that was sent to the leader of a term: that leader answers, or is one no more.
    fn look_at_sent(&self, wish: &Wish, term: u64, leader: u64, late: bool) -> Step {
        let now = self.core.leader();
        if let Wish::HandOver(to) = wish
            && now != 0
            && now != leader
            && to.is_none_or(|to| to == now)
        {
            return Step::Answer(Ok(()));
        }
        let over = self.core.term() != term && now != 0;
        if late || over { Step::Answer(Err(MemberError::Unknown)) } else { Step::Later }
    }

    fn begin_wish(&mut self, wish: &Wish) -> Result<Step, MemberError> {
        if self.under_way.is_some() || self.core.is_changing_members() || self.core.is_handing_over() {
            return Err(MemberError::Busy);
        }
        match wish {
            Wish::Change(change) => self.begin_member_change(change).map(|()| Step::Begun),
            Wish::HandOver(to) if *to == Some(self.shared.identity.node) => Ok(Step::Answer(Ok(()))),
            Wish::HandOver(to) => self.hand_over(*to).map(|()| Step::Begun),
        }
    }

    pub(super) fn hand_over(&mut self, to: Option<u64>) -> Result<(), MemberError> {
        let heard: Vec<u64> = self.heard.keys().copied().filter(|node| self.is_heard(*node)).collect();
        self.core.hand_over(to, |node| heard.contains(&node))
    }

    fn begin_member_change(&mut self, change: &MemberChange) -> Result<(), MemberError> {
        let own = self.shared.identity.node;
        let conf = self.core.conf_state();
        if self.shared.applied.reached() < self.core.members_changed_at() {
            // It may have removed who is to be added now.
            return Err(MemberError::Busy);
        }
        let removed = self.shared.members.borrow().removed.clone();
        change.check(&conf, own, self.core.commit(), &self.core.reach(), &removed)?;
        self.core.propose_members(change.conf_change(&conf)).map_err(|_| MemberError::Busy)
    }

    /// Answers whoever asked for what is under way, once it is complete or its time is over.
    fn end_wish(&mut self) {
        if self.hands_over_again() {
            return;
        }
        let Some(Waiting { wish, deadline, .. }) = &self.under_way else { return };
        let late = self.shared.options.clock.now() >= *deadline;
        let leads = self.core.role() == Role::Leader;
        let answer = match wish {
            Wish::Change(change) => {
                let done = !self.core.is_changing_members() && change.is_done(&self.core.conf_state());
                let over = late || !leads;
                if done { Some(Ok(())) } else { over.then_some(Err(MemberError::Unknown)) }
            }
            // Raft gives a hand-over up by itself after an election timeout.
            Wish::HandOver(_) if leads && !self.core.is_handing_over() => Some(Err(MemberError::NotTaken)),
            Wish::HandOver(_) if leads => None,
            Wish::HandOver(to) => match self.core.leader() {
                0 => late.then_some(Err(MemberError::Unknown)),
                leader if to.is_none_or(|to| to == leader) => Some(Ok(())),
                _ => Some(Err(MemberError::Unknown)),
            },
        };
        if let Some(answer) = answer
            && let Some(waiting) = self.under_way.take()
        {
            self.answer(waiting.asker, answer);
        }
    }

    /// Begins a hand-over that was given up once more: a node that has not applied a change of members yet does not
    /// campaign, and by now it has.
    fn hands_over_again(&mut self) -> bool {
        let is_given_up = self.core.role() == Role::Leader && !self.core.is_handing_over();
        match &mut self.under_way {
            Some(Waiting { wish: Wish::HandOver(to), is_second: is_second @ false, .. }) if is_given_up => {
                *is_second = true;
                let to = *to;
                self.hand_over(to).is_ok()
            }
            _ => false,
        }
    }

    fn answer(&self, asker: Asker, result: Result<(), MemberError>) {
        match asker {
            // A caller that went away needs no answer.
            Asker::Here(reply) => drop(reply.send(result)),
            Asker::There { node, number, .. } => {
                self.send(node, Body::AskAnswer(AskAnswer { number, result }));
            }
        }
    }
}
