//! Forms of stored objects: the only way from entries to what clients read.
//!
//! Keeps: JSON of the storage version is copied, never decoded, and its protobuf is written from the bytes; other
//! forms are made on demand from the tree; nothing is kept per object.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::codec;
use crate::codec::json::Head;
use crate::negotiation::{Form, Media, Transform};
use crate::registry::Resource;
use crate::schema::{self, StructId};
use crate::storage::{self, Entry, Revision};
use crate::table;
use crate::tree::{Map, Node};

/// What every stored object begins with.
const METADATA_KEY: &[u8] = b"\"metadata\":";

/// Where the object of a form stands: alone it names its kind, as an item of a list it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A document of its own, or the object of a watch event.
    Alone,
    /// An item of a list.
    Item,
}

/// The bytes of a stored object: the entry's own, or those of a deletion restamped with its revision.
pub struct Stored<'a> {
    /// Bytes as the store keeps them.
    pub bytes: &'a [u8],
    /// When they were written.
    pub written: Revision,
}

impl<'a> Stored<'a> {
    /// Bytes that were just made.
    pub fn new(bytes: &'a [u8]) -> Stored<'a> {
        Stored { bytes, written: Revision::MAX }
    }
}

impl<'a> From<&'a Entry> for Stored<'a> {
    fn from(entry: &'a Entry) -> Stored<'a> {
        Stored { bytes: entry.bytes(), written: entry.modified }
    }
}

/// The tree of a stored object in the version of `resource`.
pub fn served_tree(resource: &Resource, stored: &Stored<'_>) -> Map {
    let mut object = storage::decode_bytes(resource, stored.bytes);
    resource.from_storage(&mut object);
    object
}

/// Appends a stored object in a form without transform, or as PartialObjectMetadata.
pub fn append(resource: &Resource, stored: &Stored<'_>, form: &Form, place: Place, out: &mut Vec<u8>) {
    match (form.transform, form.media) {
        (Transform::Metadata, _) => append_metadata(stored, form, place, out),
        (_, Media::Protobuf) => append_message(resource, stored, place, out),
        _ => append_json(resource, stored, place, out),
    }
}

fn append_json(resource: &Resource, stored: &Stored<'_>, place: Place, out: &mut Vec<u8>) {
    // Custom resources say what they are in lists, too.
    let place = if resource.custom.is_some() { Place::Alone } else { place };
    if resource.serves_as_stored(stored.written) {
        out.reserve(resource.head.len() + stored.bytes.len());
        match place {
            Place::Alone => out.extend_from_slice(&resource.head),
            Place::Item => out.push(b'{'),
        }
        out.extend_from_slice(stored.bytes);
        return;
    }
    let object = served_tree(resource, stored);
    append_tree_json(&object, resource.schema, place, &resource.api_version, resource.kind.names.kind, out);
}

fn append_message(resource: &Resource, stored: &Stored<'_>, place: Place, out: &mut Vec<u8>) {
    match place {
        Place::Item => append_bare_message(resource, stored, out),
        Place::Alone => {
            let mut message = Vec::with_capacity(stored.bytes.len());
            append_bare_message(resource, stored, &mut message);
            codec::proto::document(&resource.api_version, resource.kind.names.kind, &message, out);
        }
    }
}

/// Appends an object's message: of the storage version straight from its bytes, else through a tree.
fn append_bare_message(resource: &Resource, stored: &Stored<'_>, out: &mut Vec<u8>) {
    let schema = schema::builtin();
    let start = out.len();
    let transcoded = resource.is_storage()
        && codec::proto::transcode_stored(stored.bytes, schema, resource.schema, out).is_ok();
    if !transcoded {
        out.truncate(start);
        codec::proto::encode(&served_tree(resource, stored), schema, resource.schema, out);
    }
}

/// Appends a tree of a served version as JSON; its resourceVersion is in the tree.
pub fn append_tree_json(
    object: &Map,
    id: StructId,
    place: Place,
    api_version: &str,
    kind: &str,
    out: &mut Vec<u8>,
) {
    let text;
    let head = match place {
        Place::Item => Head::Item,
        Place::Alone => {
            text = format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",");
            Head::Text(&text)
        }
    };
    let version = object.str_at(&["metadata", "resourceVersion"]);
    let start = out.len();
    let splice = codec::json::encode_object(object, schema::builtin(), id, head, out);
    if let Some(at) = splice {
        splice_version(out, start, at, version);
    }
}

