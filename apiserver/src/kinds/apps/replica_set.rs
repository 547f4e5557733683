//! ReplicaSet: a number of equal pods. Keeps: the selector never changes and matches the template.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::core::pod::template::set_template_defaults;
use crate::kinds::{count, selector, workload};
use crate::tree::Map;
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apps",
        kind: "ReplicaSet",
        plural: "replicasets",
        singular: "replicaset",
        short: &["rs"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("apps", "v1", "io.k8s.api.apps.v1.ReplicaSet")],
    categories: &["all"],
    subresources: &[
        kind::scale(workload::scale_selector),
        kind::status(kind::keep_all_but_status, validate_status),
    ],
    columns: &[
        kind::NAME,
        column("Desired", "integer", |it, _| workload::number_cell(it, &["spec", "replicas"])),
        column("Current", "integer", |it, _| workload::number_cell(it, &["status", "replicas"])),
        column("Ready", "integer", |it, _| workload::number_cell(it, &["status", "readyReplicas"])),
        kind::AGE,
        workload::CONTAINERS,
        workload::IMAGES,
        workload::SELECTOR,
    ],
    generation: Generation::Spec,
    set_defaults,
    prepare_for_create: kind::clear_status,
    validate,
    validate_update,
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
pub(super) const MALFORMED_SELECTOR: &str = "invalid label selector";

fn set_defaults(set: &mut Map) {
    let spec = set.map_mut("spec");
    spec.set_default("replicas", 1i64);
    set_template_defaults(spec.map_mut("template"));
}

fn validate(set: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = set.map("spec").unwrap_or(&empty);
    count::non_negative(spec, &["replicas", "minReadySeconds"], &SPEC, errors);
    // Upstream says "deployment" here too.
    workload::validate_selector(spec, "deployment", MALFORMED_SELECTOR, &SPEC, errors);
    validate_template(spec, errors);
}

/// The template of a ReplicaSet or of a Deployment, which makes ReplicaSets.
pub(super) fn validate_template(spec: &Map, errors: &mut FieldErrors) {
    // Without terms nothing can be said of the labels: an empty selector was reported, an absent one matches nothing.
    if spec.map("selector").is_none() || !selector::is_empty(spec.map("selector")) {
        workload::validate_selected(spec, &SPEC, errors);
    }
    workload::validate_template(spec, &SPEC, errors);
    workload::validate_runs_for_ever(spec, "ReplicaSet", &SPEC, errors);
}

fn validate_update(set: &Map, old: &Map, errors: &mut FieldErrors) {
    let selector = ["spec", "selector"];
    errors.immutable(&SPEC.child("selector"), set.at(&selector), old.at(&selector));
}

fn validate_status(set: &Map, _: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let bound = "cannot be greater than status.replicas";
    workload::validate_status_counts(
        set.map("status").unwrap_or(&empty),
        &[
            "replicas",
            "fullyLabeledReplicas",
            "readyReplicas",
            "availableReplicas",
            "terminatingReplicas",
            "observedGeneration",
        ],
        &[
            ("fullyLabeledReplicas", "replicas", bound),
            ("readyReplicas", "replicas", bound),
            ("availableReplicas", "replicas", bound),
            ("availableReplicas", "readyReplicas", "cannot be greater than readyReplicas"),
        ],
        errors,
    );
}

fn warnings(set: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    if old.is_none() {
        workload::warn_of_name(set, warnings);
    }
}
