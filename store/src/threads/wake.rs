//! The wake thread: wakes watchers when there are so many that waking them would hold up the writers.

use std::sync::Arc;
use std::task::Waker;

use crate::mailbox::Mailbox;

/// Up to this many watchers are woken by the state thread itself, which saves a thread switch.
const WAKE_INLINE_MAX: usize = 16;

/// What the wake thread is told.
#[derive(Debug)]
pub(crate) enum Wake {
    /// Wake these. A watcher has at most one waker anywhere, so this is bounded by the number of watchers.
    All(Vec<Waker>),
    Stop,
}

impl Wake {
    /// Wakes some watchers at once and leaves a crowd to the thread.
    pub(crate) fn send(wakers: Vec<Waker>, mailbox: &Arc<Mailbox<Wake>>) {
        if wakers.len() > WAKE_INLINE_MAX {
            mailbox.push(Wake::All(wakers));
            return;
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Runs until told to stop.
pub(crate) fn run_wake(mailbox: &Mailbox<Wake>) {
    mailbox.serve(wake_turn);
}

/// Handles events; false after the last one.
pub(crate) fn wake_turn(events: &mut Vec<Wake>) -> bool {
    for event in events.drain(..) {
        let Wake::All(wakers) = event else { return false };
        wakers.into_iter().for_each(Waker::wake);
    }
    true
}
