//! Counts: integers that may not be negative, and integers that may be percentages instead.

use crate::field::{FieldErrors, Path};
use crate::names::{self, text};
use crate::tree::{Map, Node};

/// Reports each of the integers `fields` of `map` that is below zero; absent ones are fine.
pub(in crate::kinds) fn non_negative(map: &Map, fields: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    for field in fields {
        if let Some(value) = map.int(field).filter(|value| *value < 0) {
            errors.invalid(&path.child(field), value, "must be greater than or equal to 0");
        }
    }
}

/// Reports an integer that is below `min`.
pub(in crate::kinds) fn at_least(
    map: &Map,
    field: &str,
    min: i64,
    detail: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(value) = map.int(field).filter(|value| *value < min) {
        errors.invalid(&path.child(field), value, detail);
    }
}

/// Reports a value that is neither an integer from zero on nor a percentage.
pub(in crate::kinds) fn positive_or_percent(value: &Node, path: &Path<'_>, errors: &mut FieldErrors) {
    match value {
        Node::Int(number) if *number < 0 => {
            errors.invalid(path, *number, "must be greater than or equal to 0");
        }
        Node::Str(text) => names::report(errors, path, text, text::percent(text)),
        _ => {}
    }
}

/// Reports a percentage beyond 100 %.
pub(in crate::kinds) fn at_most_all(value: &Node, path: &Path<'_>, errors: &mut FieldErrors) {
    if percentage(value).is_some_and(|percentage| percentage > 100) {
        errors.invalid(path, value.clone(), "must not be greater than 100%");
    }
}

/// The number in front of the percent sign, or the integer itself; 0 for what cannot be read.
pub(in crate::kinds) fn number(value: Option<&Node>) -> i64 {
    match value {
        Some(Node::Int(number)) => *number,
        Some(value) => percentage(value).unwrap_or(0),
        None => 0,
    }
}

fn percentage(value: &Node) -> Option<i64> {
    value.as_str()?.strip_suffix('%')?.parse().ok()
}
