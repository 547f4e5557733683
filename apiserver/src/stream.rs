//! Bodies that are made piece by piece: long lists and watches.
//!
//! Keeps: a piece is at most about [`CHUNK_BYTES`]; a watch event is encoded once per form and shared by all its
//! watchers; a watcher that does not read costs nothing but its place.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, Sleep};

use crate::audit::Recording;
use crate::clock::Clock;
use crate::closing::{Asked, Closing};
use crate::codec;
use crate::forms::{self, Place, Stored};
use crate::metrics::Ongoing;
use crate::negotiation::{Form, Media, Transform};
use crate::pipeline::Server;
use crate::read;
use crate::registry::Resource;
use crate::reply::{ListReply, WatchReply};
use crate::schema;
use crate::selector::Selection;
use crate::status::{Error, Status};
use crate::storage::{Cursor, Entry, Event, Revision};
use crate::table::{self, ListMeta};
use crate::tree::{Map, Node};

/// Pieces of a body.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send>>;

/// The size of a piece of a long list.
pub const CHUNK_BYTES: usize = 128 << 10;

/// Events that a watcher takes from its cursor at once.
const EVENTS_MAX: usize = 256;

/// How often a watcher that asked for bookmarks gets one.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

/// How long before its end a watch sends a last bookmark.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// A list being written as JSON, piece by piece.
pub struct ListWriter {
    reply: ListReply,
    form: Form,
    now: i64,
    at: usize,
    stage: Stage,
}

#[derive(PartialEq)]
enum Stage {
    Head,
    Items,
    Done,
}

impl ListWriter {
    /// Starts a list.
    pub fn new(reply: ListReply, form: Form, now: i64) -> ListWriter {
        ListWriter { reply, form, now, at: 0, stage: Stage::Head }
    }

    /// Whether the last piece was made.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The next piece, which ends when it is longer than `bytes_max`.
    pub fn next_piece(&mut self, bytes_max: usize) -> Option<Vec<u8>> {
        if self.stage == Stage::Done {
            return None;
        }
        let mut out = Vec::with_capacity(bytes_max.min(CHUNK_BYTES) + 32 * 1024);
        if self.stage == Stage::Head {
            self.head(&mut out);
            self.stage = Stage::Items;
        }
        while self.at < self.reply.entries.len() && out.len() < bytes_max {
            if self.at > 0 {
                out.push(b',');
            }
            self.item(&mut out);
            self.at += 1;
        }
        if self.at == self.reply.entries.len() {
            out.extend_from_slice(b"]}");
            self.stage = Stage::Done;
        }
        Some(out)
    }

    fn head(&self, out: &mut Vec<u8>) {
        let revision = self.reply.revision.to_string();
        let meta = list_meta(&self.reply, &revision);
        if self.form.transform == Transform::Table {
            return table::append_table_head(&self.reply.resource, &self.form, true, &meta, out);
        }
        let (api_version, kind) = list_kind(&self.reply.resource, &self.form);
        out.extend_from_slice(
            format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":").as_bytes(),
        );
        meta.append(out);
        out.extend_from_slice(b",\"items\":[");
    }

    fn item(&self, out: &mut Vec<u8>) {
        let resource = &self.reply.resource;
        let stored = Stored::from(&*self.reply.entries[self.at]);
        if self.form.transform == Transform::Table {
            let object = forms::served_tree_for_table(resource, &stored);
            return table::append_row(resource, &stored, &object, &self.form, self.now, out);
        }
        forms::append(resource, &stored, &self.form, Place::Item, out);
    }
}

fn list_meta<'a>(reply: &'a ListReply, revision: &'a str) -> ListMeta<'a> {
    ListMeta { revision, continue_token: &reply.continue_token, remaining: reply.remaining }
}

fn list_kind<'a>(resource: &'a Resource, form: &Form) -> (&'a str, String) {
    match form.transform {
        Transform::Metadata => (forms::meta_version(form), "PartialObjectMetadataList".to_owned()),
        _ => (resource.api_version.as_str(), resource.list_kind.clone()),
    }
}

