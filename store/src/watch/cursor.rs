//! Cursors: one watcher's place in the events.
//!
//! Keeps: a cursor delivers every event of its range and interest exactly once, in order, or reports `Compacted`.
//! It may be dropped or polled again at any await point without losing an event.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use crate::bugs::{Bug, planted};
use crate::entry::Revision;
use crate::error::{Compacted, DiskError};
use crate::fatal::fatal;
use crate::past::entry_at;
use crate::record::{Record, RecordHead};
use crate::shared::Shared;
use crate::watch::hub::Look;
use crate::watch::{Event, Hub, Interest, Place};

/// Records that one step of catching up may pass.
const CATCH_UP_RECORDS_MAX: usize = 20_000;
/// Bytes of records from which one step of catching up stops collecting.
const CATCH_UP_BYTES_MAX: usize = 256 << 10;
/// How many cursors of a store may read records at once; the others wait for their turn.
pub(crate) const CATCH_UPS_MAX: usize = 4;

/// What a step of a cursor brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many events were delivered.
    pub delivered: usize,
    /// Everything of interest up to here has been delivered.
    pub position: Revision,
}

/// A watcher's place in the events of one bucket.
#[derive(Debug)]
pub struct Cursor {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    place: Place,
    catching_up: Option<oneshot::Receiver<Result<Slice, DiskError>>>,
    /// Events read from records that did not fit the caller's last request.
    backlog: VecDeque<Arc<Event>>,
    /// Where the place stands once the backlog is delivered.
    backlog_through: Revision,
}

/// Events read from records.
#[derive(Debug)]
struct Slice {
    events: VecDeque<Arc<Event>>,
    through: Revision,
}

impl Cursor {
    pub(crate) fn new(shared: Arc<Shared>, hub: Arc<Hub>, place: Place) -> Cursor {
        Cursor { shared, hub, place, catching_up: None, backlog: VecDeque::new(), backlog_through: 0 }
    }

    /// Waits until there is at least one event of interest, and appends at most `events_max` of them to `out`.
    pub async fn next(
        &mut self,
        events_max: usize,
        out: &mut Vec<Arc<Event>>,
    ) -> Result<Progress, Compacted> {
        std::future::poll_fn(|context| self.poll_next(context, events_max, out)).await
    }

