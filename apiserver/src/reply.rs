//! What a request is answered with, before it is encoded for anybody.
//!
//! Keeps: entries leave here as they are stored; encoding happens in `encode.rs`, in-process callers get
//! entries without a copy.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::upgrade::Upgraded;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::document;
use crate::negotiation::Form;
use crate::registry::Resource;
use crate::schema::StructId;
use crate::selector::Selection;
use crate::status::Status;
use crate::storage::{Cursor, Entry, Revision};
use crate::tree::Map;

/// An answer.
pub enum Reply {
    /// A stored object.
    Entry(ObjectReply),
    /// An object that is not stored as such (dry run, Scale, reviews).
    Tree(TreeReply),
    /// A list of stored objects.
    List(ListReply),
    /// A stream of events.
    Watch(Box<WatchReply>),
    /// A Status.
    Status(Status),
    /// A document about the API itself.
    Document(document::Answer),
    /// Plain text, and whether all is well.
    Text(bool, Bytes),
    /// What an extension answers, with its media type.
    Content(&'static str, Content),
    /// What somebody else answers.
    Relayed(Box<Relayed>),
}

/// The answer of whom a request was passed on to.
pub struct Relayed {
    /// Code, headers and body.
    pub response: http::Response<Body>,
    /// The connection to it, when both sides go on in another protocol.
    pub upgraded: Option<Upgraded>,
    /// Counts the connection to whom it was passed on to.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// Bytes of an extension.
pub enum Content {
    /// All of them.
    Whole(Bytes),
    /// Pieces as they are made; an error ends the connection, so that nobody takes a part for the whole.
    Pieces(mpsc::Receiver<Result<Bytes, std::io::Error>>),
}

/// A stored object.
pub struct ObjectReply {
    /// Its resource in the version asked for.
    pub resource: Arc<Resource>,
    /// The object.
    pub entry: Arc<Entry>,
    /// Whether it was created by this request.
    pub created: bool,
    /// Whether it was removed by this request.
    pub removed: bool,
}

/// An object as a tree of a served version.
pub struct TreeReply {
    /// The resource, when a table can be made of it.
    pub resource: Option<Arc<Resource>>,
    /// `apps/v1`
    pub api_version: String,
    /// `Deployment`
    pub kind: String,
    /// Its struct.
    pub schema: StructId,
    /// The object.
    pub object: Map,
    /// Whether the code is 201.
    pub created: bool,
}

/// A list of stored objects.
pub struct ListReply {
    /// Their resource in the version asked for.
    pub resource: Arc<Resource>,
    /// The objects in order.
    pub entries: Vec<Arc<Entry>>,
    /// The revision of the list.
    pub revision: Revision,
    /// Where the next page starts; empty on the last.
    pub continue_token: String,
    /// How many more there are.
    pub remaining: Option<u64>,
}

/// A stream of events.
pub struct WatchReply {
    /// The resource in the version asked for.
    pub resource: Arc<Resource>,
    /// What is selected.
    pub selection: Selection,
    /// Synthetic ADDED events before the first change.
    pub initial: Vec<Arc<Entry>>,
    /// The bookmark that ends them, at this revision.
    pub initial_end: Option<Revision>,
    /// The changes; an error when the start is no longer available.
    pub cursor: Result<Cursor, crate::status::Error>,
    /// Bookmarks were asked for.
    pub bookmarks: bool,
    /// When the stream ends.
    pub timeout: Duration,
    /// The form of the objects.
    pub form: Form,
}
