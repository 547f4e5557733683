//! A mailbox: what one thread is sent by others, taken in whole batches.
//!
//! Keeps: nothing is lost and order is kept. It has no limit of its own: every message stems from a proposal, read
//! or tick that was admitted before, and admission is bounded by number and bytes.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Messages for one thread.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    messages: Mutex<Vec<T>>,
    filled: Condvar,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Mailbox<T> {
        Mailbox { messages: Mutex::new(Vec::new()), filled: Condvar::new() }
    }

    pub(crate) fn push(&self, message: T) {
        let mut messages = self.messages.lock();
        messages.push(message);
        let first = messages.len() == 1;
        drop(messages);
        if first {
            self.filled.notify_one();
        }
    }

    /// Moves all messages into `batch`, waiting for the first one, at most `patience`.
    pub(crate) fn take(&self, batch: &mut Vec<T>, patience: Option<Duration>) {
        let mut messages = self.messages.lock();
        match patience {
            None => self.filled.wait_while(&mut messages, |messages| messages.is_empty()),
            Some(patience) => {
                self.filled.wait_while_for(&mut messages, |messages| messages.is_empty(), patience);
            }
        }
        if batch.is_empty() {
            std::mem::swap(&mut *messages, batch);
        } else {
            batch.append(&mut messages);
        }
    }
}
