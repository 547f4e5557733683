//! Digests: what a view keeps of an object.
//!
//! Keeps: a digest is extracted once per event and shared by all controllers that declare the same type; an object
//! that cannot be understood is held with an empty digest and marked, so that it degrades nothing but itself.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Deref;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;

use crate::api::{Meta, Object, Resource};

/// The fields of a kind that controllers look at: a small struct, read from the object's JSON.
pub trait Digest: DeserializeOwned + Clone + Default + Send + Sync + 'static {
    /// Where the objects are.
    const RESOURCE: &'static Resource;

    /// Whether `metadata` is all that the digest reads.
    const METADATA_ONLY: bool = false;

    /// Calls `put` for every term under which the object is to be found by [`crate::view::Snapshot::indexed`].
    fn index(&self, put: &mut dyn FnMut(Term)) {
        let _ = put;
    }
}

/// Which of a digest's indexes; its constants stand beside the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Index(pub u8);

/// A value of an index, as a hash by a key of this process: views hold one for every label of every pod, and nobody
/// who names labels can choose two of the same hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term(u64);

impl Index {
    /// The term of the value that is made of these parts.
    pub fn term(self, parts: &[&str]) -> Term {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let mut hasher = KEY.build_hasher();
        self.hash(&mut hasher);
        parts.iter().for_each(|part| part.hash(&mut hasher));
        Term(hasher.finish())
    }
}

/// A digest with the identity of the object's version it was extracted from.
#[derive(Clone, Debug, Default)]
pub struct Held<D> {
    /// Namespace, name, uid and version.
    pub meta: Meta,
    /// The digest; that of an earlier version, or empty, when the object is broken.
    pub digest: D,
    /// The object could not be understood.
    pub broken: bool,
    /// Under which terms a view finds it.
    terms: Vec<Term>,
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
            Ok(digest) => (Held::new(object.meta, digest, false), None),
            Err(error) => {
                let digest = before
                    .filter(|before| before.meta.uid == object.meta.uid)
                    .map(|before| before.digest.clone())
                    .unwrap_or_default();
                (Held::new(object.meta, digest, true), Some(error.to_string()))
            }
        }
    }

    pub(crate) fn new(meta: Meta, digest: D, broken: bool) -> Held<D> {
        let mut terms = Vec::new();
        digest.index(&mut |term| terms.push(term));
        Held { meta, digest, broken, terms }
    }

    /// Under which terms it is found by [`crate::view::Snapshot::indexed`].
    pub fn terms(&self) -> &[Term] {
        &self.terms
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
