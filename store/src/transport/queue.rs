//! The frames that wait for one node on one lane. Keeps: their bytes are bounded; what does not fit is dropped.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::peers::PeerFrame;

#[derive(Debug)]
pub(super) struct Queue {
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<PeerFrame>,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Queue {
        Queue { bytes_max, waiting: Mutex::default(), filled: Notify::new() }
    }

    /// Takes a frame, or drops it if it does not fit.
    pub(super) fn push(&self, frame: PeerFrame) {
        let mut waiting = self.waiting.lock();
        let bytes = waiting.bytes + frame.size();
        // One frame of any size always fits; else a large one would never be sent.
        if bytes > self.bytes_max && !waiting.frames.is_empty() {
            return;
        }
        waiting.bytes = bytes;
        waiting.frames.push_back(frame);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Moves frames of about `bytes_max` bytes, at least one if there is any, into `batch`.
    pub(super) fn take(&self, batch: &mut Vec<PeerFrame>, bytes_max: usize) {
        let mut waiting = self.waiting.lock();
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(frame) = waiting.frames.pop_front()
        {
            bytes += frame.size();
            batch.push(frame);
        }
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.waiting.lock().bytes
    }

    /// Waits, as the only one, until there is a frame.
    pub(super) async fn filled(&self) {
        while self.waiting.lock().frames.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        *self.waiting.lock() = Waiting::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{Body, PeerMessage};

    fn frame(bytes: usize) -> PeerFrame {
        let message = PeerMessage(Body::Forward(vec![vec![0; bytes]]));
        PeerFrame { cluster: 1, from: 1, to: 2, boot: 1, message }
    }

    fn sizes(queue: &Queue, bytes_max: usize) -> Vec<usize> {
        let mut batch = Vec::new();
        queue.take(&mut batch, bytes_max);
        batch.iter().map(|frame| frame.size() - super::tests::frame(0).size()).collect()
    }

    #[test]
    fn what_does_not_fit_is_dropped_until_there_is_room_again() {
        let queue = Queue::new(1_000);
        for bytes in [400, 400, 401, 10] {
            queue.push(frame(bytes));
        }
        assert_eq!(sizes(&queue, 1), [400]);
        queue.push(frame(300));
        assert_eq!(sizes(&queue, usize::MAX), [400, 10, 300]);
        assert_eq!(sizes(&queue, usize::MAX), [0; 0]);
    }

    #[test]
    fn a_frame_larger_than_the_queue_fits_alone() {
        let queue = Queue::new(1_000);
        queue.push(frame(5_000));
        queue.push(frame(1));
        assert_eq!(sizes(&queue, usize::MAX), [5_000]);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_and_a_cleared_queue_makes_wait_again() {
        let queue = std::sync::Arc::new(Queue::new(1_000));
        queue.push(frame(1));
        queue.clear();
        let waiter = tokio::spawn({
            let queue = queue.clone();
            async move { queue.filled().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        queue.push(frame(1));
        waiter.await.expect("woken");
    }
}
