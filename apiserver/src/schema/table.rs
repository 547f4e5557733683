//! The built-in schema, read from the generated table.

use std::sync::LazyLock;

use super::Schema;

/// The schema of all built-in kinds.
pub fn builtin() -> &'static Schema {
    static BUILTIN: LazyLock<Schema> = LazyLock::new(|| Schema::new(Vec::new()));
    &BUILTIN
}
