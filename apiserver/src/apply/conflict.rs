//! Conflicts: fields that an apply would change and that other managers own.
//!
//! Keeps: message and causes are upstream's, managers sorted by their identity, fields in the order of their sets.

use crate::managed_fields::{Element, Manager, Operation, Set};
use crate::status::{Error, StatusCause};

/// What an apply would take from one manager.
pub(super) struct Conflict {
    /// Its place in the list of managers.
    pub(super) at: usize,
    /// The fields.
    pub(super) fields: Set,
}

/// The fields of all conflicts.
pub(super) fn fields(conflicts: &[Conflict]) -> Set {
    conflicts.iter().fold(Set::new(), |all, conflict| all.union(&conflict.fields))
}

/// 409 for these conflicts.
pub(super) fn error(conflicts: &[Conflict], managers: &[Manager]) -> Error {
    let mut sorted: Vec<(&Manager, &Set)> =
        conflicts.iter().map(|conflict| (&managers[conflict.at], &conflict.fields)).collect();
    sorted.sort_by_key(|(manager, _)| manager.identity());
    let mut causes = Vec::new();
    let mut lines = Vec::new();
    for (manager, fields) in sorted {
        let name = named(manager);
        lines.push(format!("conflicts with {name}:"));
        fields.each(&mut |path| {
            let field: String = path.iter().map(Element::to_string).collect();
            lines.push(format!("- {field}"));
            causes.push(StatusCause {
                reason: "FieldManagerConflict".into(),
                message: format!("conflict with {name}"),
                field,
            });
        });
    }
    let message = match causes.as_slice() {
        [one] => format!("Apply failed with 1 conflict: {}: {}", one.message, one.field),
        several => format!("Apply failed with {} conflicts: {}", several.len(), lines.join("\n")),
    };
    Error::ApplyConflict { message, causes }
}

fn named(manager: &Manager) -> String {
    let mut text = format!("{:?}", manager.manager.as_str());
    if !manager.subresource.is_empty() {
        text.push_str(&format!(" with subresource {:?}", manager.subresource.as_str()));
    }
    if manager.operation == Operation::Update {
        text.push_str(&format!(" using {}", manager.api_version));
    }
    text
}
