//! DaemonSet: one pod per matching node. Keeps: the selector never changes and matches the template; every change of
//! the template counts in the annotation `deprecated.daemonset.template.generation`, which clients cannot set back.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::core::pod::template::set_template_defaults;
use crate::kinds::{count, selector, workload};
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apps",
        kind: "DaemonSet",
        plural: "daemonsets",
        singular: "daemonset",
        short: &["ds"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("apps", "v1", "io.k8s.api.apps.v1.DaemonSet")],
    categories: &["all"],
    subresources: &[kind::status(prepare_status, validate_status)],
    columns: &[
        kind::NAME,
        column("Desired", "integer", |it, _| {
            workload::number_cell(it, &["status", "desiredNumberScheduled"])
        }),
        column("Current", "integer", |it, _| {
            workload::number_cell(it, &["status", "currentNumberScheduled"])
        }),
        column("Ready", "integer", |it, _| workload::number_cell(it, &["status", "numberReady"])),
        column("Up-to-date", "integer", |it, _| {
            workload::number_cell(it, &["status", "updatedNumberScheduled"])
        }),
        column("Available", "integer", |it, _| workload::number_cell(it, &["status", "numberAvailable"])),
        column("Node Selector", "string", |it, _| {
            selector::labels_cell(it.map_at(&["spec", "template", "spec", "nodeSelector"]))
        }),
        kind::AGE,
        workload::CONTAINERS,
        workload::IMAGES,
        workload::SELECTOR,
    ],
    generation: Generation::Spec,
    set_defaults,
    prepare_for_create,
    prepare_for_update,
    validate,
    validate_update,
    changes_first: true,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn set_defaults(set: &mut Map) {
    let spec = set.map_mut("spec");
    let strategy = spec.map_mut("updateStrategy");
    strategy.set_default("type", "RollingUpdate");
    if strategy.str("type") == "RollingUpdate" {
        let rolling = strategy.map_mut("rollingUpdate");
        rolling.set_default("maxUnavailable", 1i64);
        rolling.set_default("maxSurge", 0i64);
    }
    spec.set_default("revisionHistoryLimit", 10i64);
    set_template_defaults(spec.map_mut("template"));
    // Whoever writes the set owns the annotation, whatever its value will be.
    if set.annotation(TEMPLATE_GENERATION).is_none() {
        set_template_generation(set, 0);
    }
}

fn template_generation(set: &Map) -> i64 {
    set.annotation(TEMPLATE_GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn set_template_generation(set: &mut Map, generation: i64) {
    set.metadata_mut().map_mut("annotations").set(TEMPLATE_GENERATION, generation.to_string());
}

fn prepare_for_create(set: &mut Map, context: &Context<'_>) {
    kind::clear_status(set, context);
    let generation = template_generation(set).max(1);
    set_template_generation(set, generation);
}

fn prepare_for_update(set: &mut Map, old: &Map, _: &Context<'_>) {
    let template = ["spec", "template"];
    let changed = set.at(&template) != old.at(&template);
    set_template_generation(set, template_generation(old) + i64::from(changed));
}

fn prepare_status(set: &mut Map, old: &Map, context: &Context<'_>) {
    kind::keep_all_but_status(set, old, context);
    set_template_generation(set, template_generation(old));
}

fn validate(set: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = set.map("spec").unwrap_or(&empty);
    selector::validate(spec.map("selector"), &SPEC.child("selector"), errors);
    workload::validate_selected(spec, &SPEC, errors);
    if let Some(selector) = spec.map("selector").filter(|selector| selector::is_empty(Some(selector))) {
        errors.invalid(&SPEC.child("selector"), selector.clone(), "empty selector is invalid for daemonset");
    }
    workload::validate_template(spec, &SPEC, errors);
    workload::validate_runs_for_ever(spec, "DaemonSet", &SPEC, errors);
    count::non_negative(spec, &["minReadySeconds"], &SPEC, errors);
    validate_strategy(spec.map("updateStrategy").unwrap_or(&empty), errors);
    count::non_negative(spec, &["revisionHistoryLimit"], &SPEC, errors);
}

fn validate_strategy(strategy: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("updateStrategy");
    match (strategy.str("type"), strategy.map("rollingUpdate")) {
        ("OnDelete", _) => {}
        ("RollingUpdate", Some(rolling)) => {
            validate_rolling_update(rolling, &path.child("rollingUpdate"), errors);
        }
        ("RollingUpdate", None) => errors.required(&path.child("rollingUpdate"), ""),
        _ => errors.not_supported(&path, strategy.clone(), &["RollingUpdate", "OnDelete"]),
    }
}

fn validate_rolling_update(rolling: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
    for check in [count::positive_or_percent, count::at_most_all] {
        for (field, value) in [("maxUnavailable", unavailable), ("maxSurge", surge)] {
            if let Some(value) = value {
                check(value, &path.child(field), errors);
            }
        }
    }
    match (count::number(unavailable) != 0, count::number(surge) != 0) {
        (true, true) => errors.invalid(
            &path.child("maxSurge"),
            surge.cloned().unwrap_or_default(),
            "may not be set when maxUnavailable is non-zero",
        ),
        (false, false) => {
            errors.required(&path.child("maxUnavailable"), "cannot be 0 when maxSurge is 0");
        }
        _ => {}
    }
}

fn validate_update(set: &Map, old: &Map, errors: &mut FieldErrors) {
    let selector = ["spec", "selector"];
    errors.immutable(&SPEC.child("selector"), set.at(&selector), old.at(&selector));
}

fn validate_status(set: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    workload::validate_status_counts(
        set.map("status").unwrap_or(&empty),
        &[
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ],
        &[],
        errors,
    );
    workload::validate_collisions(set, old, errors);
}