/// Puts the digits of a version where the encoder left room; without a version the key goes away.
fn splice_version(out: &mut Vec<u8>, start: usize, at: usize, version: &str) {
    const KEY: &[u8] = b"\"resourceVersion\":\"";
    debug_assert!(at >= start + KEY.len());
    if !version.is_empty() {
        out.splice(at..at, version.bytes());
        return;
    }
    // `"resourceVersion":""` goes together with the comma after or before it.
    let (mut from, mut to) = (at - KEY.len(), at + 1);
    if out.get(to) == Some(&b',') {
        to += 1;
    } else if from > start && out[from - 1] == b',' {
        from -= 1;
    }
    out.drain(from..to);
}

/// OpenAPI name of the struct of PartialObjectMetadata.
pub const PARTIAL_METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata";

/// `meta.k8s.io/v1` or its beta.
pub fn meta_version(form: &Form) -> &'static str {
    if form.beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" }
}

/// The JSON of `metadata`, which every stored object begins with.
fn metadata_json<'a>(stored: &Stored<'a>) -> &'a [u8] {
    let metadata = stored.bytes.strip_prefix(METADATA_KEY).unwrap_or_default();
    codec::json::structure_end(metadata, 0).map_or(b"{}", |end| &metadata[..end])
}

/// Appends a stored object as JSON of the storage version, or its metadata alone, without `managedFields`: often half of an
/// object, and nothing that controllers look at. Answers where in `out` the metadata stands.
pub fn append_unmanaged(
    resource: &Resource,
    stored: &Stored<'_>,
    metadata_only: bool,
    out: &mut Vec<u8>,
) -> Range<usize> {
    // The last field of metadata. A quote in a string is escaped, so nothing else in metadata looks like it.
    const MANAGED: &[u8] = b",\"managedFields\":[";
    let metadata = metadata_json(stored);
    let rest = stored.bytes.get(METADATA_KEY.len() + metadata.len()..).unwrap_or(b"}");
    let (kept, end): (_, &[u8]) = match memmem::find(metadata, MANAGED) {
        Some(at) => (&metadata[..at], b"}"),
        None => (metadata, b""),
    };
    let (head, rest): (&[u8], &[u8]) = if metadata_only { (b"{", b"}") } else { (&resource.head, rest) };
    out.reserve(head.len() + METADATA_KEY.len() + kept.len() + end.len() + rest.len());
    out.extend_from_slice(head);
    out.extend_from_slice(METADATA_KEY);
    let start = out.len();
    out.extend_from_slice(kept);
    out.extend_from_slice(end);
    let metadata = start..out.len();
    out.extend_from_slice(rest);
    metadata
}

