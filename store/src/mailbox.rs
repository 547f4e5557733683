//! A mailbox: what one thread is sent by others, taken in whole batches.
//!
//! Keeps: nothing is lost and order is kept. It has no limit of its own: every message stems from a proposal, read
//! or tick that was admitted before, and admission is bounded by number and bytes.
//!
//! A receiver says how many ordinary messages are worth waking up for; urgent ones always are.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Messages for one thread.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct Inner<T> {
    messages: Vec<T>,
    urgent: bool,
    /// How many messages the sleeping receiver waits for; 0 while it is awake.
    wanted: usize,
    /// Set when nobody will take messages any more.
    closed: bool,
}

impl<T> Inner<T> {
    fn is_due(&self, wanted: usize) -> bool {
        self.urgent || self.messages.len() >= wanted
    }
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Mailbox<T> {
        Mailbox {
            inner: Mutex::new(Inner { messages: Vec::new(), urgent: false, wanted: 0, closed: false }),
            filled: Condvar::new(),
        }
    }

    /// Leaves a message that the receiver must see at once. A closed mailbox drops it.
    pub(crate) fn push(&self, message: T) {
        drop(self.leave(message, true));
    }

    /// Leaves a message that may wait until there are as many as the receiver wants. A closed mailbox gives it
    /// back.
    pub(crate) fn push_unhurried(&self, message: T) -> Result<(), T> {
        self.leave(message, false)
    }

    fn leave(&self, message: T, urgent: bool) -> Result<(), T> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(message);
        }
        inner.messages.push(message);
        inner.urgent |= urgent;
        let wake = inner.wanted != 0 && inner.is_due(inner.wanted);
        if wake {
            inner.wanted = 0;
        }
        drop(inner);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Takes no more messages; gives the last ones.
    pub(crate) fn close(&self) -> Vec<T> {
        let mut inner = self.inner.lock();
        inner.closed = true;
        std::mem::take(&mut inner.messages)
    }

    /// Moves all messages into `batch` without waiting.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn try_take(&self, batch: &mut Vec<T>) {
        let mut inner = self.inner.lock();
        inner.urgent = false;
        batch.append(&mut inner.messages);
    }

    /// Whether nothing waits to be taken.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.inner.lock().messages.is_empty()
    }

    /// Hands batches to `turn`, waiting for each as long as it takes, until it says that this was the last.
    pub(crate) fn serve(&self, mut turn: impl FnMut(&mut Vec<T>) -> bool) {
        let mut batch = Vec::new();
        loop {
            self.take(&mut batch, 1, None);
            if !turn(&mut batch) {
                return;
            }
        }
    }

    /// Moves all messages into `batch`, waiting for an urgent one or for `wanted` ordinary ones, at most `patience`.
    pub(crate) fn take(&self, batch: &mut Vec<T>, wanted: usize, patience: Option<Duration>) {
        let mut inner = self.inner.lock();
        let waiting = |inner: &mut Inner<T>| {
            let due = inner.is_due(wanted.max(1));
            inner.wanted = if due { 0 } else { wanted.max(1) };
            !due
        };
        match patience {
            None => self.filled.wait_while(&mut inner, waiting),
            Some(patience) => {
                self.filled.wait_while_for(&mut inner, waiting, patience);
            }
        }
        inner.wanted = 0;
        inner.urgent = false;
        if batch.is_empty() {
            std::mem::swap(&mut inner.messages, batch);
        } else {
            batch.append(&mut inner.messages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_messages_bring_the_others_along_in_order() {
        let mailbox = Mailbox::new();
        let mut batch = Vec::new();
        mailbox.push_unhurried(1).unwrap();
        mailbox.push_unhurried(2).unwrap();
        mailbox.push(3);
        mailbox.take(&mut batch, usize::MAX, None);
        assert_eq!(batch, [1, 2, 3]);
    }

    #[test]
    fn a_closed_mailbox_gives_messages_back() {
        let mailbox = Mailbox::new();
        mailbox.push(1);
        assert_eq!(mailbox.close(), [1]);
        assert_eq!(mailbox.push_unhurried(2), Err(2));
    }

    #[test]
    fn the_wanted_number_is_enough() {
        let mailbox = std::sync::Arc::new(Mailbox::new());
        let sender = mailbox.clone();
        let thread =
            std::thread::spawn(move || (0..4).for_each(|number| sender.push_unhurried(number).unwrap()));
        let mut batch = Vec::new();
        while batch.len() < 4 {
            let wanted = 4 - batch.len();
            mailbox.take(&mut batch, wanted, None);
        }
        thread.join().unwrap();
        assert_eq!(batch, [0, 1, 2, 3]);
    }

    #[test]
    fn patience_ends_the_wait() {
        let mailbox: Mailbox<u8> = Mailbox::new();
        let mut batch = Vec::new();
        mailbox.push_unhurried(1).unwrap();
        mailbox.take(&mut batch, 2, Some(Duration::from_millis(1)));
        assert_eq!(batch, [1]);
    }
}