/// A list as protobuf. The envelope states the length of everything in front, so all pieces are made first.
pub fn list_message(reply: &ListReply, form: &Form) -> Vec<Bytes> {
    let revision = reply.revision.to_string();
    let mut meta = Map::from([("resourceVersion", Node::from(revision))]);
    if !reply.continue_token.is_empty() {
        meta.set("continue", reply.continue_token.as_str());
    }
    if let Some(remaining) = reply.remaining {
        meta.set("remainingItemCount", remaining as i64);
    }
    let schema = schema::builtin();
    let id = schema.find(LIST_META).expect("the table has the meta types");
    let mut message = Vec::new();
    codec::proto::encode(&meta, schema, id, &mut message);
    let mut piece = Vec::with_capacity(CHUNK_BYTES * 2);
    codec::proto::put_message(1, &message, &mut piece);
    let mut pieces = Vec::new();
    for entry in &reply.entries {
        codec::proto::put_item(2, &mut piece, |out| {
            forms::append(&reply.resource, &Stored::from(&**entry), form, Place::Item, out);
        });
        if piece.len() >= CHUNK_BYTES {
            pieces.push(Bytes::from(std::mem::replace(&mut piece, Vec::with_capacity(CHUNK_BYTES * 2))));
        }
    }
    pieces.push(Bytes::from(piece));
    let length = pieces.iter().map(Bytes::len).sum();
    let (api_version, kind) = list_kind(&reply.resource, form);
    let mut head = Vec::new();
    codec::proto::document_head(api_version, &kind, length, &mut head);
    pieces.insert(0, Bytes::from(head));
    pieces.push(Bytes::from_static(codec::proto::DOCUMENT_TAIL));
    pieces
}

const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// What counts a watch: that it is open, and its events.
#[derive(Debug)]
pub struct Watching {
    /// Open until it is dropped.
    pub ongoing: Ongoing,
    /// Events sent.
    pub events: Counter,
    /// What is recorded of it ends with it.
    pub recording: Option<Arc<Recording>>,
}

/// The stream of a watch.
pub fn watch(
    reply: WatchReply,
    server: &Arc<Server>,
    closing: tokio::sync::watch::Receiver<bool>,
    watching: Option<Watching>,
) -> Pieces {
    let WatchReply { resource, selection, initial, initial_end, cursor, bookmarks, timeout, form } = reply;
    let now = Instant::now();
    let deadline = now + timeout;
    let next_bookmark = bookmarks.then(|| first_bookmark(now, timeout));
    let retired = resource.custom.as_ref().map(|custom| Closing::new(custom.retirement()));
    // Metadata is the same in all versions, unless it is asked what an object has in one of them.
    let is_seen = form.transform != Transform::Metadata || selection.looks_into_objects();
    let converts = resource.is_converted() && is_seen;
    let definitions = resource.custom.is_some().then(|| server.clone());
    let converter = converts
        .then(|| Box::new(Converter { server: server.clone(), resource: resource.clone(), work: None }));
    Box::pin(Watcher {
        retired,
        definitions,
        converter,
        encoder: EventEncoder {
            resource,
            selection,
            form,
            clock: server.clock.clone(),
            columns: form.transform == Transform::Table,
        },
        initial: initial.into_iter(),
        initial_end,
        cursor: match cursor {
            Ok(cursor) => Source::Live(cursor),
            Err(error) => Source::Failed(error),
        },
        next_bookmark,
        deadline,
        alarm: Box::pin(tokio::time::sleep_until(next_bookmark.unwrap_or(deadline).min(deadline))),
        alarmed: Asked::default(),
        events: Vec::new(),
        closing: Closing::new(closing),
        watching,
    })
}

fn first_bookmark(now: Instant, timeout: Duration) -> Instant {
    now + BOOKMARK_INTERVAL.min(timeout.saturating_sub(BOOKMARK_BEFORE_END).max(Duration::from_millis(1)))
}

enum Source {
    Live(Cursor),
    Failed(Error),
    Ended,
}

struct Watcher {
    encoder: EventEncoder,
    initial: std::vec::IntoIter<Arc<Entry>>,
    initial_end: Option<Revision>,
    cursor: Source,
    next_bookmark: Option<Instant>,
    deadline: Instant,
    /// Rings at the next bookmark or the deadline. Like `closing` it lives as long as the watch: to set one up for
    /// every event would cost more than the event.
    alarm: Pin<Box<Sleep>>,
    alarmed: Asked,
    events: Vec<Arc<Event>>,
    closing: Closing,
    /// Tells whether the resource is still served, if it is one that may cease to be.
    retired: Option<Closing>,
    /// Who knows whether it still is, as of what the cursor brings.
    definitions: Option<Arc<Server>>,
    watching: Option<Watching>,
    /// Makes what the cursor brings what the watcher sees, if a webhook has to.
    converter: Option<Box<Converter>>,
}

/// Has events converted.
struct Converter {
    server: Arc<Server>,
    resource: Arc<Resource>,
    work: Option<Work>,
}