fn append_metadata(stored: &Stored<'_>, form: &Form, place: Place, out: &mut Vec<u8>) {
    let version = meta_version(form);
    let metadata = metadata_json(stored);
    if form.media == Media::Protobuf {
        let schema = schema::builtin();
        let document = [b"{\"metadata\":", metadata, b"}"].concat();
        let id = schema.find(PARTIAL_METADATA).expect("the table has the meta types");
        let object = codec::json::decode(&document, schema, id, None).expect("stored metadata is canonical");
        let mut message = Vec::with_capacity(metadata.len());
        codec::proto::encode(&object, schema, id, &mut message);
        match place {
            Place::Item => out.extend_from_slice(&message),
            Place::Alone => codec::proto::document(version, "PartialObjectMetadata", &message, out),
        }
        return;
    }
    out.extend_from_slice(b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"");
    out.extend_from_slice(version.as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
    out.extend_from_slice(metadata);
    out.push(b'}');
}

/// A stored object alone, in any form; the document of a GET or the object of a watch event.
/// `columns`: a table states its columns (only the first event of a watch does).
pub fn alone(resource: &Resource, stored: &Stored<'_>, form: &Form, columns: bool, now: i64) -> Bytes {
    let mut out = Vec::with_capacity(stored.bytes.len() + 128);
    if form.transform == Transform::Table {
        let object = served_tree_for_table(resource, stored);
        let revision = object.str_at(&["metadata", "resourceVersion"]).to_owned();
        let mut rows = Vec::new();
        table::append_row(resource, stored, &object, form, now, &mut rows);
        table::append_table(resource, form, columns, &table::ListMeta::of(&revision), &rows, &mut out);
    } else {
        append(resource, stored, form, Place::Alone, &mut out);
    }
    finish(out, form)
}

/// Tables print the storage version's fields, of custom resources those of the version asked for.
pub fn served_tree_for_table(resource: &Resource, stored: &Stored<'_>) -> Map {
    match resource.custom {
        Some(_) => served_tree(resource, stored),
        None => storage::decode_bytes(resource, stored.bytes),
    }
}

/// A tree of a served version alone, in any form.
pub fn tree_alone(
    resource: Option<&Resource>,
    object: &Map,
    id: StructId,
    (api_version, kind): (&str, &str),
    form: &Form,
    now: i64,
) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    match (form.transform, form.media, resource) {
        (Transform::Table, _, Some(resource)) if resource.schema == id => {
            let mut stored = object.clone();
            resource.to_storage(&mut stored);
            let value = storage::encode(resource, &stored);
            let mut rows = Vec::new();
            table::append_row(resource, &Stored::new(&value.bytes), &stored, form, now, &mut rows);
            table::append_table(resource, form, true, &table::ListMeta::of(""), &rows, &mut out);
        }
        // A list of objects that are made up on request.
        (Transform::Table, _, Some(resource)) => {
            let mut rows = Vec::new();
            for (i, item) in object.maps("items").enumerate() {
                if i > 0 {
                    rows.push(b',');
                }
                let value = storage::encode(resource, item);
                table::append_row(resource, &Stored::new(&value.bytes), item, form, now, &mut rows);
            }
            table::append_table(resource, form, true, &table::ListMeta::of(""), &rows, &mut out);
        }
        (Transform::Metadata, _, Some(resource)) if resource.schema == id => {
            let mut bytes = Vec::new();
            append_tree_json(object, id, Place::Item, "", "", &mut bytes);
            append_metadata(&Stored::new(&bytes[1..]), form, Place::Alone, &mut out);
        }
        (_, Media::Protobuf, _) => {
            let mut message = Vec::new();
            codec::proto::encode(object, schema::builtin(), id, &mut message);
            codec::proto::document(api_version, kind, &message, &mut out);
        }
        _ => append_tree_json(object, id, Place::Alone, api_version, kind, &mut out),
    }
    finish(out, form)
}

/// Layout: YAML, indented JSON with a newline, or as it is.
pub fn finish(json: Vec<u8>, form: &Form) -> Bytes {
    match form.media {
        Media::Protobuf => Bytes::from(json),
        Media::Yaml => Bytes::from(codec::yaml::from_json(&json).expect("what was encoded here is JSON")),
        Media::Json if form.pretty => {
            let mut out = Vec::with_capacity(json.len() * 2);
            indent(&json, &mut out);
            out.push(b'\n');
            Bytes::from(out)
        }
        Media::Json => {
            let mut json = json;
            json.push(b'\n');
            Bytes::from(json)
        }
    }
}

/// Where the string ends that begins at `at`.
fn string_end(json: &[u8], at: usize) -> usize {
    let mut at = codec::json::plain_end(json, at + 1);
    while json.get(at) == Some(&b'\\') {
        at = codec::json::plain_end(json, at + 2);
    }
    (at + 1).min(json.len())
}

/// Indents compact JSON by two spaces, as Go does.
pub fn indent(json: &[u8], out: &mut Vec<u8>) {
    let mut depth = 0_usize;
    let mut at = 0;
    let newline = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    while at < json.len() {
        let byte = json[at];
        match byte {
            b'"' => {
                let end = string_end(json, at);
                out.extend_from_slice(&json[at..end]);
                at = end;
                continue;
            }
            b'{' | b'[' => {
                out.push(byte);
                let close = if byte == b'{' { b'}' } else { b']' };
                if json.get(at + 1) == Some(&close) {
                    out.push(close);
                    at += 2;
                    continue;
                }
                depth += 1;
                newline(depth, out);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                newline(depth, out);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                newline(depth, out);
            }
            b':' => out.extend_from_slice(b": "),
            b'\n' | b' ' => {}
            other => out.push(other),
        }
        at += 1;
    }
}

