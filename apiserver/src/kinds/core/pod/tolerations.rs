//! Tolerations of pods for taints of nodes.

use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::names::label;
use crate::tree::Map;

/// The effects of taints, in upstream's order.
pub(in crate::kinds) const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Reports what is wrong with the tolerations in the list `tolerations` of `owner`.
pub(in crate::kinds) fn validate(owner: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for (i, toleration) in owner.maps("tolerations").enumerate() {
        validate_one(toleration, &path.index(i), errors);
    }
}

fn validate_one(toleration: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let (key, operator, value, effect) = (
        toleration.str("key"),
        toleration.str("operator"),
        toleration.str("value"),
        toleration.str("effect"),
    );
    let operator_path = path.child("operator");
    if !key.is_empty() {
        rules::qualified_name(key, &path.child("key"), errors);
    } else if operator != "Exists" {
        let detail =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.invalid(&operator_path, operator, detail);
    }
    if toleration.contains("tolerationSeconds") && effect != "NoExecute" {
        let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.invalid(&path.child("effect"), effect, detail);
    }
    match operator {
        "" | "Equal" => {
            let faults = label::value(value);
            if !faults.is_empty() {
                errors.invalid(&operator_path, value, faults.join(";"));
            }
        }
        "Exists" if !value.is_empty() => {
            errors.invalid(&operator_path, value, "value must be empty when `operator` is 'Exists'");
        }
        "Exists" => {}
        "Lt" | "Gt" => {
            errors.not_supported_in_order(&operator_path, operator, &["Equal", "Exists", "Lt", "Gt"]);
        }
        _ => errors.not_supported_in_order(&operator_path, operator, &["Equal", "Exists"]),
    }
    if !effect.is_empty() && !EFFECTS.contains(&effect) {
        errors.not_supported_in_order(&path.child("effect"), effect, EFFECTS);
    }
}
