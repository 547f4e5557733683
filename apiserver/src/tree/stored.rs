//! A struct of a stored object that is read when somebody looks into it.
//!
//! Keeps: most writes change a few fields of an object, so most of it is neither read nor written again: as long as
//! nobody changes the struct, its text is what it is stored as.

use std::sync::OnceLock;

use bytes::Bytes;
use ecow::EcoVec;

use super::{Key, Map, Node};
use crate::schema::StructId;

/// The text of a struct, as the encoder wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    /// Canonical JSON, braces included.
    pub(crate) text: Bytes,
    /// The type, of the built-in schema.
    pub(crate) id: StructId,
    /// Reads it.
    pub(crate) read: fn(&Unread) -> Map,
}

/// A text, and its entries once somebody has asked for them.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    text: Unread,
    entries: OnceLock<EcoVec<(Key, Node)>>,
}

impl Stored {
    pub(super) fn new(text: Unread) -> Stored {
        Stored { text, entries: OnceLock::new() }
    }

    pub(super) fn with_entries(text: Unread, entries: EcoVec<(Key, Node)>) -> Stored {
        Stored { text, entries: OnceLock::from(entries) }
    }

    pub(super) fn text(&self) -> &Unread {
        &self.text
    }

    #[inline]
    pub(super) fn entries(&self) -> &EcoVec<(Key, Node)> {
        self.entries.get_or_init(|| (self.text.read)(&self.text).into_entries())
    }

    #[inline]
    pub(super) fn read(&self) -> Option<&EcoVec<(Key, Node)>> {
        self.entries.get()
    }
}
