//! Read barriers on their way through Raft.
//!
//! Keeps: a context is never used twice (raft-rs answers a repeated one with its old index); a round is joined only
//! by reads that began before it; an answer counts only if the term is still the one in which it was asked, and
//! one that does not come within an election timeout is asked again under a new context (raft-rs drops requests
//! without telling).

use raft::ReadState;

use crate::bugs::{Bug, planted};

/// Coalesces reads into ReadIndex rounds. `T` is whoever waits.
#[derive(Debug)]
pub(crate) struct Reads<T> {
    node: u64,
    boot: u64,
    counter: u64,
    /// Whether the newest round was answered.
    answered: bool,
    waiting: Vec<T>,
    round: Option<Round<T>>,
}

#[derive(Debug)]
struct Round<T> {
    context: Vec<u8>,
    term: u64,
    ticks: usize,
    readers: Vec<T>,
}

impl<T> Reads<T> {
    /// `node` and `boot` together with a counter make contexts that no node ever uses twice.
    pub(crate) fn new(node: u64, boot: u64) -> Reads<T> {
        Reads { node, boot, counter: 0, answered: true, waiting: Vec::new(), round: None }
    }

    pub(crate) fn push(&mut self, reader: T) {
        self.waiting.push(reader);
    }

    /// Begins a round for all who wait, when none is under way; gives the context to ask with.
    pub(crate) fn begin(&mut self, term: u64) -> Option<Vec<u8>> {
        if self.round.is_some() || self.waiting.is_empty() {
            return None;
        }
        if !planted(Bug::ReusedReadContext) || self.answered {
            self.counter += 1;
        }
        self.answered = false;
        let context = [self.node.to_le_bytes(), self.boot.to_le_bytes(), self.counter.to_le_bytes()].concat();
        let readers = std::mem::take(&mut self.waiting);
        self.round = Some(Round { context: context.clone(), term, ticks: 0, readers });
        Some(context)
    }

    /// Takes an answer; gives the readers it confirms, with the index they must wait for.
    pub(crate) fn answer(&mut self, state: ReadState, term: u64) -> Option<(u64, Vec<T>)> {
        let round = self.round.take_if(|round| round.context == state.request_ctx)?;
        self.answered = true;
        if round.term != term {
            self.waiting.extend(round.readers);
            return None;
        }
        Some((state.index, round.readers))
    }

    /// Counts a tick; a round that is too old or of another term is given up, its readers wait for the next.
    pub(crate) fn tick(&mut self, term: u64, ticks_max: usize) {
        let stale = self.round.take_if(|round| {
            round.ticks += 1;
            round.ticks > ticks_max || round.term != term
        });
        if let Some(round) = stale {
            self.waiting.extend(round.readers);
        }
    }

    /// Drops readers for whom nobody waits any more.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.waiting.retain(&keep);
        if let Some(round) = &mut self.round {
            round.readers.retain(&keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(context: Vec<u8>, index: u64) -> ReadState {
        ReadState { index, request_ctx: context }
    }

    #[test]
    fn readers_that_come_during_a_round_wait_for_the_next() {
        let mut reads = Reads::new(1, 1);
        reads.push("a");
        let first = reads.begin(5).expect("a round");
        reads.push("b");
        assert!(reads.begin(5).is_none());
        assert_eq!(reads.answer(answer(first.clone(), 9), 5), Some((9, vec!["a"])));
        let second = reads.begin(5).expect("a round");
        assert_ne!(first, second);
        assert_eq!(reads.answer(answer(first, 9), 5), None);
        assert_eq!(reads.answer(answer(second, 10), 5), Some((10, vec!["b"])));
    }

    #[test]
    fn an_answer_from_another_term_is_dropped_and_asked_again() {
        let mut reads = Reads::new(1, 1);
        reads.push("a");
        let context = reads.begin(5).expect("a round");
        assert_eq!(reads.answer(answer(context, 9), 6), None);
        assert!(reads.begin(6).is_some());
    }

    #[test]
    fn a_lost_round_is_asked_again_under_a_new_context() {
        let mut reads = Reads::new(1, 1);
        reads.push("a");
        let first = reads.begin(5).expect("a round");
        (0..4).for_each(|_| reads.tick(5, 3));
        let second = reads.begin(5).expect("asked again");
        assert_ne!(first, second);
    }
}
