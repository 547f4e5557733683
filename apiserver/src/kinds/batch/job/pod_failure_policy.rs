//! What a Job does about pods that fail. Keeps: each rule asks for exit codes or for conditions, not both.

use std::collections::HashSet;

use crate::field::{Cause, FieldErrors, Path};
use crate::names::{self, label};
use crate::tree::{Map, Node};

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const PATTERNS_MAX: usize = 20;

/// Reports what is wrong with the policy of a Job's spec.
pub(super) fn validate(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(policy) = spec.map("podFailurePolicy") else { return };
    let pod = spec.map_at(&["template", "spec"]);
    let policy_path = path.child("podFailurePolicy");
    let rules_path = policy_path.child("rules");
    let rules = policy.list("rules");
    if rules.len() > RULES_MAX {
        errors.too_many(&rules_path, rules.len(), RULES_MAX);
    }
    let containers: HashSet<&str> = pod
        .into_iter()
        .flat_map(|pod| pod.maps("containers").chain(pod.maps("initContainers")))
        .map(|container| container.str("name"))
        .collect();
    for (i, rule) in policy.maps("rules").enumerate() {
        let rule_path = rules_path.index(i);
        validate_action(spec, rule, &rule_path, errors);
        validate_requirements(rule, &containers, &rule_path, errors);
    }
}

fn validate_action(spec: &Map, rule: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("action");
    match rule.str("action") {
        "" => {
            errors.required(&path, "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]");
        }
        "FailIndex" if !spec.contains("backoffLimitPerIndex") => {
            errors.invalid(&path, "FailIndex", "requires the backoffLimitPerIndex to be set");
        }
        "Count" | "FailIndex" | "FailJob" | "Ignore" => {}
        action => errors.not_supported(&path, action, &["Count", "FailIndex", "FailJob", "Ignore"]),
    }
}

fn validate_requirements(rule: &Map, containers: &HashSet<&str>, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut unvalued = |detail| errors.add_without_value(Cause::Invalid, path, detail);
    let patterns = rule.list("onPodConditions");
    match (rule.map("onExitCodes"), patterns.is_empty()) {
        (Some(_), false) => unvalued("specifying both OnExitCodes and OnPodConditions is not supported"),
        (None, true) => unvalued("specifying one of OnExitCodes and OnPodConditions is required"),
        _ => {}
    }
    if let Some(requirement) = rule.map("onExitCodes") {
        validate_exit_codes(requirement, containers, &path.child("onExitCodes"), errors);
    }
    let patterns_path = path.child("onPodConditions");
    if patterns.len() > PATTERNS_MAX {
        errors.too_many(&patterns_path, patterns.len(), PATTERNS_MAX);
    }
    for (i, pattern) in rule.maps("onPodConditions").enumerate() {
        validate_pattern(pattern, &patterns_path.index(i), errors);
    }
}

fn validate_exit_codes(
    requirement: &Map,
    containers: &HashSet<&str>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let operator = requirement.str("operator");
    let operator_path = path.child("operator");
    match operator {
        "In" | "NotIn" => {}
        "" => errors.required(&operator_path, "valid values: [\"In\" \"NotIn\"]"),
        _ => errors.not_supported(&operator_path, operator, &["In", "NotIn"]),
    }
    if let Some(name) = requirement.get("containerName").and_then(Node::as_str)
        && !containers.contains(name)
    {
        errors.invalid(
            &path.child("containerName"),
            name,
            "must be one of the container or initContainer names in the pod template",
        );
    }
    validate_values(requirement, operator, &path.child("values"), errors);
}

fn validate_values(requirement: &Map, operator: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let values: Vec<i64> = requirement.list("values").iter().filter_map(Node::as_int).collect();
    let whole = || values.iter().copied().collect::<Node>();
    if values.is_empty() {
        errors.invalid(path, whole(), "at least one value is required");
    } else if values.len() > EXIT_CODES_MAX {
        errors.too_many(path, values.len(), EXIT_CODES_MAX);
    }
    let mut seen = HashSet::new();
    for (i, value) in values.iter().enumerate() {
        if *value == 0 && operator == "In" {
            errors.invalid(&path.index(i), *value, "must not be 0 for the In operator");
        }
        if !seen.insert(*value) {
            errors.duplicate(&path.index(i), *value);
        }
    }
    if !values.is_sorted() {
        errors.invalid(path, whole(), "must be ordered");
    }
}

fn validate_pattern(pattern: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let condition = pattern.str("type");
    names::report(errors, &path.child("type"), condition, label::key(condition));
    let status = pattern.str("status");
    match status {
        "False" | "True" | "Unknown" => {}
        "" => errors.required(&path.child("status"), "valid values: [\"False\" \"True\" \"Unknown\"]"),
        _ => errors.not_supported(&path.child("status"), status, &["False", "True", "Unknown"]),
    }
}
