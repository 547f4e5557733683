//! What the process may ask of the system.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Every connection is a file descriptor, and the usual soft limit of 1,024 is there for programs that still use
/// `select`. A limit that cannot be raised is left: connections beyond it are refused by the listener.
pub(crate) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
