//! Topology spread constraints of pods.

use std::collections::HashMap;

use super::affinity;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::kinds::selector;
use crate::tree::Map;

/// Reports what is wrong with a pod's `topologySpreadConstraints`.
pub(super) fn validate(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let constraints = || spec.maps("topologySpreadConstraints");
    // The earlier of two is the one to be told of.
    let last: HashMap<(&str, &str), usize> =
        constraints().enumerate().map(|(i, constraint)| (identity(constraint), i)).collect();
    for (i, constraint) in constraints().enumerate() {
        let path = path.index(i);
        validate_one(constraint, &path, errors);
        let (key, action) = identity(constraint);
        if last[&(key, action)] > i {
            let path = path.child("{topologyKey, whenUnsatisfiable}");
            errors.duplicate(&path, format!("{{{key}, {action}}}"));
        }
    }
}

fn identity(constraint: &Map) -> (&str, &str) {
    (constraint.str("topologyKey"), constraint.str("whenUnsatisfiable"))
}

fn validate_one(constraint: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let skew = constraint.int("maxSkew").unwrap_or(0);
    if skew <= 0 {
        errors.invalid(&path.child("maxSkew"), skew, "must be greater than zero");
    }
    if constraint.str("topologyKey").is_empty() {
        errors.required(&path.child("topologyKey"), "can not be empty");
    }
    let action = constraint.str("whenUnsatisfiable");
    if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
        errors.not_supported(&path.child("whenUnsatisfiable"), action, &["DoNotSchedule", "ScheduleAnyway"]);
    }
    if let Some(domains) = constraint.int("minDomains") {
        let path = path.child("minDomains");
        if domains <= 0 {
            errors.invalid(&path, domains, "must be greater than zero");
        }
        if action != "DoNotSchedule" {
            let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
            errors.invalid(&path, domains, detail);
        }
    }
    for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        rules::choice(constraint, field, &["Honor", "Ignore"], path, errors);
    }
    affinity::validate_label_keys(constraint, path, errors);
    selector::validate(constraint.map("labelSelector"), &path.child("labelSelector"), errors);
}