/// The object of a bookmark: kind, apiVersion, the revision, and what the kind always prints.
pub fn bookmark(resource: &Resource, form: &Form, revision: u64, initial_end: bool) -> Bytes {
    let mut metadata = Map::new();
    metadata.set("resourceVersion", revision.to_string());
    if initial_end {
        metadata.set("annotations", Map::from([("k8s.io/initial-events-end", Node::from("true"))]));
    }
    if form.transform == Transform::Table {
        let mut out = Vec::new();
        let mut rows = Vec::new();
        let object = Map::from([("metadata", Node::Map(metadata))]);
        let mut bytes = Vec::new();
        append_tree_json(&object, resource.storage_schema, Place::Item, "", "", &mut bytes);
        table::append_bookmark_row(resource, &Stored::new(&bytes[1..]), form, initial_end, &mut rows);
        table::append_table(
            resource,
            form,
            false,
            &table::ListMeta::of(&revision.to_string()),
            &rows,
            &mut out,
        );
        return Bytes::from(out);
    }
    let object = Map::from([("metadata", Node::Map(metadata))]);
    let mut out = Vec::new();
    match (form.transform, form.media) {
        (Transform::Metadata, _) => {
            let mut bytes = Vec::new();
            append_tree_json(&object, resource.schema, Place::Item, "", "", &mut bytes);
            append_metadata(&Stored::new(&bytes[1..]), form, Place::Alone, &mut out);
        }
        (_, Media::Protobuf) => {
            let mut message = Vec::new();
            codec::proto::encode(&object, schema::builtin(), resource.schema, &mut message);
            codec::proto::document(&resource.api_version, resource.kind.names.kind, &message, &mut out);
        }
        _ => append_tree_json(
            &object,
            resource.schema,
            Place::Alone,
            &resource.api_version,
            resource.kind.names.kind,
            &mut out,
        ),
    }
    Bytes::from(out)
}

/// A Status in a form (never a table).
pub fn status(status: &crate::status::Status, form: &Form) -> Bytes {
    let tree = status.to_tree();
    let mut out = Vec::with_capacity(512);
    if form.media == Media::Protobuf {
        let schema = schema::builtin();
        let id = schema.find(STATUS).expect("the table has the meta types");
        let typed = codec::json::typed(tree, schema, id, None).expect("a Status is well-formed");
        let mut message = Vec::new();
        codec::proto::encode(&typed, schema, id, &mut message);
        codec::proto::document("v1", "Status", &message, &mut out);
    } else {
        append_status_json(&tree, &mut out);
    }
    finish(out, form)
}

const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

/// A Status is small and printed in its own order, as Go does.
fn append_status_json(tree: &Map, out: &mut Vec<u8>) {
    out.extend_from_slice(tree.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture;

    #[test]
    fn what_controllers_read_lacks_only_the_managed_fields() {
        let pods = fixture::resource("", "pods");
        let managed = json!([{ "manager": "m", "operation": "Update", "fieldsV1": { "f:a}": { "k:{\"b\":\"c\"}": {} } } }]);
        for annotation in ["", r#"{"a":1,"managedFields":[{"x":"}"}]}"#, r"\"] {
            let mut object = json!({
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": { "name": "a", "namespace": "b", "annotations": { "managedFields": annotation } },
                "spec": { "containers": [{ "name": "c", "command": ["}", "\"managedFields\":["] }] },
            });
            let append = |object: &serde_json::Value, metadata_only| {
                let stored = storage::encode(pods, &fixture::object(pods, object));
                let mut out = b"before".to_vec();
                let metadata = append_unmanaged(pods, &Stored::new(&stored.bytes), metadata_only, &mut out);
                let whole: serde_json::Value = serde_json::from_slice(&out[6..]).unwrap();
                assert_eq!(
                    serde_json::from_slice::<serde_json::Value>(&out[metadata]).unwrap(),
                    whole["metadata"]
                );
                whole
            };
            let (whole, metadata) = (append(&object, false), append(&object, true));
            assert_eq!(whole["kind"], "Pod");
            assert_eq!(whole["spec"]["containers"][0]["command"][1], "\"managedFields\":[");
            assert_eq!(whole["metadata"]["annotations"]["managedFields"], annotation);
            assert_eq!(metadata, json!({ "metadata": whole["metadata"] }));
            object["metadata"]["managedFields"] = managed.clone();
            assert_eq!(append(&object, false), whole);
            assert_eq!(append(&object, true), metadata);
        }
    }
}
