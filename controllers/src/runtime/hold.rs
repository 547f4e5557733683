//! Holds: what the views must have seen before a key runs again.

use std::sync::Arc;

use ecow::EcoString;

use crate::api::Version;
use crate::key::Key;
use crate::runtime::cache::AnyCache;

/// A write that a view may not have seen yet.
#[derive(Clone)]
pub(crate) struct Hold {
    pub(crate) cache: Arc<dyn AnyCache>,
    pub(crate) seen: Seen,
}

/// When a write has been seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The view has reached this version.
    Version(Version),
    /// The view no longer has this object.
    Gone(Key, EcoString),
}

impl Hold {
    pub(crate) fn is_over(&self) -> bool {
        self.cache.has_seen(&self.seen)
    }
}
