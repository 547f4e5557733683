//! Kubernetes' extensions of OpenAPI: kinds of lists and maps, rules in expressions. Keeps: keys of a list of maps are
//! scalars that every item has; a rule says what it asks and where.

use std::collections::HashSet;

use super::field_path::{self, Notation};
use crate::cel;
use crate::cel::check::{self, Place, Type};
use crate::field::{Cause, FieldErrors, Path};
use crate::structural::is_true;
use crate::tree::{Map, Node};

const LIST_TYPE: &str = "x-kubernetes-list-type";
const MAP_TYPE: &str = "x-kubernetes-map-type";
const KEYS: &str = "x-kubernetes-list-map-keys";

/// Reports what is wrong with the extensions of one schema.
pub(super) fn validate(schema: &Map, place: Place, path: &Path<'_>, errors: &mut FieldErrors) {
    if schema.bool("x-kubernetes-preserve-unknown-fields") == Some(false) {
        let path = path.child("x-kubernetes-preserve-unknown-fields");
        errors.invalid(&path, false, "must be true or undefined");
    }
    validate_collection(schema, MAP_TYPE, "object", &["atomic", "granular"], path, errors);
    validate_set_items(schema, path, errors);
    validate_collection(schema, LIST_TYPE, "array", &["atomic", "set", "map"], path, errors);
    validate_list_map(schema, path, errors);
    validate_comparable_items(schema, path, errors);
    let path = path.child("x-kubernetes-validations");
    for (i, rule) in schema.maps("x-kubernetes-validations").enumerate() {
        validate_rule(rule, schema, place, &path.index(i), errors);
    }
}

/// The kind of a list or map is said of just that, and is one that there is.
fn validate_collection(
    schema: &Map,
    field: &str,
    kind: &str,
    supported: &[&str],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let Some(value) = schema.get(field).and_then(Node::as_str) else { return };
    let detail = format!("must be {kind} if {field} is specified");
    match schema.str("type") {
        "" => errors.required(&path.child("type"), detail),
        own if own != kind => errors.invalid(&path.child("type"), own, detail),
        _ => {}
    }
    if !supported.contains(&value) {
        errors.not_supported_in_order(&path.child(field), value, supported);
    }
}

/// Items of a set are compared as a whole.
fn validate_set_items(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(items) = schema.map("items") else { return };
    if schema.str("type") != "array" || schema.str(LIST_TYPE) != "set" {
        return;
    }
    let (field, is_atomic) = match items.str("type") {
        "array" => (LIST_TYPE, matches!(items.str(LIST_TYPE), "" | "atomic")),
        "object" => (MAP_TYPE, items.str(MAP_TYPE) == "atomic"),
        _ => return,
    };
    if !is_atomic {
        let value = items.get(LIST_TYPE).cloned().unwrap_or_default();
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        errors.invalid(&path.child("items").child(field), value, detail);
    }
}

fn validate_list_map(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let keys = schema.list(KEYS);
    let items_path = path.child("items");
    let list_type = schema.get(LIST_TYPE).and_then(Node::as_str);
    if list_type != Some("map") {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        match list_type {
            _ if keys.is_empty() => {}
            None => errors.required(&path.child(LIST_TYPE), detail),
            Some(other) => errors.invalid(&path.child(LIST_TYPE), other, detail),
        }
        return;
    }
    if keys.is_empty() {
        errors.required(&path.child(KEYS), "must not be empty if x-kubernetes-list-type is map");
    }
    let Some(items) = schema.map("items") else {
        return match schema.get("items") {
            None => errors.required(&items_path, "must have a schema if x-kubernetes-list-type is map"),
            Some(items) => {
                let detail = "must only have a single schema if x-kubernetes-list-type is map";
                errors.invalid(&items_path, items.clone(), detail);
            }
        };
    };
    if items.str("type") != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        return errors.invalid(&items_path.child("type"), items.str("type"), detail);
    }
    let whole: Node = keys.iter().cloned().collect();
    let properties_path = items_path.child("properties");
    let mut seen = HashSet::new();
    for key in schema.texts(KEYS) {
        match items.map("properties").and_then(|properties| properties.map(key)) {
            Some(property) if matches!(property.str("type"), "array" | "object") => {
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                errors.invalid(&properties_path.key(key).child("type"), items.str("type"), detail);
            }
            Some(_) => {}
            None => errors.add(
                Cause::Invalid,
                &path.child(KEYS),
                &whole,
                "entries must all be names of item properties",
            ),
        }
        if !seen.insert(key) {
            errors.add(Cause::Invalid, &path.child(KEYS), &whole, "must not contain duplicate entries");
        }
    }
}

