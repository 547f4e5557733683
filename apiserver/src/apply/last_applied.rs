//! The annotation in which client-side apply of kubectl keeps what it last applied.
//!
//! Keeps: only for the field manager `kubectl`: fields that client-side apply set and nobody changed since may be
//! taken over without a conflict, and the annotation, where it is, says what was applied last by either way.

use super::{Request, body};
use crate::codec::json;
use crate::managed_fields::{Set, compare};
use crate::schema::{Schema, StructId};
use crate::tree::{Map, Node};

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// All annotations of an object together have at most so many bytes.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// Whether the rules of this file hold for a manager.
pub(super) fn concerns(manager: &str) -> bool {
    manager == "kubectl"
}

/// The fields that client-side apply set and that still have its values; `None` when that cannot be known.
pub(super) fn unchanged_fields(
    live: &Map,
    schema: &Schema,
    id: StructId,
    request: &Request<'_>,
) -> Option<Set> {
    let text = live.annotation(ANNOTATION).filter(|text| !text.is_empty())?;
    let Ok(Node::Map(mut last)) = json::decode_untyped(text.as_bytes()) else { return None };
    if last.str("apiVersion") != request.context.api_version {
        return None;
    }
    last.remove("apiVersion");
    last.remove("kind");
    let fields = body::field_set(&last, schema, id).ok()?;
    let typed = json::typed(last, schema, id, None).ok()?;
    let changes = compare(&typed, live, schema, id, &[]);
    Some(fields.difference(&changes.changed).difference(&changes.removed))
}

/// Writes what was applied into the annotation, if there is one.
pub(super) fn record(object: &mut Map, written: &Map, request: &Request<'_>) {
    if object.annotation(ANNOTATION).is_none_or(str::is_empty) {
        return;
    }
    let mut applied = written.clone();
    applied.set("apiVersion", request.context.api_version);
    applied.set("kind", request.kind);
    let metadata = applied.existing_map_mut("metadata");
    if let Some(annotations) = metadata.and_then(|metadata| metadata.existing_map_mut("annotations")) {
        annotations.remove(ANNOTATION);
    }
    let mut text = Vec::new();
    json::encode_untyped(&Node::Map(applied), &mut text);
    text.push(b'\n');
    let text = String::from_utf8(text).unwrap_or_default();
    let annotations = object.metadata_mut().map_mut("annotations");
    annotations.set(ANNOTATION, text);
    let size: usize =
        annotations.iter().map(|(name, value)| name.len() + value.as_str().unwrap_or_default().len()).sum();
    if size > ANNOTATIONS_BYTES_MAX {
        annotations.remove(ANNOTATION);
    }
}
