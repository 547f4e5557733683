//! Owners that were looked for and not found.
//!
//! Keeps: a uid is never given out twice, so what is absent stays absent; the memory is bounded.

use ecow::EcoString;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use crate::api::OwnerReference;

/// Owners that are remembered.
const REMEMBERED_MAX: usize = 4_096;

/// Namespace, apiVersion, kind, name and uid: another reference to the same uid may be right.
type Identity = (EcoString, OwnerReference);

/// Owners that are known to be absent.
#[derive(Debug, Default)]
pub(super) struct Absent {
    known: Mutex<FxHashSet<Identity>>,
}

impl Absent {
    fn identity(namespace: &EcoString, owner: &OwnerReference) -> Identity {
        let owner = OwnerReference { controller: false, block_owner_deletion: false, ..owner.clone() };
        (namespace.clone(), owner)
    }

    pub(super) fn knows(&self, namespace: &EcoString, owner: &OwnerReference) -> bool {
        self.known.lock().contains(&Absent::identity(namespace, owner))
    }

    pub(super) fn remember(&self, namespace: &EcoString, owner: &OwnerReference) {
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(Absent::identity(namespace, owner));
    }
}