    /// Like [`Cursor::next`], for callers that poll.
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        events_max: usize,
        out: &mut Vec<Arc<Event>>,
    ) -> Poll<Result<Progress, Compacted>> {
        let events_max = events_max.max(1);
        let before = out.len();
        loop {
            if self.deliver_backlog(events_max, out) {
                return Poll::Ready(Ok(self.progress(out.len() - before)));
            }
            if let Some(task) = &mut self.catching_up {
                let Poll::Ready(read) = Pin::new(task).poll(context) else { return Poll::Pending };
                self.catching_up = None;
                if let Err(compacted) = self.take_slice(read) {
                    return Poll::Ready(Err(compacted));
                }
                continue;
            }
            let published = self.shared.hubs.published_cell();
            match self.hub.look(&mut self.place, events_max, out, published, Some(context.waker())) {
                Look::Delivered => return Poll::Ready(Ok(self.progress(out.len() - before))),
                Look::More => {}
                Look::Waiting => return Poll::Pending,
                Look::Behind => {
                    if let Err(compacted) = self.check_floor() {
                        return Poll::Ready(Err(compacted));
                    }
                    self.catching_up = Some(self.catch_up(events_max));
                }
            }
        }
    }

    /// Takes what is there without waiting. Behind the ring this only begins to read, and delivers nothing yet.
    pub fn try_next(&mut self, events_max: usize, out: &mut Vec<Arc<Event>>) -> Result<Progress, Compacted> {
        let before = out.len();
        match self.poll_next(&mut Context::from_waker(Waker::noop()), events_max, out) {
            Poll::Ready(progress) => progress,
            Poll::Pending => Ok(Progress { delivered: out.len() - before, position: self.position() }),
        }
    }

    /// The revision up to which everything of interest has been delivered. A cursor that waits at the head counts
    /// as being at the newest revision published here, so a bookmark may carry it.
    pub fn position(&self) -> Revision {
        if !self.backlog.is_empty() || self.catching_up.is_some() {
            return self.place.position;
        }
        self.hub.position(&self.place, self.shared.hubs.published_cell())
    }

    fn progress(&self, delivered: usize) -> Progress {
        Progress { delivered, position: self.place.position }
    }

    fn deliver_backlog(&mut self, events_max: usize, out: &mut Vec<Arc<Event>>) -> bool {
        if self.backlog.is_empty() {
            return false;
        }
        let count = self.backlog.len().min(events_max);
        out.extend(self.backlog.drain(..count));
        if let Some(last) = out.last() {
            self.place.position = self.place.position.max(last.revision);
        }
        if self.backlog.is_empty() {
            self.place.position = self.place.position.max(self.backlog_through);
            if planted(Bug::WatchRepeats) {
                self.place.position = self.backlog_through;
            }
        }
        true
    }

    fn take_slice(
        &mut self,
        read: Result<Result<Slice, DiskError>, oneshot::error::RecvError>,
    ) -> Result<(), Compacted> {
        // Records may have been erased while they were read; then what was read is not complete.
        self.check_floor()?;
        match read {
            Ok(Ok(slice)) => {
                let repeated = planted(Bug::WatchRepeats) && !slice.events.is_empty();
                self.backlog_through = slice.through - u64::from(repeated);
                if slice.events.is_empty() {
                    self.place.position = self.place.position.max(slice.through);
                }
                self.backlog = slice.events;
                Ok(())
            }
            // The runtime is shutting down; the next poll tries again or never comes.
            Ok(Err(DiskError::Cancelled)) | Err(_) => Ok(()),
            Ok(Err(error)) => fatal(format_args!("records could not be read: {error}")),
        }
    }

    fn check_floor(&self) -> Result<(), Compacted> {
        let floor = self.shared.state.load().floor;
        let hasty = planted(Bug::SpuriousCompacted) && self.place.position == floor;
        if self.place.position < floor || hasty { Err(Compacted { floor }) } else { Ok(()) }
    }

    /// Reads on whether or not the cursor is polled: one that holds a turn must never keep it.
    fn catch_up(&self, events_max: usize) -> oneshot::Receiver<Result<Slice, DiskError>> {
        let shared = self.shared.clone();
        let (sender, receiver) = oneshot::channel();
        let bucket = self.hub.bucket().to_owned();
        let place = Place::new(self.place.range.clone(), self.place.interest.clone(), self.place.position);
        let tasks = shared.options.tasks.clone();
        self.shared.options.tasks.spawn(Box::pin(async move {
            // The semaphore is never closed; a refusal could only mean that, and reading on is safe.
            let _turn = shared.catch_ups.acquire().await;
            let (done, read) = oneshot::channel();
            let reader = shared.clone();
            tasks.block(Box::new(move || drop(done.send(read_slice(&reader, &bucket, &place, events_max)))));
            // A cursor that went away needs no answer.
            let _ = sender.send(read.await.unwrap_or(Err(DiskError::Cancelled)));
        }));
        receiver
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.hub.leave(&mut self.place);
    }
}

fn read_slice(shared: &Shared, bucket: &str, place: &Place, events_max: usize) -> Result<Slice, DiskError> {
    let through = shared.recorded.reached();
    let records = shared.records();
    let mut slice = Slice { events: VecDeque::new(), through };
    let mut candidates = Vec::new();
    let (mut visited, mut bytes) = (0, 0);
    records.visit(place.position, through, &mut |revision, value| {
        visited += 1;
        let head = RecordHead::decode(revision, value)?;
        if head.key.starts_with(bucket) && wants_key(place, head.key) {
            bytes += value.len();
            candidates.push(Record::decode(revision, value)?);
        }
        let full = candidates.len() >= events_max || bytes >= CATCH_UP_BYTES_MAX;
        if full || visited >= CATCH_UP_RECORDS_MAX {
            slice.through = revision;
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for record in candidates {
        let old = match entry_at(&*records, record.previous) {
            Ok(old) => old,
            // Erased under our hands: the caller sees the floor and reports it.
            Err(_) if shared.state.load().floor > place.position => break,
            Err(error) => return Err(error),
        };
        let event = Event::new(record.revision, record.key, old, record.entry);
        if place.wants(&event) {
            slice.events.push_back(Arc::new(event));
        }
    }
    Ok(slice)
}

fn wants_key(place: &Place, key: &str) -> bool {
    let wanted = match &place.interest {
        Interest::Key(wanted) => wanted.as_str() == key,
        Interest::All | Interest::Term(_) => true,
    };
    wanted && key.starts_with(place.range.as_str())
}
