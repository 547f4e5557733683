//! Tokens whose signature was verified before.
//!
//! Keeps: only what never changes is remembered (signature, claims, the user that they make); that the objects they
//! name exist is looked up on every use, at the price of comparing revisions.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

use super::Claims;
use crate::registry::Resource;
use crate::storage::{Revision, View};
use crate::time;
use crate::user::User;

/// A token that one of the keys has signed.
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// Whom it proves while all that it names exists.
    pub user: Arc<User>,
    /// What was read of each resource last, by its bucket.
    seen: Mutex<Vec<(u32, Revision, Stored)>>,
}

/// What a token needs to know of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its uid.
    pub uid: String,
    /// When it is (or was) to be deleted, in Unix seconds.
    pub deletion: Option<i64>,
}

impl Verified {
    pub(super) fn new(claims: Claims) -> Verified {
        let user = claims.user();
        Verified { claims, user, seen: Mutex::default() }
    }

    /// The object of a name that the claims hold, if it exists. A token names one object of a resource at most, so
    /// what was read at an entry's revision is what stands there.
    pub fn stored(&self, view: &View, resource: &Resource, namespace: &str, name: &str) -> Option<Stored> {
        let entry = view.entry(resource, namespace, name)?;
        let mut seen = self.seen.lock();
        if let Some((.., stored)) =
            seen.iter().find(|(id, modified, _)| (*id, *modified) == (resource.id, entry.modified))
        {
            return Some(stored.clone());
        }
        let object = crate::storage::decode(resource, entry);
        let stored = Stored {
            uid: object.str_at(&["metadata", "uid"]).to_owned(),
            deletion: time::seconds_of(object.str_at(&["metadata", "deletionTimestamp"])),
        };
        seen.retain(|(id, ..)| *id != resource.id);
        seen.push((resource.id, entry.modified, stored.clone()));
        Some(stored)
    }
}

/// How many tokens a generation of the cache holds.
const GENERATION_TOKENS_MAX: usize = 8192;

/// Verified tokens by their hash, in two generations: when the young one is full, the old one is forgotten.
#[derive(Default)]
pub(super) struct Cache {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: FxHashMap<[u8; 32], Arc<Verified>>,
    old: FxHashMap<[u8; 32], Arc<Verified>>,
}

impl Cache {
    pub(super) fn find(&self, token: &str) -> Option<Arc<Verified>> {
        let hash = hash(token);
        let mut generations = self.generations.lock();
        if let Some(verified) = generations.young.get(&hash) {
            return Some(verified.clone());
        }
        let verified = generations.old.remove(&hash)?;
        generations.put(hash, verified.clone());
        Some(verified)
    }

    pub(super) fn keep(&self, token: &str, verified: Arc<Verified>) {
        self.generations.lock().put(hash(token), verified);
    }
}

impl Generations {
    fn put(&mut self, hash: [u8; 32], verified: Arc<Verified>) {
        if self.young.len() >= GENERATION_TOKENS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, verified);
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
