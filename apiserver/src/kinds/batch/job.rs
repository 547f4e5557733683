//! Job: pods that run to completion. Keeps: the selector is generated from the uid unless the user insists on one,
//! and never changes; neither does what a started Job is made of.

use crate::age;
use crate::field::{FieldErrors, Path};
use crate::kind::{
    self, Context, Dependents, FieldValue, Generation, Kind, Names, Scope, Selectable, Version, column,
};
use crate::kinds::core::pod::template::set_template_defaults;
use crate::kinds::workload;
use crate::names::dns;
use crate::time;
use crate::tree::{Map, Node};
use crate::warning::Warnings;

mod generated_selector;
mod pod_failure_policy;
pub(super) mod spec;
mod status;
mod update;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "batch",
        kind: "Job",
        plural: "jobs",
        singular: "job",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("batch", "v1", "io.k8s.api.batch.v1.Job")],
    categories: &["all"],
    subresources: &[kind::status(kind::keep_all_but_status, status::validate)],
    columns: &[
        kind::NAME,
        column("Status", "string", |it, _| phase(it).into()),
        column("Completions", "string", completions),
        column("Duration", "string", duration),
        kind::AGE,
        workload::CONTAINERS,
        workload::IMAGES,
        workload::SELECTOR,
    ],
    selectable: &[Selectable { name: "status.successful", value: FieldValue::Of(succeeded), indexed: false }],
    generation: Generation::Spec,
    dependents: Dependents::Orphaned(DELETE_WARNING),
    set_defaults,
    prepare_for_create,
    validate,
    validate_update: update::validate,
    validate_request,
    warnings,
    ..Kind::DEFAULT
};

const DELETE_WARNING: &str = "child pods are preserved by default when jobs are deleted; \
     set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

fn number(job: &Map, section: &str, field: &str) -> Option<i64> {
    job.map(section)?.int(field)
}

fn succeeded(job: &Map) -> ecow::EcoString {
    ecow::eco_format!("{}", number(job, "status", "succeeded").unwrap_or(0))
}

/// Whether a condition of the status is true.
fn is_true(job: &Map, condition: &str) -> bool {
    job.map("status").is_some_and(|status| {
        status.maps("conditions").any(|it| it.str("type") == condition && it.str("status") == "True")
    })
}

fn phase(job: &Map) -> &'static str {
    if is_true(job, "Complete") {
        "Complete"
    } else if is_true(job, "Failed") {
        "Failed"
    } else if job.at(&["metadata", "deletionTimestamp"]).is_some() {
        "Terminating"
    } else if is_true(job, "Suspended") {
        "Suspended"
    } else if is_true(job, "FailureTarget") {
        "FailureTarget"
    } else if is_true(job, "SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(job: &Map, _: i64) -> Node {
    let succeeded = number(job, "status", "succeeded").unwrap_or(0);
    match (number(job, "spec", "completions"), number(job, "spec", "parallelism").unwrap_or(0)) {
        (Some(completions), _) => format!("{succeeded}/{completions}").into(),
        (None, parallelism @ 2..) => format!("{succeeded}/1 of {parallelism}").into(),
        (None, _) => format!("{succeeded}/1").into(),
    }
}

fn duration(job: &Map, now: i64) -> Node {
    let seconds = |field: &str| time::seconds_of(job.str_at(&["status", field]));
    match seconds("startTime") {
        Some(start) => age::human_duration(seconds("completionTime").unwrap_or(now) - start).into(),
        None => "".into(),
    }
}

fn set_defaults(job: &mut Map) {
    let spec = job.map_mut("spec");
    if !spec.contains("completions") && !spec.contains("parallelism") {
        spec.set("completions", 1i64);
    }
    spec.set_default("parallelism", 1i64);
    let backoff_limit = if spec.contains("backoffLimitPerIndex") { i64::from(i32::MAX) } else { 6 };
    spec.set_default("backoffLimit", backoff_limit);
    spec.set_default("completionMode", "NonIndexed");
    spec.set_default("suspend", false);
    spec.set_default("manualSelector", false);
    set_failure_policy_defaults(spec);
    set_template_defaults(spec.map_mut("template"));
    set_label_defaults(job);
}

fn set_failure_policy_defaults(spec: &mut Map) {
    let policy = spec.existing_map_mut("podFailurePolicy");
    let replacement = if policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
    for rule in policy.and_then(|policy| policy.existing_list_mut("rules")).into_iter().flatten() {
        let patterns = rule.as_map_mut().and_then(|rule| rule.existing_list_mut("onPodConditions"));
        for pattern in patterns.into_iter().flatten().filter_map(Node::as_map_mut) {
            pattern.set_default("status", "True");
        }
    }
    spec.set_default("podReplacementPolicy", replacement);
}

/// A Job without labels has those of its template.
fn set_label_defaults(job: &mut Map) {
    let labels = job.map_at(&["spec", "template", "metadata", "labels"]).filter(|labels| !labels.is_empty());
    let has_labels = job.map_at(&["metadata", "labels"]).is_some_and(|labels| !labels.is_empty());
    if let (Some(labels), false) = (labels.cloned(), has_labels) {
        job.metadata_mut().set("labels", labels);
    }
}

fn prepare_for_create(job: &mut Map, context: &Context<'_>) {
    kind::clear_status(job, context);
    generated_selector::generate(job);
    set_label_defaults(job);
}

/// The selector never changes, so that of a stored Job was judged when it was made.
fn validate_request(_: &Version, job: &Map, old: Option<&Map>, errors: &mut FieldErrors) {
    if old.is_none() {
        generated_selector::validate(job, errors);
    }
}

fn validate(job: &Map, errors: &mut FieldErrors) {
    spec::validate_of_job(job.map("spec").unwrap_or(&Map::new()), errors);
    let completions = number(job, "spec", "completions").unwrap_or(0);
    if job.str_at(&["spec", "completionMode"]) == "Indexed" && completions > 0 {
        // The last pod's host name ends with its index.
        let hostname = format!("{}-{}", job.name(), completions - 1);
        if !dns::label(&hostname).is_empty() {
            errors.invalid(
                &Path::new("metadata").child("name"),
                job.name(),
                format!("will not able to create pod with invalid DNS label: {hostname}"),
            );
        }
    }
}

fn warnings(job: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    if old.is_none() {
        workload::warn_of_name(job, warnings);
    }
    let Some(spec) = job.map("spec") else { return };
    let (completions, parallelism) =
        (spec.int("completions").unwrap_or(0), spec.int("parallelism").unwrap_or(0));
    if spec.str("completionMode") == "Indexed" && completions > 100_000 && parallelism > 10_000 {
        warnings.push("spec.completions: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail".to_owned());
    }
}

#[cfg(test)]
mod tests;
