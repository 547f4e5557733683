//! A number that only grows, and those who wait until it has reached theirs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A growing number that can be waited for.
#[derive(Debug, Default)]
pub(crate) struct Milestone {
    reached: AtomicU64,
    /// How many wait; written before they look at `reached`, so that none is overlooked.
    waiters: AtomicUsize,
    waiting: Mutex<BTreeMap<u64, Vec<oneshot::Sender<()>>>>,
}

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
            let later = waiting.split_off(&(number + 1));
            let due = std::mem::replace(&mut *waiting, later);
            let left = waiting.values().map(Vec::len).sum();
            self.waiters.store(left, Ordering::SeqCst);
            due
        };
        for waiter in due.into_values().flatten() {
            // A waiter that went away needs no answer.
            let _ = waiter.send(());
        }
    }

    /// Waits until `number` is reached.
    pub(crate) async fn wait(&self, number: u64) {
        if self.reached() >= number {
            return;
        }
        let waiter = {
            let mut waiting = self.waiting.lock();
            self.waiters.fetch_add(1, Ordering::SeqCst);
            if self.reached() >= number {
                self.waiters.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            let (sender, receiver) = oneshot::channel();
            waiting.entry(number).or_default().push(sender);
            receiver
        };
        // The sender goes away only with the milestone itself.
        let _ = waiter.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_are_released_when_their_number_is_reached() {
        let milestone = std::sync::Arc::new(Milestone::default());
        let waiter = tokio::spawn({
            let milestone = milestone.clone();
            async move { milestone.wait(5).await }
        });
        tokio::task::yield_now().await;
        milestone.reach(4);
        assert!(!waiter.is_finished());
        milestone.reach(7);
        waiter.await.expect("released");
        milestone.wait(7).await;
    }
}
