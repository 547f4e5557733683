//! Options of calls.

use std::time::Duration;

/// What a list or watch selects and how it is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// `app=web`; empty selects all.
    pub label_selector: String,
    /// `metadata.name=x`; empty selects all.
    pub field_selector: String,
    /// Objects per page; 0 is no limit.
    pub limit: usize,
    /// Where the page starts; the `next` of the page before.
    pub next: String,
    /// Only `metadata` of every object is wanted.
    pub metadata_only: bool,
}

/// Options of a create, update or patch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// `status`, `finalize`, `token` …; empty for the object itself.
    pub subresource: &'static str,
    /// Whose fields a write owns; empty for the caller's name.
    pub field_manager: &'static str,
    /// An apply takes fields from other managers.
    pub force: bool,
}

impl WriteOptions {
    /// A write to a subresource.
    pub fn subresource(subresource: &'static str) -> WriteOptions {
        WriteOptions { subresource, ..WriteOptions::default() }
    }
}

/// How a patch's body is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 7386.
    Merge,
    /// Lists are merged by their keys.
    Strategic,
    /// RFC 6902.
    Json,
    /// Server-side apply; the body is JSON.
    Apply,
}

/// Options of a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// The object must have this uid.
    pub uid: Option<String>,
    /// The object must have this version.
    pub version: Option<super::Version>,
    /// What becomes of dependents; the kind's default without.
    pub propagation: Option<Propagation>,
    /// How long the object may take; the kind's default without.
    pub grace: Option<Duration>,
}

impl DeleteOptions {
    /// Only this very object, not one that was recreated under its name.
    pub fn of_uid(uid: impl Into<String>) -> DeleteOptions {
        DeleteOptions { uid: Some(uid.into()), ..DeleteOptions::default() }
    }
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They stay.
    Orphan,
    /// They are deleted afterwards.
    Background,
    /// They are deleted first.
    Foreground,
}

impl Propagation {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Propagation::Orphan => "Orphan",
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
        }
    }
}
