//! A number that only grows, and those who wait until it has reached theirs.
//!
//! Keeps: no timer of its own. Whoever waits names a deadline, and the owner's ticks end the waits that are over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A growing number that can be waited for.
#[derive(Debug, Default)]
pub(crate) struct Milestone {
    reached: AtomicU64,
    /// How many wait; written before they look at `reached`, so that none is overlooked.
    waiters: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    by_number: BTreeMap<u64, Vec<Waiter>>,
    /// Set when nobody will end the waits any more.
    closed: bool,
}

#[derive(Debug)]
struct Waiter {
    deadline: Duration,
    sender: oneshot::Sender<()>,
}

/// The number was not reached in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late;

impl Milestone {
    pub(crate) fn reached(&self) -> u64 {
        self.reached.load(Ordering::SeqCst)
    }

    pub(crate) fn reach(&self, number: u64) {
        self.reached.store(number, Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) == 0 {
            return;
        }
        let due = {
            let mut waiting = self.waiting.lock();
            let later = waiting.by_number.split_off(&(number + 1));
            let due = std::mem::replace(&mut waiting.by_number, later);
            self.count(&waiting);
            due
        };
        for waiter in due.into_values().flatten() {
            // A waiter that went away needs no answer.
            let _ = waiter.sender.send(());
        }
    }

    /// Ends the waits whose deadline has come.
    pub(crate) fn expire(&self, now: Duration) {
        if self.waiters.load(Ordering::SeqCst) != 0 {
            self.end_waits(|waiter| waiter.deadline <= now);
        }
    }

    /// Ends all waits, now and later: nothing will be reached any more.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.end_waits(|_| true);
    }

    fn end_waits(&self, is_over: impl Fn(&Waiter) -> bool) {
        let mut over = Vec::new();
        let mut waiting = self.waiting.lock();
        waiting.by_number.retain(|_, waiters| {
            over.extend(waiters.extract_if(.., |waiter| is_over(waiter)));
            !waiters.is_empty()
        });
        self.count(&waiting);
        drop(waiting);
        // Without its sender a wait is over.
        drop(over);
    }

    fn count(&self, waiting: &Waiting) {
        let left = waiting.by_number.values().map(Vec::len).sum();
        self.waiters.store(left, Ordering::SeqCst);
    }

    /// Waits until `number` is reached, about until `deadline`.
    pub(crate) async fn wait(&self, number: u64, deadline: Duration) -> Result<(), Late> {
        if self.reached() >= number {
            return Ok(());
        }
        let waiter = {
            let mut waiting = self.waiting.lock();
            self.waiters.fetch_add(1, Ordering::SeqCst);
            if self.reached() >= number || waiting.closed {
                self.waiters.fetch_sub(1, Ordering::SeqCst);
                return if self.reached() >= number { Ok(()) } else { Err(Late) };
            }
            let (sender, receiver) = oneshot::channel();
            waiting.by_number.entry(number).or_default().push(Waiter { deadline, sender });
            receiver
        };
        waiter.await.map_err(|_| Late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn waiters_are_released_when_their_number_is_reached() {
        let milestone = std::sync::Arc::new(Milestone::default());
        let waiter = tokio::spawn({
            let milestone = milestone.clone();
            async move { milestone.wait(5, SOON).await }
        });
        tokio::task::yield_now().await;
        milestone.reach(4);
        assert!(!waiter.is_finished());
        milestone.reach(7);
        assert_eq!(waiter.await.expect("released"), Ok(()));
        assert_eq!(milestone.wait(7, SOON).await, Ok(()));
    }

    #[tokio::test]
    async fn a_wait_ends_with_its_deadline_or_with_the_milestone() {
        let milestone = std::sync::Arc::new(Milestone::default());
        for end in [|milestone: &Milestone| milestone.expire(SOON), Milestone::close] {
            let waiter = tokio::spawn({
                let milestone = milestone.clone();
                async move { milestone.wait(5, SOON).await }
            });
            tokio::task::yield_now().await;
            milestone.expire(SOON / 2);
            tokio::task::yield_now().await;
            assert!(!waiter.is_finished());
            end(&milestone);
            assert_eq!(waiter.await.expect("ended"), Err(Late));
        }
        assert_eq!(milestone.wait(5, SOON).await, Err(Late), "closed");
    }
}
