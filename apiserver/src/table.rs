//! Tables: what `kubectl get` prints, made by the server from a kind's columns.
//!
//! Keeps: all five keys of a column are always there; cells are computed from the storage version at send time.

use crate::codec;
use crate::forms::{self, Stored};
use crate::kind::{Cell, Column};
use crate::negotiation::{Form, IncludeObject};
use crate::registry::Resource;
use crate::tree::{Map, Node};

/// Metadata of a list or table.
pub struct ListMeta<'a> {
    /// Revision in decimal; may be empty.
    pub revision: &'a str,
    /// Continue token; may be empty.
    pub continue_token: &'a str,
    /// `remainingItemCount`
    pub remaining: Option<u64>,
}

impl<'a> ListMeta<'a> {
    /// Only a revision.
    pub fn of(revision: &'a str) -> ListMeta<'a> {
        ListMeta { revision, continue_token: "", remaining: None }
    }

    /// Appends `{"resourceVersion":…}`.
    pub fn append(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut comma = false;
        let mut key = |name: &str, out: &mut Vec<u8>| {
            if std::mem::replace(&mut comma, true) {
                out.push(b',');
            }
            out.push(b'"');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
        };
        if !self.revision.is_empty() {
            key("resourceVersion", out);
            codec::json::encode_untyped(&Node::from(self.revision), out);
        }
        if !self.continue_token.is_empty() {
            key("continue", out);
            codec::json::encode_untyped(&Node::from(self.continue_token), out);
        }
        if let Some(remaining) = self.remaining {
            key("remainingItemCount", out);
            out.extend_from_slice(remaining.to_string().as_bytes());
        }
        out.push(b'}');
    }
}

/// Columns of kinds that declare none.
const DEFAULT_COLUMNS: &[Column] = &[
    crate::kind::NAME,
    Column {
        name: "Created At",
        kind: "date",
        format: "",
        description: "CreationTimestamp is a timestamp representing the server time when this object was created.",
        priority: 0,
        cell: Cell::Of(|object, _| object.str_at(&["metadata", "creationTimestamp"]).into()),
    },
];

fn columns(resource: &Resource) -> &'static [Column] {
    if resource.kind.columns.is_empty() { DEFAULT_COLUMNS } else { resource.kind.columns }
}

/// Appends a whole table around rows that are already written (comma-separated).
pub fn append_table(
    resource: &Resource,
    form: &Form,
    with_columns: bool,
    meta: &ListMeta<'_>,
    rows: &[u8],
    out: &mut Vec<u8>,
) {
    append_table_head(resource, form, with_columns, meta, out);
    out.extend_from_slice(rows);
    out.extend_from_slice(b"]}");
}

/// Appends a table up to the opening bracket of its rows.
pub fn append_table_head(
    resource: &Resource,
    form: &Form,
    with_columns: bool,
    meta: &ListMeta<'_>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"kind\":\"Table\",\"apiVersion\":\"");
    out.extend_from_slice(forms::meta_version(form).as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
    meta.append(out);
    out.extend_from_slice(b",\"columnDefinitions\":");
    if with_columns {
        out.push(b'[');
        for (i, column) in columns(resource).iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            append_column(column, out);
        }
        out.push(b']');
    } else {
        out.extend_from_slice(b"null");
    }
    out.extend_from_slice(b",\"rows\":[");
}

fn append_column(column: &Column, out: &mut Vec<u8>) {
    let text = |key: &str, value: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(key.as_bytes());
        codec::json::encode_untyped(&Node::from(value), out);
    };
    text("{\"name\":", column.name, out);
    text(",\"type\":", column.kind, out);
    text(",\"format\":", column.format, out);
    text(",\"description\":", column.description, out);
    out.extend_from_slice(b",\"priority\":");
    out.extend_from_slice(column.priority.to_string().as_bytes());
    out.push(b'}');
}

/// Appends the row of an object (`object` is its tree in the storage version).
pub fn append_row(
    resource: &Resource,
    stored: &Stored<'_>,
    object: &Map,
    form: &Form,
    now: i64,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"cells\":[");
    for (i, column) in columns(resource).iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        codec::json::encode_untyped(&column.cell(object, now), out);
    }
    out.push(b']');
    let conditions = (resource.kind.row_conditions)(object);
    if !conditions.is_empty() {
        out.extend_from_slice(b",\"conditions\":");
        codec::json::encode_untyped(&conditions.into_iter().collect::<Node>(), out);
    }
    append_row_object(resource, stored, form.include, form, out);
    out.push(b'}');
}

/// Appends the row of a bookmark: no cells; the end of the initial events carries its metadata in any case.
pub fn append_bookmark_row(
    resource: &Resource,
    stored: &Stored<'_>,
    form: &Form,
    initial_end: bool,
    out: &mut Vec<u8>,
) {
    let include = if initial_end { IncludeObject::Metadata } else { form.include };
    let cells: Vec<&str> = columns(resource).iter().map(|_| "null").collect();
    out.extend_from_slice(b"{\"cells\":[");
    out.extend_from_slice(cells.join(",").as_bytes());
    out.push(b']');
    append_row_object(resource, stored, include, form, out);
    out.push(b'}');
}

fn append_row_object(
    resource: &Resource,
    stored: &Stored<'_>,
    include: IncludeObject,
    form: &Form,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b",\"object\":");
    let plain = |transform| Form { media: crate::negotiation::Media::Json, transform, ..*form };
    match include {
        IncludeObject::None => out.extend_from_slice(b"null"),
        IncludeObject::Metadata => forms::append(
            resource,
            stored,
            &plain(crate::negotiation::Transform::Metadata),
            forms::Place::Alone,
            out,
        ),
        IncludeObject::Object => forms::append(
            resource,
            stored,
            &plain(crate::negotiation::Transform::None),
            forms::Place::Alone,
            out,
        ),
    }
}
