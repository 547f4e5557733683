//! Proposals that were given a sequence and whose fate is not known yet.
//!
//! Keeps: once a proposal was sent anywhere, its fate is `Unknown` until its session is seen in the log: a leader that
//! does not take it cannot speak for another copy. It may be sent any number of times, also to several leaders: apply
//! takes a sequence once. Unanswered sequences stay within half the window in which apply can
//! tell.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bugs::{Bug, planted};
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
    /// The term and the tick of the last attempt.
    pub(crate) tried_in: u64,
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

    /// Refuses what was tried in an earlier term, as a planted bug does.
    pub(crate) fn refuse_tried_before(&mut self, term: u64) {
        let tried = self.pending.extract_if(.., |_, pending| pending.tried_in < term);
        tried.for_each(|(_, pending)| pending.reply.refuse(Why::NoLeader));
    }

    /// What should be tried in `term`, at most `bytes_max` or one: what was not tried in it, and what was tried before
    /// `again_before`.
    pub(crate) fn due(&mut self, term: u64, now: u64, again_before: u64, bytes_max: usize) -> Vec<Vec<u8>> {
        let mut due = Vec::new();
        let mut bytes = 0;
        for pending in self.pending.values_mut() {
            let Some(data) = &pending.data else { continue };
            if pending.tried_in == term && pending.tried_at >= again_before {
                continue;
            }
            if bytes != 0 && bytes + data.len() > bytes_max {
                break;
            }
            bytes += data.len();
            due.push(data.clone());
            (pending.tried_in, pending.tried_at) = (term, now);
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
        match planted(Bug::TimeoutMeansRefused) {
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
            tried_in: 0,
            tried_at: 0,
        };
        table.insert(sequence, pending);
        (sequence, receiver)
    }

    #[test]
    fn what_was_sent_has_an_unknown_fate_when_its_time_is_over() {
        let mut table = PendingTable::default();
        let (_, mut early) = insert(&mut table, 1);
        let (_, mut late) = insert(&mut table, 2);
        table.end_late(Duration::from_secs(1));
        assert!(matches!(early.try_recv(), Ok(Outcome::Unknown)));
        assert!(late.try_recv().is_err());
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
