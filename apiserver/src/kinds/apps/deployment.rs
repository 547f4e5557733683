//! Deployment: replicated pods with rollouts. Keeps: the selector never changes and matches the template.

use super::replica_set;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::core::pod::template::set_template_defaults;
use crate::kinds::{count, workload};
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apps",
        kind: "Deployment",
        plural: "deployments",
        singular: "deployment",
        short: &["deploy"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("apps", "v1", "io.k8s.api.apps.v1.Deployment")],
    categories: &["all"],
    subresources: &[kind::scale(workload::scale_selector), kind::status(prepare_status, validate_status)],
    columns: &[
        kind::NAME,
        column("Ready", "string", ready),
        column("Up-to-date", "string", |it, _| workload::number_cell(it, &["status", "updatedReplicas"])),
        column("Available", "string", |it, _| workload::number_cell(it, &["status", "availableReplicas"])),
        kind::AGE,
        workload::CONTAINERS,
        workload::IMAGES,
        workload::SELECTOR,
    ],
    generation: Generation::When(counts_as_change),
    set_defaults,
    prepare_for_create: kind::clear_status,
    validate,
    validate_update,
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

/// `ready/desired` replicas.
pub(super) fn ready(object: &Map, _: i64) -> Node {
    let number = |path: &[&str]| object.at(path).and_then(Node::as_int).unwrap_or(0);
    format!("{}/{}", number(&["status", "readyReplicas"]), number(&["spec", "replicas"])).into()
}

/// Annotations count too: they are passed on to the ReplicaSets.
fn counts_as_change(deployment: &Map, old: &Map) -> bool {
    let annotations = ["metadata", "annotations"];
    deployment.get("spec") != old.get("spec") || deployment.at(&annotations) != old.at(&annotations)
}

fn set_defaults(deployment: &mut Map) {
    let spec = deployment.map_mut("spec");
    spec.set_default("replicas", 1i64);
    let strategy = spec.map_mut("strategy");
    strategy.set_default("type", "RollingUpdate");
    if strategy.str("type") == "RollingUpdate" {
        let rolling = strategy.map_mut("rollingUpdate");
        rolling.set_default("maxUnavailable", "25%");
        rolling.set_default("maxSurge", "25%");
    }
    spec.set_default("revisionHistoryLimit", 10i64);
    spec.set_default("progressDeadlineSeconds", 600i64);
    set_template_defaults(spec.map_mut("template"));
}

fn prepare_status(deployment: &mut Map, old: &Map, context: &Context<'_>) {
    kind::keep_all_but_status(deployment, old, context);
    kind::keep_metadata(deployment, old, &["labels"]);
}

fn validate(deployment: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = deployment.map("spec").unwrap_or(&empty);
    count::non_negative(spec, &["replicas"], &SPEC, errors);
    workload::validate_selector(spec, "deployment", replica_set::MALFORMED_SELECTOR, &SPEC, errors);
    replica_set::validate_template(spec, errors);
    validate_strategy(spec.map("strategy").unwrap_or(&empty), errors);
    count::non_negative(
        spec,
        &["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"],
        &SPEC,
        errors,
    );
    if let Some(deadline) = spec.int("progressDeadlineSeconds")
        && deadline <= spec.int("minReadySeconds").unwrap_or(0)
    {
        errors.invalid(
            &SPEC.child("progressDeadlineSeconds"),
            deadline,
            "must be greater than minReadySeconds",
        );
    }
}

fn validate_strategy(strategy: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("strategy");
    let rolling_path = path.child("rollingUpdate");
    let rolling = strategy.map("rollingUpdate");
    match (strategy.str("type"), rolling) {
        ("Recreate", Some(_)) => {
            errors.forbidden(&rolling_path, "may not be specified when strategy `type` is 'Recreate'");
        }
        ("Recreate", None) => {}
        ("RollingUpdate", Some(rolling)) => validate_rolling_update(rolling, &rolling_path, errors),
        ("RollingUpdate", None) => {
            errors.required(&rolling_path, "this should be defaulted and never be nil")
        }
        _ => errors.not_supported(&path, strategy.clone(), &["Recreate", "RollingUpdate"]),
    }
}

fn validate_rolling_update(rolling: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let unavailable_path = path.child("maxUnavailable");
    let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
    if let Some(unavailable) = unavailable {
        count::positive_or_percent(unavailable, &unavailable_path, errors);
    }
    if let Some(surge) = surge {
        count::positive_or_percent(surge, &path.child("maxSurge"), errors);
    }
    if count::number(unavailable) == 0 && count::number(surge) == 0 {
        let value = unavailable.cloned().unwrap_or_default();
        errors.invalid(&unavailable_path, value, "may not be 0 when `maxSurge` is 0");
    }
    if let Some(unavailable) = unavailable {
        count::at_most_all(unavailable, &unavailable_path, errors);
    }
}

fn validate_update(deployment: &Map, old: &Map, errors: &mut FieldErrors) {
    let selector = ["spec", "selector"];
    errors.immutable(&SPEC.child("selector"), deployment.at(&selector), old.at(&selector));
}

fn validate_status(deployment: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let bound = "cannot be greater than status.replicas";
    workload::validate_status_counts(
        deployment.map("status").unwrap_or(&empty),
        &[
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        ],
        &[
            ("updatedReplicas", "replicas", bound),
            ("readyReplicas", "replicas", bound),
            ("availableReplicas", "replicas", bound),
            ("availableReplicas", "readyReplicas", "cannot be greater than readyReplicas"),
        ],
        errors,
    );
    workload::validate_collisions(deployment, old, errors);
}

fn warnings(deployment: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    if old.is_none() {
        workload::warn_of_name(deployment, warnings);
    }
}

#[cfg(test)]
mod tests;
