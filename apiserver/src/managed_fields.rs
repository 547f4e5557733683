//! Managed fields: which field manager owns which fields of an object.
//!
//! Keeps: ownership follows the objects alone. A write owns what it changed, what it removed nobody owns, and a
//! write that changes nothing leaves every entry as it is, times included. Sets stay text: they are searched, and
//! only those that a change touches are decoded and written again.

use crate::schema::{self, Schema, StructId};
use crate::tree::{Map, Node};

mod compare;
mod element;
mod entry;
mod set;
pub(crate) mod shape;
mod text;
mod whole;

pub(crate) use compare::is_never_owned;
pub use compare::{Changes, Reset, compare};
pub use element::Element;
pub use entry::{Fields, Manager, Operation, cap, read_sent, read_stored, write};
pub use set::{Entry, Set};
pub use text::{read as read_set, write as write_set};
pub use whole::of_field;

/// Who writes, through which endpoint, and when.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The field manager: `fieldManager`, else the first part of the user agent.
    pub manager: &'a str,
    /// The version of the request: `apps/v1`.
    pub api_version: &'a str,
    /// The endpoint (`status`, `scale`); empty for the object's own.
    pub subresource: &'a str,
    /// Now, canonical (`2026-01-02T03:04:05Z`).
    pub now: &'a str,
    /// Paths that this endpoint never owns: `["status"]` for the object's own endpoint.
    pub reset: Reset<'a>,
    /// What is known of a part of an object that is created.
    pub known: Option<Known<'a>>,
    /// What the write changes as other versions show it, in whose paths the entries of those versions are written. Where
    /// nothing is said of a version, its paths are the same.
    pub elsewhere: &'a [(String, Changes)],
}

/// What [`of_field`] has said of a field's value.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The value.
    pub node: &'a Node,
    /// What was said.
    pub text: &'a str,
}

impl Context<'_> {
    /// The changes in the paths of an entry; `changes` are those in the request's version.
    pub(crate) fn changes_for<'b>(&'b self, manager: &Manager, changes: &'b Changes) -> &'b Changes {
        let other = self.elsewhere.iter().find(|(api_version, _)| *api_version == manager.api_version);
        other.map_or(changes, |(_, changes)| changes)
    }

    pub(crate) fn entry(&self, operation: Operation, fields: Set) -> Manager {
        Manager {
            manager: if self.manager.is_empty() { "unknown" } else { self.manager }.into(),
            operation,
            api_version: self.api_version.into(),
            time: Some(self.now.into()),
            subresource: self.subresource.into(),
            fields: Fields::Set(fields),
        }
    }
}

/// What `metadata.managedFields` of a request means.
enum Base {
    /// As stored.
    Live,
    /// Cleared: an empty list, or `[{}]`.
    Cleared,
    /// As the client wants it.
    Sent(Vec<Manager>),
}

/// Sets the managed fields of an object that is about to be created (`live` is `None`) or updated.
///
/// Both objects are typed trees of `id`, defaulted; `new` brings the `metadata.managedFields` of the request. An
/// object whose managed fields were cleared stays without until it is applied.
pub fn update(live: Option<&Map>, new: &mut Map, schema: &Schema, id: StructId, context: &Context<'_>) {
    let stored = live.and_then(managed_fields);
    let base = base(stored, managed_fields(new), context);
    let keeps_live = matches!(base, Base::Live);
    let mut managers = match base {
        // Stored entries were written here; should they be damaged all the same, ownership starts anew.
        Base::Live => stored.map(|list| read_stored(list).unwrap_or_default()).unwrap_or_default(),
        Base::Sent(managers) => managers,
        Base::Cleared => Vec::new(),
    };
    if managers.is_empty() {
        let first = || {
            let fields = if std::ptr::eq(schema, schema::builtin()) {
                Fields::Text(whole::write(new, schema, id, context.reset, context.known))
            } else {
                Fields::Set(compare(&Map::new(), new, schema, id, context.reset).changed)
            };
            Manager { fields, ..context.entry(Operation::Update, Set::new()) }
        };
        let first = Some(live).filter(Option::is_none).map(|_| first()).filter(|first| !first.is_empty());
        set_managed_fields(new, first.map(|first| Node::List(write(vec![first]))));
        return;
    }
    let changes = compare(live.unwrap_or(&Map::new()), new, schema, id, context.reset);
    if changes.is_empty() && keeps_live {
        set_managed_fields(new, stored.map(|list| Node::List(list.clone())));
        return;
    }
    take(&mut managers, changes, context);
    cap(&mut managers);
    let list =
        Some(managers).filter(|managers| !managers.is_empty()).map(|managers| Node::List(write(managers)));
    set_managed_fields(new, list);
}

/// Gives what was changed to the writer and takes what was removed from everybody.
fn take(managers: &mut Vec<Manager>, changes: Changes, context: &Context<'_>) {
    let own = context.entry(Operation::Update, Set::new());
    let wanted = changes.changed.len();
    let mut found = false;
    managers.retain_mut(|manager| {
        let is_own = manager.is_same(&own);
        let Changes { changed, removed } = context.changes_for(manager, &changes);
        let loses = manager.count(removed) > 0;
        let shares = manager.count(changed);
        if is_own && wanted > 0 {
            found = true;
            manager.time = own.time.clone();
            if loses || shares < wanted {
                manager.edit(changed, removed);
            }
        } else if loses || shares > 0 {
            manager.edit(&Set::new(), &removed.union(changed));
        }
        !manager.is_empty()
    });
    if !found && wanted > 0 {
        managers.push(Manager { fields: Fields::Set(changes.changed), ..own });
    }
}

fn base(stored: Option<&crate::tree::List>, sent: Option<&crate::tree::List>, context: &Context<'_>) -> Base {
    // Managed fields cannot be written through a subresource.
    let Some(sent) = sent.filter(|_| context.subresource.is_empty()) else { return Base::Live };
    if stored.is_some_and(|stored| stored == sent) {
        return Base::Live;
    }
    match sent.as_slice() {
        [] => Base::Cleared,
        [Node::Map(entry)] if entry.is_empty() => Base::Cleared,
        entries => match read_sent(entries) {
            Ok(managers) => Base::Sent(managers),
            Err(_) => Base::Live,
        },
    }
}

/// The versions of an object's entries, but for one.
pub fn other_versions<'a>(object: &'a Map, own: &str) -> Vec<&'a str> {
    let entries =
        managed_fields(object).map(|list| list.iter().filter_map(Node::as_map)).into_iter().flatten();
    let mut versions: Vec<&str> =
        entries.map(|entry| entry.str("apiVersion")).filter(|version| *version != own).collect();
    versions.sort_unstable();
    versions.dedup();
    versions
}

/// `metadata.managedFields` of an object.
pub fn managed_fields(object: &Map) -> Option<&crate::tree::List> {
    object.at(&["metadata", "managedFields"]).and_then(Node::as_list)
}

/// Sets or removes `metadata.managedFields`.
pub fn set_managed_fields(object: &mut Map, list: Option<Node>) {
    match list {
        Some(list) => object.metadata_mut().set("managedFields", list),
        None => {
            if managed_fields(object).is_some() {
                object.metadata_mut().remove("managedFields");
            }
        }
    }
}

#[cfg(test)]
mod tests;
