//! Proposals that were given a sequence and whose fate is not known yet.
//!
//! Keeps: a proposal is answered `NotProposed` only when every attempt to bring it into a log was refused for good;
//! otherwise its fate is `Unknown` until its session is seen in the log. It may be sent any number of times, also to
//! several leaders: apply takes a sequence once. Unanswered sequences stay within half the window in which apply can
//! tell.

use std::collections::BTreeMap;
use std::time::Duration;

use smallvec::SmallVec;

use crate::sessions::SESSION_WINDOW;
use crate::shared::Reply;
use crate::txn::{Outcome, Why};

/// The proposals of this boot, by sequence.
#[derive(Debug, Default)]
pub(crate) struct PendingTable {
    pending: BTreeMap<u64, Pending>,
    newest: u64,
}

#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) reply: Reply,
    pub(crate) deadline: Duration,
    /// What to send again; none where nobody else could lead.
    pub(crate) data: Option<Vec<u8>>,
    /// The terms in which it may have entered a log.
    pub(crate) attempts: SmallVec<[u64; 2]>,
    /// The tick of the last attempt.
    pub(crate) tried_at: u64,
}

impl PendingTable {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether another sequence fits the window.
    pub(crate) fn has_room(&self) -> bool {
        let oldest = self.pending.first_key_value().map_or(self.newest, |(sequence, _)| *sequence);
        self.newest - oldest < SESSION_WINDOW / 2
    }

    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    pub(crate) fn insert(&mut self, sequence: u64, pending: Pending) {
        self.pending.insert(sequence, pending);
    }

    /// The session was seen in the log, or the proposal is given back.
    pub(crate) fn take(&mut self, sequence: u64) -> Option<Reply> {
        self.pending.remove(&sequence).map(|pending| pending.reply)
    }

    /// No copy that was sent in `term` enters a log.
    pub(crate) fn refused(&mut self, sequence: u64, term: u64) {
        if let Some(pending) = self.pending.get_mut(&sequence) {
            pending.attempts.retain(|attempt| *attempt != term);
        }
    }

    /// What should be tried in `term`, at most `bytes_max` or one: what was not tried in it, and what was tried before
    /// `again_before`.
    pub(crate) fn due(&mut self, term: u64, now: u64, again_before: u64, bytes_max: usize) -> Vec<Vec<u8>> {
        let mut due = Vec::new();
        let mut bytes = 0;
        for pending in self.pending.values_mut() {
            let Some(data) = &pending.data else { continue };
            let tried = pending.attempts.contains(&term);
            if tried && pending.tried_at >= again_before {
                continue;
            }
            if bytes != 0 && bytes + data.len() > bytes_max {
                break;
            }
            bytes += data.len();
            due.push(data.clone());
            pending.tried_at = now;
            if !tried {
                pending.attempts.push(term);
            }
        }
        due
    }

    /// Answers those whose deadline has come.
    pub(crate) fn end_late(&mut self, now: Duration) {
        for (_, pending) in self.pending.extract_if(.., |_, pending| pending.deadline <= now) {
            pending.end();
        }
    }

    pub(crate) fn end_all(&mut self) {
        for pending in std::mem::take(&mut self.pending).into_values() {
            pending.end();
        }
    }
}

impl Pending {
    fn end(self) {
        match self.attempts.is_empty() {
            true => self.reply.refuse(Why::NoLeader),
            false => self.reply.send(Outcome::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Admission;
    use std::sync::Arc;
    use tokio::sync::oneshot;

    fn insert(table: &mut PendingTable, deadline: u64) -> (u64, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        let permit = Arc::new(Admission::new(9, 9)).admit(1).expect("a permit");
        let sequence = table.next_sequence();
        let pending = Pending {
            reply: Reply::new(sender, permit),
            deadline: Duration::from_secs(deadline),
            data: Some(vec![sequence as u8; 10]),
            attempts: SmallVec::new(),
            tried_at: 0,
        };
        table.insert(sequence, pending);
        (sequence, receiver)
    }

    #[test]
    fn only_what_every_attempt_refused_is_not_proposed() {
        let mut table = PendingTable::default();
        let (first, mut first_answer) = insert(&mut table, 1);
        let (second, mut second_answer) = insert(&mut table, 1);
        assert_eq!(table.due(5, 1, 0, 100).len(), 2);
        table.refused(first, 5);
        assert_eq!(table.due(6, 2, 0, 100).len(), 2);
        table.refused(first, 6);
        table.refused(second, 6);
        table.end_late(Duration::from_secs(1));
        assert!(matches!(first_answer.try_recv(), Ok(Outcome::NotProposed(Why::NoLeader))));
        assert!(matches!(second_answer.try_recv(), Ok(Outcome::Unknown)));
    }

    #[test]
    fn attempts_are_repeated_after_a_while_and_in_a_new_term() {
        let mut table = PendingTable::default();
        insert(&mut table, 1);
        insert(&mut table, 1);
        assert_eq!(table.due(5, 10, 0, 15).len(), 1, "portions are bounded");
        assert_eq!(table.due(5, 10, 0, 100).len(), 1);
        assert_eq!(table.due(5, 15, 10, 100).len(), 0);
        assert_eq!(table.due(5, 21, 11, 100).len(), 2);
        assert_eq!(table.due(6, 22, 12, 100).len(), 2);
    }
}
