//! Rules of single fields that many kinds share: presence, choice, range, format.
//!
//! Keeps: a rule looks at one field of a map and reports at that field's path, in upstream's words.

use crate::field::{FieldErrors, Path};
use crate::names;
use crate::tree::{Map, Node};

/// Reports a text that is absent or empty; answers whether it is there.
pub(in crate::kinds) fn require_text(
    map: &Map,
    field: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> bool {
    let present = !map.str(field).is_empty();
    if !present {
        errors.required(&path.child(field), "");
    }
    present
}

/// Reports a text that is absent or none of `supported`.
pub(in crate::kinds) fn require_choice(
    map: &Map,
    field: &str,
    supported: &[&str],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if require_text(map, field, path, errors) {
        choice(map, field, supported, path, errors);
    }
}

/// Reports a text that is present and none of `supported`.
pub(in crate::kinds) fn choice(
    map: &Map,
    field: &str,
    supported: &[&str],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(value) = map.get(field).and_then(Node::as_str)
        && !supported.contains(&value)
    {
        errors.not_supported(&path.child(field), value, supported);
    }
}

/// Reports a text that is absent or none of `supported`, listed as given.
pub(in crate::kinds) fn require_choice_in_order(
    map: &Map,
    field: &str,
    supported: &[&str],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let value = map.str(field);
    if require_text(map, field, path, errors) && !supported.contains(&value) {
        errors.not_supported_in_order(&path.child(field), value, supported);
    }
}

/// Reports numbers below zero.
pub(in crate::kinds) fn non_negative(map: &Map, fields: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    for field in fields {
        if let Some(value) = map.int(field).filter(|value| *value < 0) {
            errors.invalid(&path.child(field), value, "must be greater than or equal to 0");
        }
    }
}

/// Reports a number that is present and outside `min..=max`.
pub(in crate::kinds) fn within(
    map: &Map,
    field: &str,
    (min, max): (i64, i64),
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(value) = map.int(field).filter(|value| !(min..=max).contains(value)) {
        errors.invalid(&path.child(field), value, names::outside(min, max));
    }
}

/// The range of user and group ids.
pub(in crate::kinds) const IDS: (i64, i64) = (0, i32::MAX as i64);

/// Reports a text that is no RFC 1123 label.
pub(in crate::kinds) fn dns_label(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    names::report(errors, path, value, names::dns::label(value));
}

/// Reports a text that is no RFC 1123 subdomain.
pub(in crate::kinds) fn dns_subdomain(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    names::report(errors, path, value, names::dns::subdomain(value));
}

/// Reports a text that is no qualified name.
pub(in crate::kinds) fn qualified_name(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    names::report(errors, path, value, names::label::key(value));
}

/// Reports a text that cannot stand in a URL path.
pub(in crate::kinds) fn path_segment(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    names::report(errors, path, value, names::path_segment(value, false));
}

/// Reports a text that is absent, empty, or cannot stand in a URL path.
pub(in crate::kinds) fn require_path_segment(
    map: &Map,
    field: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if require_text(map, field, path, errors) {
        path_segment(map.str(field), &path.child(field), errors);
    }
}

/// Reports what is wrong with a reference to an object of a group: `apiGroup`, `kind`, `name`.
pub(in crate::kinds) fn typed_reference(reference: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(group) = reference.get("apiGroup").and_then(Node::as_str) {
        dns_subdomain(group, &path.child("apiGroup"), errors);
    }
    for field in ["kind", "name"] {
        require_path_segment(reference, field, path, errors);
    }
}

/// Reports a number that is no port.
pub(in crate::kinds) fn port_number(port: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    for fault in names::port_number(port) {
        errors.invalid(path, port, fault);
    }
}

/// Reports what is neither the number nor the name of a port.
pub(in crate::kinds) fn port(port: Option<&Node>, path: &Path<'_>, errors: &mut FieldErrors) {
    match port {
        Some(Node::Str(name)) => names::report(errors, path, name, names::text::port_name(name)),
        Some(Node::Int(number)) => port_number(*number, path, errors),
        _ => port_number(0, path, errors),
    }
}

/// Whether a value is in the list at `field`.
pub(in crate::kinds) fn lists(map: &Map, field: &str, value: &str) -> bool {
    map.texts(field).any(|item| item == value)
}

/// The length of a text without the white space around it differs from the text's.
pub(in crate::kinds) fn is_padded(text: &str) -> bool {
    text.trim().len() != text.len()
}