/// Items that are told apart are there, and so are their keys.
fn validate_comparable_items(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let (list_type, Some(items)) = (schema.str(LIST_TYPE), schema.map("items")) else { return };
    if !matches!(list_type, "set" | "map") {
        return;
    }
    let path = path.child("items");
    if is_true(items, "nullable") {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.forbidden(&path.child("nullable"), detail);
    }
    let path = path.child("properties");
    for key in schema.texts(KEYS).filter(|_| list_type == "map") {
        let Some(property) = items.map("properties").and_then(|properties| properties.map(key)) else {
            continue;
        };
        let path = path.key(key);
        if !property.contains("default") && !items.texts("required").any(|required| required == key) {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.required(&path.child("default"), detail);
        }
        if is_true(property, "nullable") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.forbidden(&path.child("nullable"), detail);
        }
    }
}

fn validate_rule(rule: &Map, schema: &Map, place: Place, path: &Path<'_>, errors: &mut FieldErrors) {
    const REASONS: [&str; 4] =
        ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    const MAY_NOT_BREAK: &str = "must not contain line breaks";
    const MAY_NOT_BE_EMPTY: &str = "must be non-empty if specified";
    let breaks = |text: &str| text.contains(['\n', '\r']);
    let (text, message) = (rule.str("rule").trim(), rule.str("message"));
    let message_path = path.child("message");
    if text.is_empty() {
        errors.required(&path.child("rule"), "rule is not specified");
    } else if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(&message_path, message, MAY_NOT_BE_EMPTY);
    } else if breaks(message.trim()) {
        errors.invalid(&message_path, message, MAY_NOT_BREAK);
    } else if breaks(text) && message.is_empty() {
        errors.required(&message_path, "message must be specified if rule contains line breaks");
    }
    let own = check::of_schema(schema, place);
    validate_expression(rule, "rule", &own, path, errors);
    let expression = rule.str("messageExpression");
    if !expression.is_empty() && expression.trim().is_empty() {
        let detail = "messageExpression must be non-empty if specified";
        errors.required(&path.child("messageExpression"), detail);
    }
    validate_expression(rule, "messageExpression", &own, path, errors);
    if let Some(reason) = rule.get("reason").and_then(Node::as_str).filter(|it| !REASONS.contains(it)) {
        errors.not_supported(&path.child("reason"), reason, &REASONS);
    }
    let (field_path, path) = (rule.str("fieldPath"), path.child("fieldPath"));
    if field_path.is_empty() {
        return;
    }
    if field_path.trim().is_empty() {
        errors.invalid(&path, field_path, MAY_NOT_BE_EMPTY);
    }
    if breaks(field_path) {
        errors.invalid(&path, field_path, MAY_NOT_BREAK);
    }
    if field_path::resolve(field_path, schema, Notation::DotsAndBrackets).is_err() {
        errors.invalid(&path, field_path, "must be a valid path");
    }
}

/// Reports an expression that is none, or that can never be what it has to be of `own` values.
fn validate_expression(rule: &Map, field: &str, own: &Type<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    const SHOWN: [(&str, &str); 6] = [
        ("Rule", "rule"),
        ("Message", "message"),
        ("MessageExpression", "messageExpression"),
        ("Reason", "reason"),
        ("FieldPath", "fieldPath"),
        ("OptionalOldSelf", "optionalOldSelf"),
    ];
    let text = rule.str(field).trim();
    if text.is_empty() {
        return;
    }
    if let Some(error) = cel::syntax_error(text).or_else(|| type_error(rule, field, text, own)) {
        let shown: Map = SHOWN
            .iter()
            .map(|(name, field)| {
                let absent =
                    if matches!(*field, "reason" | "optionalOldSelf") { Node::Null } else { "".into() };
                (*name, rule.get(field).cloned().unwrap_or(absent))
            })
            .collect();
        let why = match field {
            "rule" if error == NO_BOOL => error,
            "rule" => format!("compilation failed: {error}"),
            _ => format!("messageExpression compilation failed: {error}"),
        };
        errors.invalid(&path.child(field), shown, why);
    }
}

const NO_BOOL: &str = "cel expression must evaluate to a bool";

fn type_error(rule: &Map, field: &str, text: &str, own: &Type<'_>) -> Option<String> {
    let old = match is_true(rule, "optionalOldSelf") {
        true => Type::Optional(Box::new(own.clone())),
        false => own.clone(),
    };
    match (field, check::type_of(text, &[("self", own.clone()), ("oldSelf", old)])) {
        (_, Err(why)) => Some(why),
        (_, Ok(Type::Dyn)) | ("rule", Ok(Type::Bool)) | ("messageExpression", Ok(Type::String)) => None,
        ("rule", Ok(_)) => Some(NO_BOOL.to_owned()),
        (_, Ok(_)) => Some("messageExpression must evaluate to a string".to_owned()),
    }
}

/// Formats of strings, without dashes.
const STRING_FORMATS: [&str; 26] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// Whether values are not checked against the format that a schema asks for.
pub(super) fn is_unrecognized_format(schema: &Map) -> bool {
    let format = schema.str("format");
    !format.is_empty()
        && match schema.str("type") {
            "" | "string" => !STRING_FORMATS.contains(&format.replace('-', "").as_str()),
            "integer" => !matches!(format, "int32" | "int64"),
            "number" => !matches!(format, "float" | "double"),
            _ => false,
        }
}
