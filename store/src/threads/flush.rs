//! The flush thread: waits until the recorded state is durable, after which the log up to it may be erased.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::bugs::{Bug, planted};
use crate::engine::StateStore;
use crate::fatal::fatal;
use crate::mailbox::Mailbox;
use crate::threads::LogEvent;

/// What the flush thread is told.
#[derive(Debug)]
pub(crate) enum FlushEvent {
    /// A flush of everything up to this applied index has begun: wait for it.
    Flush(Arc<dyn StateStore>, u64),
    Stop,
}

/// The flush thread's own things.
pub(crate) struct FlushThread {
    pub(crate) mailbox: Arc<Mailbox<FlushEvent>>,
    pub(crate) log: Arc<Mailbox<LogEvent>>,
    /// Lowered when a flush is done.
    pub(crate) busy: Arc<AtomicBool>,
}

impl FlushThread {
    /// Takes turns until told to stop.
    pub(crate) fn run(self) {
        self.mailbox.clone().serve(|events| self.turn(events));
    }

    /// Handles events; false after the last one.
    pub(crate) fn turn(&self, events: &mut Vec<FlushEvent>) -> bool {
        for event in events.drain(..) {
            let FlushEvent::Flush(records, applied) = event else { return false };
            if planted(Bug::CutTooFar) {
                self.busy.store(false, Ordering::Release);
                self.log.push(LogEvent::EraseThrough(applied));
                continue;
            }
            if let Err(error) = records.finish_flush() {
                fatal(format_args!("the state could not be flushed: {error}"));
            }
            self.busy.store(false, Ordering::Release);
            self.log.push(LogEvent::EraseThrough(applied));
        }
        true
    }
}
