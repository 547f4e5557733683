//! What the process may ask of the system.

use rustix::{
    process::{Resource, getrlimit, setrlimit},
    thread::disable_transparent_huge_pages,
};

/// Every connection is a file descriptor, and the usual soft limit of 1,024 is there for programs that still use
/// `select`. A limit that cannot be raised is left: connections beyond it are refused by the listener.
pub(crate) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// The allocator asks for huge pages of 2 MB, of which a small server fills only parts: with them it holds 39 MB when
/// idle, without them 25 MB, at the same speed. A large one does not start faster with them either: half of the time to
/// load 200 MB of objects went into clearing pages that nothing was put into.
pub(crate) fn use_small_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay as they are");
    }
}
