//! Transactions and their outcomes.
//!
//! Keeps: a transaction of n operations takes n consecutive revisions and becomes visible at once; a failed
//! compare takes none. Only `NotProposed` may be retried by the caller.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::entry::{Entry, Revision, Terms};
use crate::key::Key;

/// At most this many operations in one transaction.
pub const TXN_OPS_MAX: usize = 1_000;
/// At most this many compares in one transaction.
pub const TXN_COMPARES_MAX: usize = 1_000;
/// At most this many encoded bytes in one transaction.
pub const TXN_BYTES_MAX: usize = 4 << 20;

/// A set of operations that is applied entirely, or not at all when a compare fails.
#[derive(Clone, Debug, Default)]
pub struct Txn {
    /// The Raft term in which the loop that writes this was started; apply refuses any other term.
    pub fence: Option<u64>,
    /// What must hold for the operations to be applied.
    pub compares: SmallVec<[Compare; 2]>,
    /// The operations, in the order of the revisions they take.
    pub ops: SmallVec<[Op; 2]>,
}

/// A condition on the stored state.
#[derive(Clone, Debug)]
pub enum Compare {
    /// The key does not exist.
    Absent(Key),
    /// The key exists.
    Present(Key),
    /// The key exists and was last modified at this revision.
    Modified(Key, Revision),
}

/// One change.
#[derive(Clone, Debug)]
pub enum Op {
    /// Creates or replaces the value of a key.
    Put {
        /// The key.
        key: Key,
        /// Its new value.
        value: NewValue,
    },
    /// Removes a key. Removing an absent key changes nothing but still takes its revision.
    Delete {
        /// The key.
        key: Key,
    },
}

/// A value on its way in.
#[derive(Clone, Debug, Default)]
pub struct NewValue {
    /// The bytes, without a revision.
    pub bytes: Bytes,
    /// Where apply inserts the revision in decimal.
    pub splice_at: Option<u32>,
    /// Opaque facts, computed by the proposer and kept beside the bytes.
    pub facts: Bytes,
    /// The terms under which the entry is indexed.
    pub terms: Terms,
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was applied: operation `i` has revision `first + i`.
    Applied {
        /// The revision of the first operation.
        first: Revision,
        /// Per operation: the new entry, or for a delete the entry that it removed.
        entries: SmallVec<[Option<Arc<Entry>>; 2]>,
    },
    /// A compare did not hold and nothing was changed.
    Failed {
        /// Per compare: the entry found.
        current: SmallVec<[Option<Arc<Entry>>; 2]>,
        /// The revision at which the compares were decided.
        revision: Revision,
    },
    /// It did not enter the log and never will.
    NotProposed(Why),
    /// It may or may not have been applied.
    Unknown,
}

/// Why a transaction was not proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Too much work is in flight.
    #[error("too many writes are in flight")]
    Overloaded,
    /// The storage quota does not allow growth.
    #[error("the storage quota is exhausted")]
    QuotaExceeded,
    /// The disks of too many nodes are full: only deletes and writes that do not grow their entry are taken.
    #[error("the disks of too many nodes are full")]
    DiskFull,
    /// More operations or bytes than one transaction may have.
    #[error("the transaction is too large")]
    TooLarge,
    /// The store is shutting down.
    #[error("the store is shutting down")]
    Stopping,
    /// No leader is known.
    #[error("there is no leader")]
    NoLeader,
    /// The fence names another term than the current one.
    #[error("the writer's term is over")]
    Fenced,
}

impl Compare {
    /// The key that is compared.
    pub fn key(&self) -> &Key {
        match self {
            Compare::Absent(key) | Compare::Present(key) | Compare::Modified(key, _) => key,
        }
    }
}

impl Op {
    /// The key that is changed.
    pub fn key(&self) -> &Key {
        match self {
            Op::Put { key, .. } | Op::Delete { key } => key,
        }
    }
}
