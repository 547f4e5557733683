//! The spec of a Job, alone or as a CronJob's template. Keeps: what depends on the completion mode fits it.

use super::pod_failure_policy;
use crate::field::{FieldErrors, Path};
use crate::kinds::{count, selector, workload};
use crate::names::{self, dns};
use crate::tree::{Map, Node};

/// Indexes beyond which a Job must say how many may fail.
const COMPLETIONS_WITHOUT_LIMIT_MAX: i64 = 100_000;
const INDEXED_PARALLELISM_MAX: i64 = 100_000;
const MANAGED_BY_BYTES_MAX: usize = 63;
const SUCCESS_RULES_MAX: usize = 20;
const SUCCEEDED_INDEXES_BYTES_MAX: usize = 65_536;

/// Reports what is wrong with the spec of a Job.
pub(super) fn validate_of_job(spec: &Map, errors: &mut FieldErrors) {
    let path = Path::new("spec");
    validate(spec, &path, errors);
    match spec.map("selector") {
        Some(chosen) => selector::validate(Some(chosen), &path.child("selector"), errors),
        None => errors.required(&path.child("selector"), ""),
    }
    workload::validate_selected(spec, &path, errors);
}

/// Reports what is wrong with a spec whose selector is checked elsewhere.
pub(in crate::kinds) fn validate(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    count::non_negative(spec, &counts, path, errors);
    validate_managed_by(spec, path, errors);
    let mode = spec.get("completionMode").and_then(Node::as_str);
    match mode {
        None | Some("NonIndexed") => {}
        Some("Indexed") => validate_indexed(spec, path, errors),
        Some(mode) => errors.not_supported(&path.child("completionMode"), mode, &["NonIndexed", "Indexed"]),
    }
    if matches!(mode, None | Some("NonIndexed")) {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(value) = spec.int(field) {
                errors.invalid(&path.child(field), value, "requires indexed completion mode");
            }
        }
    }
    if spec.contains("maxFailedIndexes") && !spec.contains("backoffLimitPerIndex") {
        errors.required(&path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    pod_failure_policy::validate(spec, path, errors);
    validate_success_policy(spec, path, errors);
    validate_replacement(spec, path, errors);
    workload::validate_template(spec, path, errors);
    validate_restart_policy(spec, path, errors);
}

fn validate_managed_by(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(manager) = spec.get("managedBy").and_then(Node::as_str) else { return };
    let path = path.child("managedBy");
    match manager.split_once('/') {
        Some((domain, rest)) if !domain.is_empty() && !rest.is_empty() => {
            names::report(errors, &path, domain, dns::subdomain(domain));
        }
        _ if manager.is_empty() => errors.required(&path, ""),
        _ => errors.invalid(&path, manager, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
    if manager.len() > MANAGED_BY_BYTES_MAX {
        errors.too_long(&path, MANAGED_BY_BYTES_MAX);
    }
}

fn validate_indexed(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(completions) = spec.int("completions") else {
        errors.required(&path.child("completions"), "when completion mode is Indexed");
        return;
    };
    if let Some(parallelism) = spec.int("parallelism").filter(|it| *it > INDEXED_PARALLELISM_MAX) {
        errors.invalid(
            &path.child("parallelism"),
            parallelism,
            format!(
                "must be less than or equal to {INDEXED_PARALLELISM_MAX} when completion mode is Indexed"
            ),
        );
    }
    if !spec.contains("backoffLimitPerIndex") {
        return;
    }
    let limit_path = path.child("maxFailedIndexes");
    match spec.int("maxFailedIndexes") {
        Some(limit) if limit > completions => {
            errors.invalid(&limit_path, limit, "must be less than or equal to completions");
        }
        Some(limit) if completions > COMPLETIONS_WITHOUT_LIMIT_MAX && limit > 10_000 => errors.invalid(
            &limit_path,
            limit,
            "must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index",
        ),
        None if completions > COMPLETIONS_WITHOUT_LIMIT_MAX => {
            errors.required(&limit_path, "must be specified when completions is above 100000");
        }
        _ => {}
    }
}

fn validate_success_policy(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(policy) = spec.map("successPolicy") else { return };
    let path = path.child("successPolicy");
    if spec.str("completionMode") != "Indexed" {
        errors.invalid(&path, policy.clone(), "requires indexed completion mode");
        return;
    }
    let rules_path = path.child("rules");
    let rules = policy.list("rules");
    if rules.is_empty() {
        errors.required(
            &rules_path,
            "at least one rules must be specified when the successPolicy is specified",
        );
    }
    if rules.len() > SUCCESS_RULES_MAX {
        errors.too_many(&rules_path, rules.len(), SUCCESS_RULES_MAX);
    }
    let completions = spec.int("completions").unwrap_or(0);
    for (i, rule) in policy.maps("rules").enumerate() {
        validate_success_rule(rule, completions, &rules_path.index(i), errors);
    }
}

fn validate_success_rule(rule: &Map, completions: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    let needed = rule.int("succeededCount");
    let indexes = rule.get("succeededIndexes").and_then(Node::as_str);
    if needed.is_none() && indexes.is_none() {
        errors.required(path, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut listed = 0;
    if let Some(indexes) = indexes {
        let path = path.child("succeededIndexes");
        if indexes.len() > SUCCEEDED_INDEXES_BYTES_MAX {
            errors.too_long(&path, SUCCEEDED_INDEXES_BYTES_MAX);
        }
        match count_indexes(indexes, completions) {
            Ok(count) => listed = count,
            Err(cause) => errors.invalid(&path, indexes, format!("error parsing succeededIndexes: {cause}")),
        }
    }
    if let Some(needed) = needed {
        let path = path.child("succeededCount");
        if needed < 0 {
            errors.invalid(&path, needed, "must be greater than or equal to 0");
        }
        if needed > completions {
            errors.invalid(
                &path,
                needed,
                format!("must be less than or equal to {completions} (the number of specified completions)"),
            );
        }
        if indexes.is_some() && needed > listed {
            errors.invalid(
                &path,
                needed,
                format!("must be less than or equal to {listed} (the number of indexes in the specified succeededIndexes field)"),
            );
        }
    }
}

/// How many indexes a text as `1,3-5,7` names, each below `completions` and above the one before.
fn count_indexes(text: &str, completions: i64) -> Result<i64, String> {
    let mut last = -1;
    let mut total = 0;
    if text.is_empty() {
        return Ok(0);
    }
    for interval in text.split(',') {
        let (first, end) = interval.split_once('-').unwrap_or((interval, interval));
        let index = |text: &str| {
            text.parse::<i64>().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))
        };
        let (first, end) = (index(first)?, index(end)?);
        if let Some(large) = [first, end].into_iter().find(|index| *index >= completions) {
            return Err(format!("too large index: \"{large}\""));
        }
        if first <= last || end < first {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += end - first + 1;
        last = end;
    }
    Ok(total)
}

fn validate_replacement(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(policy) = spec.get("podReplacementPolicy").and_then(Node::as_str) else { return };
    let supported: &[&str] =
        if spec.contains("podFailurePolicy") { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    if !supported.contains(&policy) {
        errors.not_supported(&path.child("podReplacementPolicy"), policy, supported);
    }
}

fn validate_restart_policy(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let template = path.child("template");
    let pod = template.child("spec");
    let restart_path = pod.child("restartPolicy");
    match spec.map_at(&["template", "spec"]).map_or("", |pod| pod.str("restartPolicy")) {
        "OnFailure" if spec.contains("podFailurePolicy") => errors.invalid(
            &restart_path,
            "OnFailure",
            "only \"Never\" is supported when podFailurePolicy is specified",
        ),
        "OnFailure" | "Never" => {}
        // What a template means that says nothing.
        "" | "Always" => errors.required(&restart_path, "valid values: \"OnFailure\", \"Never\""),
        policy => errors.not_supported(&restart_path, policy, &["OnFailure", "Never"]),
    }
}
