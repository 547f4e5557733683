//! PriorityClass: a name for a priority. Keeps: value and preemption policy never change; the system's names and its
//! range of values stay the system's.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "scheduling.k8s.io",
        kind: "PriorityClass",
        plural: "priorityclasses",
        singular: "priorityclass",
        short: &["pc"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("scheduling.k8s.io", "v1", "io.k8s.api.scheduling.v1.PriorityClass")],
    columns: &[
        kind::NAME,
        column("Value", "integer", |it, _| value(it).into()),
        column("Global-Default", "boolean", |it, _| is_default(it).into()),
        kind::AGE,
        column("PreemptionPolicy", "string", |it, _| it.str("preemptionPolicy").into()),
    ],
    generation: Generation::When(|_, _| false),
    set_defaults: |class| {
        class.set_default("preemptionPolicy", "PreemptLowerPriority");
    },
    validate,
    validate_update,
    validate_request,
    ..Kind::DEFAULT
};

/// The highest priority of a class that is not the system's.
const USER_VALUE_MAX: i64 = 1_000_000_000;
/// The classes of the system and their values.
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

fn value(class: &Map) -> i64 {
    class.int("value").unwrap_or(0)
}

fn is_default(class: &Map) -> bool {
    class.bool("globalDefault").unwrap_or(false)
}

fn validate(class: &Map, errors: &mut FieldErrors) {
    let name = class.name();
    if name.starts_with("system-") {
        if let Some(fault) = system_fault(class) {
            let metadata = Path::new("metadata");
            errors.forbidden(
                &metadata.child("name"),
                format!("priority class names with 'system-' prefix are reserved for system use only. error: {fault}"),
            );
        }
    } else if value(class) > USER_VALUE_MAX {
        errors.forbidden(
            &Path::new("value"),
            format!("maximum allowed value of a user defined priority is {USER_VALUE_MAX}"),
        );
    }
}

/// What a class says of preemption is judged when it is made: it never changes.
fn validate_request(_: &Version, class: &Map, old: Option<&Map>, errors: &mut FieldErrors) {
    if old.is_some() {
        return;
    }
    let policy = class.str("preemptionPolicy");
    let path = Path::new("preemptionPolicy");
    match policy {
        "" if class.contains("preemptionPolicy") => errors.required(&path, ""),
        "" | "PreemptLowerPriority" | "Never" => {}
        _ => errors.not_supported(&path, policy, &["PreemptLowerPriority", "Never"]),
    }
}

/// Why a class with the system's prefix is not one of the system's.
fn system_fault(class: &Map) -> Option<String> {
    let name = class.name();
    let Some((_, expected)) = SYSTEM_CLASSES.iter().find(|(known, _)| *known == name) else {
        return Some(format!("{name} is not a known system priority class"));
    };
    if value(class) != *expected {
        Some(format!("value of {name} PriorityClass must be {expected}"))
    } else if is_default(class) {
        Some(format!("globalDefault of {name} PriorityClass must be false"))
    } else {
        None
    }
}

fn validate_update(class: &Map, old: &Map, errors: &mut FieldErrors) {
    if value(class) != value(old) {
        errors.forbidden(&Path::new("value"), "may not be changed in an update.");
    }
    let policy = |class: &Map| class.get("preemptionPolicy").cloned().unwrap_or(Node::Null);
    errors.immutable(&Path::new("preemptionPolicy"), Some(&policy(class)), Some(&policy(old)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_keeps_its_names_and_values() {
        let refusals = |name: &str, value: i64| {
            let class =
                Map::from([("metadata", Node::from(Map::from([("name", name)]))), ("value", value.into())]);
            let mut errors = FieldErrors::new();
            validate(&class, &mut errors);
            errors.iter().map(|error| error.field.clone()).collect::<Vec<_>>()
        };
        assert_eq!(refusals("high", USER_VALUE_MAX), Vec::<String>::new());
        assert_eq!(refusals("high", USER_VALUE_MAX + 1), ["value"]);
        assert_eq!(refusals("system-node-critical", 2_000_001_000), Vec::<String>::new());
        assert_eq!(refusals("system-node-critical", 1), ["metadata.name"]);
        assert_eq!(refusals("system-mine", 1), ["metadata.name"]);
    }
}
