//! Objects in the store: the only file that speaks to `pintle_store`.
//!
//! Keeps: a stored value is the object's canonical JSON after its opening brace, without kind and apiVersion,
//! with the resourceVersion spliced in by the store; labels, selectable fields and owners travel beside it as
//! facts, so nothing here parses JSON to answer a read.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub use pintle_store::{
    AtError, Compacted, Compare, Cursor, Entry, Event, Health, Interest, Key, NewValue, Op, Outcome, Prefix,
    Progress, Revision, State, Store, Term, Txn, Why,
};

use crate::codec;
use crate::facts::{Facts, FactsView};
use crate::kind::Kind;
use crate::registry::Resource;
use crate::schema;
use crate::status::Error;
use crate::tree::Map;

/// A consistent view of everything, at one revision.
#[derive(Clone)]
pub struct View {
    state: Arc<State>,
}

impl View {
    /// The view of a published state.
    pub fn new(state: Arc<State>) -> View {
        View { state }
    }

    /// The revision of the view.
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    /// The state below.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The stored entry of an object.
    pub fn entry(&self, resource: &Resource, namespace: &str, name: &str) -> Option<&Arc<Entry>> {
        self.state.get(&Key::new(resource.key(namespace, name)))
    }

    /// The decoded object of the storage version.
    pub fn object(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Map> {
        self.entry(resource, namespace, name).map(|entry| decode(resource, entry))
    }

    /// The entries of a namespace, or of all when it is empty, in key order.
    pub fn entries<'a>(
        &'a self,
        resource: &Resource,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<Entry>> + use<'a> {
        let prefix = resource.prefix(namespace);
        self.state.range(&prefix, None)
    }

    /// The revision of the newest change to any object of the resource.
    pub fn modified(&self, resource: &Resource) -> Revision {
        self.state.bucket_modified(&resource.bucket)
    }
}

/// The tree of a stored object (storage version), `metadata.resourceVersion` included.
pub fn decode(resource: &Resource, entry: &Entry) -> Map {
    decode_bytes(resource, entry.bytes())
}

/// As [`decode`], for a write: what the write does not look into is not read, and stored again as it is.
pub fn decode_for_write(resource: &Resource, entry: &Entry) -> Map {
    codec::json::decode_stored_for_write(entry.bytes(), resource.storage_schema)
        .expect("stored bytes were encoded by this schema")
}

/// The tree of stored bytes.
pub fn decode_bytes(resource: &Resource, bytes: &[u8]) -> Map {
    codec::json::decode_stored(bytes, schema::builtin(), resource.storage_schema)
        .expect("stored bytes were encoded by this schema")
}

/// The tree of stored bytes of a custom resource, whichever.
pub fn decode_custom(bytes: &[u8]) -> Map {
    codec::json::decode_stored(bytes, schema::builtin(), schema::custom_object())
        .expect("stored bytes were encoded by this schema")
}

/// The value to store for an object of the storage version, without its resourceVersion.
pub fn encode(resource: &Resource, object: &Map) -> NewValue {
    let facts = Facts::of(resource.kind, object);
    match resource.written_as() {
        Some(version) => encode_with(resource, object, &facts.stated(resource.kind, version)),
        None => encode_with(resource, object, &facts),
    }
}

/// As [`encode`], for what differs in metadata alone from what is stored in `entry`.
pub fn encode_changed_metadata(resource: &Resource, object: &Map, entry: &Entry) -> NewValue {
    if resource.custom.is_some() {
        return encode(resource, object);
    }
    let stored = FactsView::new(entry.facts());
    encode_with(resource, object, &Facts::of_changed_metadata(resource.kind, object, stored))
}

/// As [`encode`], for an object of a custom resource in the version that `entry` is stored in, whichever that is. By which
/// fields it is selected is left open.
pub fn encode_as_stored(resource: &Resource, object: &Map, entry: &Entry) -> NewValue {
    let version = crate::custom::kept(resource.stored_version(entry));
    encode_with(resource, object, &Facts::of(&Kind::DEFAULT, object).stated(&Kind::DEFAULT, version))
}

fn encode_with(resource: &Resource, object: &Map, facts: &Facts<'_>) -> NewValue {
    let (bytes, splice) = SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let splice = codec::json::encode_stored(object, schema::builtin(), resource.storage_schema, scratch);
        let bytes = Bytes::copy_from_slice(scratch);
        scratch.shrink_to(SCRATCH_BYTES_MAX);
        (bytes, splice)
    });
    NewValue {
        bytes,
        splice_at: splice.map(|at| at as u32),
        terms: facts.terms(resource.kind),
        facts: facts.encode(),
    }
}

thread_local! {
    /// Where values are encoded before their length is known. One copy costs less than a buffer that grows.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a thread keeps of its scratch buffer after a larger object.
const SCRATCH_BYTES_MAX: usize = 256 << 10;

/// What a write that was not applied means for the client.
pub fn refused(why: Why) -> Error {
    match why {
        Why::Overloaded => Error::TooManyRequests {
            message: "Too many requests, please try again later.".to_owned(),
            retry_after: 1,
            causes: Vec::new(),
        },
        Why::QuotaExceeded => Error::StorageFull(
            "the storage quota is exhausted: delete objects, or raise --storage-quota and restart".to_owned(),
        ),
        Why::DiskFull => Error::StorageFull(
            "the disks of too many nodes are full: make room on them, or delete objects".to_owned(),
        ),
        Why::TooLarge => Error::TooLarge(TXN_BYTES_MAX),
        Why::Stopping => Error::Unavailable("the server is shutting down".to_owned()),
        Why::NoLeader => Error::Unavailable("no leader".to_owned()),
        Why::Fenced => Error::Unavailable("the writer is no longer the leader".to_owned()),
    }
}

/// Largest transaction of the store, in bytes.
const TXN_BYTES_MAX: usize = 4 << 20;

/// How long a read waits for a revision that is not here yet.
pub const FUTURE_REVISION_WAIT: Duration = Duration::from_secs(3);

/// Whether a stored entry and a value about to be stored are the same object, resourceVersion aside.
pub fn same_bytes(entry: &Entry, value: &NewValue) -> bool {
    let stored = entry.bytes();
    match (entry.splice(), value.splice_at) {
        (Some((at, length)), Some(position)) => {
            at == position as usize
                && stored.len() == value.bytes.len() + length
                && stored[..at] == value.bytes[..at]
                && stored[at + length..] == value.bytes[at..]
        }
        _ => stored == &value.bytes,
    }
}
