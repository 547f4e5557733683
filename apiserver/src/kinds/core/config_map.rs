//! ConfigMap: opaque data. Keeps: keys are valid path segments; `immutable` never goes back.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::names;
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "ConfigMap",
        plural: "configmaps",
        singular: "configmap",
        short: &["cm"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.ConfigMap")],
    columns: &[kind::NAME, column("Data", "string", count), kind::AGE],
    validate,
    validate_update,
    ..Kind::DEFAULT
};

/// Total size of the values.
pub(super) const DATA_BYTES_MAX: usize = 1024 * 1024;
pub(super) const FROZEN: &str = "field is immutable when `immutable` is set";

fn count(map: &Map, _: i64) -> Node {
    let entries = |key| map.map(key).map_or(0, Map::len);
    Node::Int((entries("data") + entries("binaryData")) as i64)
}

fn validate(map: &Map, errors: &mut FieldErrors) {
    let data = Path::new("data");
    let binary = Path::new("binaryData");
    let mut bytes = 0;
    for (key, value) in map.map("data").into_iter().flat_map(Map::iter) {
        validate_key(key, &data.key(key), errors);
        if map.map("binaryData").is_some_and(|binary| binary.contains(key)) {
            errors.invalid(&data.key(key), key.as_str(), "duplicate of key present in binaryData");
        }
        bytes += value.as_str().map_or(0, str::len);
    }
    for (key, value) in map.map("binaryData").into_iter().flat_map(Map::iter) {
        validate_key(key, &binary.key(key), errors);
        bytes += value.as_str().map_or(0, decoded_len);
    }
    if bytes > DATA_BYTES_MAX {
        errors.too_long(&Path::new(""), DATA_BYTES_MAX);
    }
}

/// How many bytes a base64 text stands for.
pub(super) fn decoded_len(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// A key of ConfigMap or Secret data.
pub(super) fn validate_key(key: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    names::report(errors, path, key, names::text::config_key(key));
}

fn validate_update(map: &Map, old: &Map, errors: &mut FieldErrors) {
    if old.bool("immutable") != Some(true) {
        return;
    }
    for field in ["immutable", "data", "binaryData"] {
        if map.get(field) != old.get(field) {
            errors.forbidden(&Path::new(field), FROZEN);
        }
    }
}
