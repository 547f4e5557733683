//! The schema of a version. Keeps: it is structural (every field has a known type, whatever value rules ask), and its
//! defaults are values that it allows. Expressions are not compiled here.

use crate::field::{FieldErrors, Path};
use crate::structural::is_true;
use crate::tree::{Map, Node};

mod defaults;
mod extensions;
pub(super) mod field_path;
mod open_api;
mod structural;

/// Fields that the root may have when `properties.status` is taken out of it for the status subresource.
const AT_ROOT: [(&str, &str); 22] = [
    ("description", "Description"),
    ("type", "Type"),
    ("format", "Format"),
    ("title", "Title"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "ExclusiveMaximum"),
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "ExclusiveMinimum"),
    ("maxLength", "MaxLength"),
    ("minLength", "MinLength"),
    ("pattern", "Pattern"),
    ("maxItems", "MaxItems"),
    ("minItems", "MinItems"),
    ("uniqueItems", "UniqueItems"),
    ("multipleOf", "MultipleOf"),
    ("required", "Required"),
    ("items", "Items"),
    ("properties", "Properties"),
    ("externalDocs", "ExternalDocs"),
    ("example", "Example"),
    ("x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields"),
    ("x-kubernetes-validations", "XValidations"),
];

/// Reports what is wrong with the schema in a `schema` (or what all versions share of it).
pub(super) fn validate(
    validation: Option<&Map>,
    has_status: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let Some(schema) = validation.and_then(|validation| validation.map("openAPIV3Schema")) else { return };
    let mut found = FieldErrors::new();
    if has_status {
        validate_root(schema, path, &mut found);
    }
    if is_true(schema, "nullable") {
        found.forbidden(&path.child("openAPIV3Schema.nullable"), "nullable cannot be true at the root");
    }
    let path = path.child("openAPIV3Schema");
    let unsupported = structural::unsupported(schema);
    if unsupported.is_none() {
        let mut faults = FieldErrors::new();
        structural::validate(schema, &path, &mut faults);
        if faults.is_empty() {
            defaults::validate(schema, &path, &mut faults);
        }
        found.append(faults);
    }
    open_api::validate(schema, &path, &mut found);
    if let Some(fault) = unsupported.filter(|_| found.is_empty()) {
        found.invalid(&path, "", fault);
    }
    errors.append(found);
}

fn validate_root(schema: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = schema.str("type");
    if !matches!(kind, "" | "object") {
        let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        return errors.invalid(&path.child("openAPIV3Schema.type"), kind, detail);
    }
    let is_allowed = |field: &str| AT_ROOT.iter().any(|(name, _)| *name == field);
    if schema.iter().any(|(field, value)| is_set(value) && !is_allowed(field)) {
        let names: Vec<&str> = AT_ROOT.iter().map(|(_, name)| *name).collect();
        let detail = format!(
            "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
            names.join(" ")
        );
        errors.invalid(&path.child("openAPIV3Schema"), schema.clone(), detail);
    }
}

/// Whether a value says more than an absent one.
fn is_set(value: &Node) -> bool {
    !matches!(value, Node::Null | Node::Bool(false)) && value.as_str() != Some("")
}

/// Whether some schema has a default.
pub(super) fn has_defaults(versions: &[Map], shared: &Map) -> bool {
    let mut found = false;
    visit_all(versions, shared, &mut |schema| found |= schema.contains("default"));
    found
}

/// Advice about the schemas: formats that nobody checks, sets of what cannot be compared.
pub(super) fn warnings(versions: &[Map], shared: &Map) -> Vec<String> {
    let (mut formats, mut sets) = (Vec::new(), Vec::new());
    visit_all(versions, shared, &mut |schema| {
        if extensions::is_unrecognized_format(schema) {
            formats.push(format!("unrecognized format {:?}", schema.str("format")));
        }
        let item = schema.map("items").map_or("", |items| items.str("type"));
        if schema.str("x-kubernetes-list-type") == "set" && matches!(item, "object" | "array") {
            sets.push(format!(
                "x-kubernetes-list-type: set for items of type {item:?} is not supported by server-side apply or CEL validation rules"
            ));
        }
    });
    sets.sort_unstable();
    sets.dedup();
    formats.append(&mut sets);
    formats
}

fn visit_all(versions: &[Map], shared: &Map, visit: &mut dyn FnMut(&Map)) {
    let validations = versions.iter().map(|version| version.map("schema"));
    for validation in std::iter::once(shared.map("validation")).chain(validations).flatten() {
        if let Some(schema) = validation.map("openAPIV3Schema") {
            visit_schema(schema, visit);
        }
    }
}

/// Shows a schema and all below it.
fn visit_schema(schema: &Map, visit: &mut dyn FnMut(&Map)) {
    visit(schema);
    for (field, value) in schema.iter() {
        match (field.as_str(), value) {
            ("items" | "not" | "additionalProperties" | "additionalItems", Node::Map(below)) => {
                visit_schema(below, visit);
            }
            ("items" | "allOf" | "anyOf" | "oneOf", Node::List(schemas)) => {
                schemas.iter().filter_map(Node::as_map).for_each(|below| visit_schema(below, visit));
            }
            ("properties" | "patternProperties" | "definitions" | "dependencies", Node::Map(schemas)) => {
                schemas
                    .iter()
                    .filter_map(|(_, below)| below.as_map())
                    .for_each(|below| visit_schema(below, visit));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
