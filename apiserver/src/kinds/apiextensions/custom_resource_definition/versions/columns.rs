//! Columns of tables. Keeps: a column has a name, a type and a path to its value.

use super::validate_json_path;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::tree::Map;

const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// Reports what is wrong with a column.
pub(super) fn validate(column: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    rules::require_text(column, "name", path, errors);
    let (kind, format) = (column.str("type"), column.str("format"));
    let types = format!("must be one of {}", TYPES.join(","));
    if kind.is_empty() {
        errors.required(&path.child("type"), types);
    } else if !TYPES.contains(&kind) {
        errors.invalid(&path.child("type"), kind, types);
    }
    if !format.is_empty() && !FORMATS.contains(&format) {
        errors.invalid(&path.child("format"), format, format!("must be one of {}", FORMATS.join(",")));
    }
    let path = path.child("JSONPath");
    if column.str("jsonPath").is_empty() {
        errors.required(&path, "");
    } else {
        validate_json_path(column, "jsonPath", &path, errors);
    }
}
