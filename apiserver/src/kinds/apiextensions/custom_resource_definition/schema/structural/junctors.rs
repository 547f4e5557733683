//! `allOf`, `anyOf`, `oneOf`, `not`. Keeps: what they judge is declared outside of them, and they declare nothing.

use crate::field::{FieldErrors, Path};
use crate::structural::is_true;
use crate::tree::{Map, Node};

/// Reports what the junctors of a schema declare.
pub(super) fn validate(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let is_choice = |schema: &Map| is_int_or_string(schema.list("anyOf"));
    let first = schema.maps("allOf").next().is_some_and(is_choice);
    validate_values(schema, is_choice(schema), first, path, errors);
}

/// Whether it is the usual way to say that a value is an integer or a string.
fn is_int_or_string(choices: &[Node]) -> bool {
    let is_just =
        |choice: &Node, kind| choice.as_map().is_some_and(|it| it.len() == 1 && it.str("type") == kind);
    matches!(choices, [a, b] if is_just(a, "integer") && is_just(b, "string"))
}

fn validate_values(
    schema: &Map,
    skips_any_of: bool,
    skips_first_any_of: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    for junctor in ["anyOf", "allOf", "oneOf"] {
        if junctor == "anyOf" && skips_any_of {
            continue;
        }
        let path = path.child(junctor);
        for (i, nested) in schema.maps(junctor).enumerate() {
            let skips_any_of = junctor == "allOf" && i == 0 && skips_first_any_of;
            validate_nested(nested, skips_any_of, &path.index(i), errors);
        }
    }
    if let Some(nested) = schema.map("not") {
        validate_nested(nested, false, &path.child("not"), errors);
    }
}

fn validate_nested(nested: &Map, skips_any_of: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    const EMPTY: &str = "must be empty to be structural";
    const UNDEFINED: &str = "must be undefined to be structural";
    const FALSE: &str = "must be false to be structural";
    validate_values(nested, skips_any_of, false, path, errors);
    if let Some(items) = nested.map("items") {
        validate_nested(items, false, &path.child("items"), errors);
    }
    let properties_path = path.child("properties");
    for (name, property) in nested.map("properties").into_iter().flat_map(Map::iter) {
        if let Some(property) = property.as_map() {
            validate_nested(property, false, &properties_path.key(name), errors);
        }
    }
    for field in ["type", "title", "description"] {
        if !nested.str(field).is_empty() {
            errors.forbidden(&path.child(field), EMPTY);
        }
    }
    for field in ["x-kubernetes-list-map-keys", "x-kubernetes-validations"] {
        if !nested.list(field).is_empty() {
            errors.forbidden(&path.child(field), EMPTY);
        }
    }
    for field in ["additionalProperties", "default", "x-kubernetes-list-type", "x-kubernetes-map-type"] {
        if nested.get(field).is_some_and(|value| value.as_bool() != Some(false)) {
            errors.forbidden(&path.child(field), UNDEFINED);
        }
    }
    for field in [
        "nullable",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
    ] {
        if is_true(nested, field) {
            errors.forbidden(&path.child(field), FALSE);
        }
    }
    if nested.map("properties").is_some_and(|properties| properties.contains("metadata")) {
        errors.forbidden(&properties_path.key("metadata"), "must not be specified in a nested context");
    }
}

/// Reports what the junctors of `judge` (at `judge_path`) judge without `schema` (at `path`) declaring it.
pub(super) fn validate_completeness(
    judge: &Map,
    schema: Option<&Map>,
    path: &Path<'_>,
    judge_path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(nested) = judge.map("not") {
        validate_declared(nested, schema, path, &judge_path.child("not"), errors);
    }
    for junctor in ["allOf", "anyOf", "oneOf"] {
        let judge_path = judge_path.child(junctor);
        for (i, nested) in judge.maps(junctor).enumerate() {
            validate_declared(nested, schema, path, &judge_path.index(i), errors);
        }
    }
}

fn validate_declared(
    nested: &Map,
    schema: Option<&Map>,
    path: &Path<'_>,
    judge_path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let Some(schema) = schema else {
        return errors.required(path, format!("because it is defined in {judge_path}"));
    };
    validate_completeness(nested, Some(schema), path, judge_path, errors);
    if let Some(items) = nested.map("items") {
        validate_declared(
            items,
            schema.map("items"),
            &path.child("items"),
            &judge_path.child("items"),
            errors,
        );
    }
    let (own_path, judge_path) = (path.child("properties"), judge_path.child("properties"));
    for (name, property) in nested.map("properties").into_iter().flat_map(Map::iter) {
        let declared = schema.map("properties").and_then(|properties| properties.map(name));
        if let Some(property) = property.as_map() {
            validate_declared(property, declared, &own_path.key(name), &judge_path.key(name), errors);
        }
    }
}