type Work = Pin<Box<dyn Future<Output = Result<Vec<Arc<Event>>, Error>> + Send>>;

impl Converter {
    fn begin(&mut self, events: Vec<Arc<Event>>, selection: &Selection) {
        let (server, resource, needs_old) =
            (self.server.clone(), self.resource.clone(), !selection.is_plain());
        self.work = Some(Box::pin(async move { server.shown_events(&resource, events, needs_old).await }));
    }
}

struct EventEncoder {
    resource: Arc<Resource>,
    selection: Selection,
    form: Form,
    clock: Arc<dyn Clock>,
    /// The next table states its columns.
    columns: bool,
}

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Added,
    Modified,
    Deleted,
}

impl Stream for Watcher {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_piece(context).map(|piece| piece.map(Ok))
    }
}

impl Watcher {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(piece) = self.initial_piece() {
            return Poll::Ready(Some(piece));
        }
        loop {
            if let Some(work) = self.converter.as_mut().and_then(|converter| converter.work.as_mut()) {
                let Poll::Ready(outcome) = work.as_mut().poll(context) else {
                    // No bookmark may pass by what is being converted.
                    return match self.is_over(context) {
                        true => Poll::Ready(None),
                        false => Poll::Pending,
                    };
                };
                self.converter.as_mut().map(|converter| converter.work.take());
                match outcome {
                    Ok(events) => self.events = events,
                    Err(error) => self.cursor = Source::Failed(error),
                }
                if let Some(piece) = self.delivered() {
                    return Poll::Ready(Some(piece));
                }
            }
            let cursor = match &mut self.cursor {
                Source::Live(cursor) => cursor,
                Source::Ended => return Poll::Ready(None),
                Source::Failed(error) => {
                    let piece = self.encoder.error(&error.status());
                    self.cursor = Source::Ended;
                    return Poll::Ready(Some(piece));
                }
            };
            match cursor.poll_next(context, EVENTS_MAX, &mut self.events) {
                Poll::Ready(Ok(_)) => {
                    if self.definitions.as_ref().map(|server| server.registry()).is_some()
                        && self.is_over(context)
                    {
                        return Poll::Ready(None);
                    }
                    if let Some(converter) = &mut self.converter {
                        converter.begin(std::mem::take(&mut self.events), &self.encoder.selection);
                        continue;
                    }
                    if let Some(piece) = self.delivered() {
                        return Poll::Ready(Some(piece));
                    }
                }
                Poll::Ready(Err(compacted)) => {
                    self.cursor = Source::Failed(read::too_old(cursor.position(), compacted.floor));
                }
                Poll::Pending => return self.poll_end(context),
            }
        }
    }

    /// The piece of the events that the cursor brought; none when none of them is selected.
    fn delivered(&mut self) -> Option<Bytes> {
        if let Some(watching) = &self.watching {
            watching.events.inc_by(self.events.len() as u64);
        }
        let piece = self.encoder.events(&self.events);
        self.events.clear();
        (!piece.is_empty()).then_some(piece)
    }

    /// What is due while there are no events: a bookmark, or the end.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_over(context) {
            return Poll::Ready(None);
        }
        if self.alarmed.already(context) && !self.alarm.is_elapsed() {
            return Poll::Pending;
        }
        ready!(self.alarm.as_mut().poll(context));
        let Source::Live(cursor) = &self.cursor else { return Poll::Ready(None) };
        if self.next_bookmark.is_none_or(|at| at >= self.deadline) {
            return Poll::Ready(None);
        }
        let bookmark = self.encoder.bookmark(cursor.position(), false);
        self.schedule_bookmark();
        Poll::Ready(Some(bookmark))
    }

    /// Whether the server stops, or what is watched is no longer served like this.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let retired = self.retired.as_mut().is_some_and(|retired| retired.poll(context).is_ready());
        retired || self.closing.poll(context).is_ready()
    }

    fn schedule_bookmark(&mut self) {
        let now = Instant::now();
        let last = self.deadline - BOOKMARK_BEFORE_END;
        self.next_bookmark = if now >= last { None } else { Some((now + BOOKMARK_INTERVAL).min(last)) };
        self.alarm.as_mut().reset(self.next_bookmark.unwrap_or(self.deadline));
        self.alarmed = Asked::default();
    }

    /// Synthetic events, then the bookmark that ends them.
    fn initial_piece(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        while out.len() < CHUNK_BYTES {
            let Some(entry) = self.initial.next() else { break };
            let line = self.encoder.line(Change::Added, &Stored::from(&*entry));
            out.extend_from_slice(&line);
        }
        if !out.is_empty() {
            return Some(Bytes::from(out));
        }
        let revision = self.initial_end.take()?;
        Some(self.encoder.bookmark(revision, true))
    }
}

