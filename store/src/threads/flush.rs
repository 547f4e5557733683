//! The flush thread: waits until the recorded state is durable, after which the log up to it may be erased.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::StateStore;
use crate::fatal::fatal;
use crate::mailbox::Mailbox;
use crate::threads::LogEvent;

/// What the flush thread is told.
#[derive(Debug)]
pub(crate) enum FlushEvent {
    /// A flush of everything up to this applied index has begun: wait for it.
    Flush(u64),
    Stop,
}

/// Runs until told to stop. `busy` is lowered when a flush is done.
pub(crate) fn run_flush(
    mailbox: &Mailbox<FlushEvent>,
    records: &Arc<dyn StateStore>,
    log: &Mailbox<LogEvent>,
    busy: &AtomicBool,
) {
    let mut events = Vec::new();
    loop {
        mailbox.take(&mut events, 1, None);
        for event in events.drain(..) {
            let FlushEvent::Flush(applied) = event else { return };
            if let Err(error) = records.finish_flush() {
                fatal(format_args!("the state could not be flushed: {error}"));
            }
            busy.store(false, Ordering::Release);
            log.push(LogEvent::EraseThrough(applied));
        }
    }
}
