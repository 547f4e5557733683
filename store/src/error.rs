//! The store's errors. Each says what happened and whose move it is.

use std::path::PathBuf;

use crate::entry::Revision;

/// Why a store could not be opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the directory.
    #[error(
        "the data directory {0} is in use by another Pintle process: stop that one first, or choose another --data-dir"
    )]
    InUse(PathBuf),
    /// The directory holds something else.
    #[error(
        "{directory} is not a Pintle data directory (it holds {found:?}): choose an empty or a new directory for --data-dir"
    )]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// The path is not a directory.
    #[error("{0} is not a directory: choose another path for --data-dir")]
    NotADirectory(PathBuf),
    /// The directory or a file in it cannot be written.
    #[error(
        "the data directory {0} is read-only: make it writable for this user, or choose another --data-dir"
    )]
    ReadOnly(PathBuf),
    /// The directory or a file in it cannot be read.
    #[error(
        "the data directory {0} cannot be read by this user: correct its owner and mode, or choose another --data-dir"
    )]
    Unreadable(PathBuf),
    /// The file system has no room left.
    #[error("the file system of {0} is full: make room, then start again")]
    Full(PathBuf),
    /// A newer release wrote the directory.
    #[error(
        "the data directory {directory} has format {found}, this release reads up to {known}: start a newer release"
    )]
    TooNew {
        /// The directory.
        directory: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// The log lost something that was synced, or holds something else. The node may have forgotten entries or votes that
    /// it promised to others, so under its id it must neither vote nor serve again.
    #[error(
        "the log of node {node:016x} in {directory} is damaged: {what}. Nothing was changed. {}",
        advice(*node, *alone)
    )]
    LogDamaged {
        /// The directory.
        directory: PathBuf,
        /// The node that must not come back.
        node: u64,
        /// What is wrong.
        what: String,
        /// Whether it was its cluster's only member, when that is known.
        alone: Option<bool>,
    },
    /// What was synced before is gone or changed. Serving from it could return or acknowledge wrong data.
    #[error(
        "the store in {directory} is damaged: {what}. Nothing was changed. Restore the last backup into an empty data directory with `pintle snapshot restore`, and keep this one for inspection"
    )]
    Damaged {
        /// The directory.
        directory: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The disk failed.
    #[error("the data directory {directory} failed: {source}. Check the disk and its file system")]
    Disk {
        /// The directory.
        directory: PathBuf,
        /// What the operating system or the engine said.
        source: DiskError,
    },
}

/// What the operator of a node with a damaged log can do.
fn advice(node: u64, alone: Option<bool>) -> String {
    let rejoin = format!(
        "move the directory away, start this host again with an empty one and --join so that it joins as a new node, \
         then remove the old one with `pintle member remove {node:016x}`"
    );
    let restore = "restore the last backup into an empty data directory with `pintle snapshot restore`, and keep this \
                   one for inspection";
    match alone {
        Some(false) => format!(
            "It has promised things to the other nodes, so it cannot come back under its id: {rejoin}"
        ),
        Some(true) => format!("There is no other node to learn from: {restore}"),
        None => format!("If there are other nodes, {rejoin}. If there are none, {restore}"),
    }
}

impl OpenError {
    /// The id under which this node must not come back, when it has to join again under a new one.
    pub fn must_rejoin(&self) -> Option<u64> {
        match self {
            OpenError::LogDamaged { node, alone, .. } if *alone != Some(true) => Some(*node),
            _ => None,
        }
    }
}

/// A failure below the store: the operating system, the file system or the storage engine.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// A system call failed.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The storage engine failed.
    #[error("{0}")]
    Engine(String),
    /// The process is shutting down.
    #[error("cancelled by shutdown")]
    Cancelled,
    /// Bytes that were read do not follow their format.
    #[error("{0}")]
    Malformed(#[from] crate::codec::Malformed),
}

impl DiskError {
    pub(crate) fn io(action: &'static str) -> impl FnOnce(std::io::Error) -> DiskError {
        move |source| DiskError::Io { action, source }
    }
}

/// History up to this floor is gone; a watch or an exact read must start at or above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("history was compacted up to revision {floor}")]
pub struct Compacted {
    /// The oldest revision that is still possible.
    pub floor: Revision,
}

/// The revision asked for has not been reached here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the revision is newer than the current one, {current}")]
pub struct TooNew {
    /// The revision reached.
    pub current: Revision,
}

/// Why a state at an older revision cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtError {
    /// It is below the floor.
    #[error(transparent)]
    Compacted(#[from] Compacted),
    /// It is above the current revision.
    #[error(transparent)]
    TooNew(#[from] TooNew),
}

/// No consistent read is possible now: no leader was found in time, or the store is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no leader confirmed the read in time")]
pub struct Unavailable;

/// Why a compaction did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// The floor asked for has not been reached.
    #[error(transparent)]
    TooNew(#[from] TooNew),
    /// It was not proposed.
    #[error(transparent)]
    NotProposed(#[from] crate::txn::Why),
    /// It may or may not happen.
    #[error("the outcome of the compaction is unknown")]
    Unknown,
}