impl EventEncoder {
    /// The lines of the events that are selected; empty when none is.
    fn events(&mut self, events: &[Arc<Event>]) -> Bytes {
        if let [event] = events {
            return self.event(event).unwrap_or_default();
        }
        let mut out = Vec::new();
        for event in events {
            if let Some(line) = self.event(event) {
                out.extend_from_slice(&line);
            }
        }
        Bytes::from(out)
    }

    fn event(&mut self, event: &Arc<Event>) -> Option<Bytes> {
        let matches =
            |entry: &Option<Arc<Entry>>| entry.as_ref().is_some_and(|entry| self.selection.matches(entry));
        let change = match (matches(&event.old), matches(&event.new)) {
            (false, true) => Change::Added,
            (true, true) => Change::Modified,
            (true, false) => Change::Deleted,
            (false, false) => return None,
        };
        // A table's ages differ from moment to moment, so its lines are not shared.
        if self.form.transform == Transform::Table {
            return Some(self.make(change, event));
        }
        let id = u64::from(self.resource.id) << 16 | self.form.id() << 4 | change as u64;
        Some(event.form(id, || EventEncoder::shared(&self.resource, &self.form, change, event)))
    }

    fn make(&mut self, change: Change, event: &Event) -> Bytes {
        let (bytes, written) = changed_bytes(change, event);
        self.line(change, &Stored { bytes: &bytes, written })
    }

    fn shared(resource: &Resource, form: &Form, change: Change, event: &Event) -> Bytes {
        let (bytes, written) = changed_bytes(change, event);
        let mut object = Vec::with_capacity(bytes.len() + 128);
        forms::append(resource, &Stored { bytes: &bytes, written }, form, Place::Alone, &mut object);
        frame(change.name(), &object, form)
    }

    fn line(&mut self, change: Change, stored: &Stored<'_>) -> Bytes {
        let mut object = Vec::with_capacity(stored.bytes.len() + 128);
        if self.form.transform == Transform::Table {
            let now = self.clock.unix_seconds();
            let columns = std::mem::replace(&mut self.columns, false);
            let table =
                forms::alone(&self.resource, stored, &Form { pretty: false, ..self.form }, columns, now);
            object.extend_from_slice(table.trim_ascii_end());
        } else {
            forms::append(&self.resource, stored, &self.form, Place::Alone, &mut object);
        }
        frame(change.name(), &object, &self.form)
    }

    fn bookmark(&self, revision: Revision, initial_end: bool) -> Bytes {
        frame("BOOKMARK", &forms::bookmark(&self.resource, &self.form, revision, initial_end), &self.form)
    }

    fn error(&self, status: &Status) -> Bytes {
        let object = forms::status(status, &Form { pretty: false, ..self.form });
        match self.form.media {
            Media::Protobuf => frame("ERROR", &object, &self.form),
            _ => frame("ERROR", object.trim_ascii_end(), &self.form),
        }
    }
}

/// The bytes that an event shows and when they were written: the new object, or the old one restamped with the event's
/// revision.
fn changed_bytes(change: Change, event: &Event) -> (Bytes, Revision) {
    match (change, &event.new, &event.old) {
        (Change::Added | Change::Modified, Some(new), _) => (new.bytes().clone(), new.modified),
        (_, _, Some(old)) => (old.restamped(event.revision), old.modified),
        _ => (Bytes::new(), event.revision),
    }
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Change::Added => "ADDED",
            Change::Modified => "MODIFIED",
            Change::Deleted => "DELETED",
        }
    }
}

/// One event on the wire: a line of JSON, or a length-prefixed WatchEvent message.
fn frame(name: &str, object: &[u8], form: &Form) -> Bytes {
    let mut out = Vec::with_capacity(object.len() + 64);
    if form.media == Media::Protobuf {
        let mut raw = Vec::with_capacity(object.len() + 8);
        codec::proto::put_message(1, object, &mut raw);
        let mut event = Vec::with_capacity(raw.len() + 24);
        codec::proto::put_message(1, name.as_bytes(), &mut event);
        codec::proto::put_message(2, &raw, &mut event);
        out.extend_from_slice(&(event.len() as u32).to_be_bytes());
        out.extend_from_slice(&event);
        return Bytes::from(out);
    }
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
    Bytes::from(out)
}
