//! Digests: what a view keeps of an object.
//!
//! Keeps: a digest is extracted once per event and shared by all controllers that declare the same type; an object
//! that cannot be understood is held with an empty digest and marked, so that it degrades nothing but itself.

use std::ops::Deref;

use serde::de::DeserializeOwned;

use crate::api::{Meta, Object, Resource};

/// The fields of a kind that controllers look at: a small struct, read from the object's JSON.
pub trait Digest: DeserializeOwned + Clone + Default + Send + Sync + 'static {
    /// Where the objects are.
    const RESOURCE: &'static Resource;

    /// Whether `metadata` is all that the digest reads.
    const METADATA_ONLY: bool = false;

    /// Calls `put` for every value under which the object is to be found by [`crate::view::Snapshot::indexed`].
    fn index(&self, put: &mut dyn FnMut(Index, &str)) {
        let _ = put;
    }
}

/// Which of a digest's indexes; its constants stand beside the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index(pub u8);

/// A digest with the identity of the object's version it was extracted from.
#[derive(Clone, Debug, Default)]
pub struct Held<D> {
    /// Namespace, name, uid and version.
    pub meta: Meta,
    /// The digest; that of an earlier version, or empty, when the object is broken.
    pub digest: D,
    /// The object could not be understood.
    pub broken: bool,
}

impl<D> Deref for Held<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.digest
    }
}

impl<D: Digest> Held<D> {
    /// Extracts the digest of an object. One that cannot be read keeps the digest of its predecessor.
    pub(crate) fn extract(object: Object, before: Option<&Held<D>>) -> (Held<D>, Option<String>) {
        match object.read() {
            Ok(digest) => (Held { meta: object.meta, digest, broken: false }, None),
            Err(error) => {
                let digest = before
                    .filter(|before| before.meta.uid == object.meta.uid)
                    .map(|before| before.digest.clone())
                    .unwrap_or_default();
                (Held { meta: object.meta, digest, broken: true }, Some(error.to_string()))
            }
        }
    }
}

/// A change of an object as key mappings see it.
#[derive(Debug)]
pub struct Change<'a, D> {
    /// Before; none when it is new.
    pub old: Option<&'a Held<D>>,
    /// After; none when it is gone.
    pub new: Option<&'a Held<D>>,
}

impl<'a, D> Change<'a, D> {
    /// Both versions, as far as there are any.
    pub fn versions(&self) -> impl Iterator<Item = &'a Held<D>> + use<'a, D> {
        self.old.into_iter().chain(self.new)
    }

    /// The newest of the two.
    pub fn newest(&self) -> Option<&'a Held<D>> {
        self.new.or(self.old)
    }
}
