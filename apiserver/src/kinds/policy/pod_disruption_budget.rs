//! PodDisruptionBudget: how many pods may be away at once. Keeps: only one of its two limits is set.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, NameRule, Names, Scope, Version, column};
use crate::kinds::{count, selector, workload};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "policy",
        kind: "PodDisruptionBudget",
        plural: "poddisruptionbudgets",
        singular: "poddisruptionbudget",
        short: &["pdb"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("policy", "v1", "io.k8s.api.policy.v1.PodDisruptionBudget")],
    subresources: &[kind::status(kind::keep_all_but_status, validate_status)],
    columns: &[
        kind::NAME,
        column("Min Available", "string", |it, _| limit(it, "minAvailable")),
        column("Max Unavailable", "string", |it, _| limit(it, "maxUnavailable")),
        column("Allowed Disruptions", "integer", |it, _| {
            workload::number_cell(it, &["status", "disruptionsAllowed"])
        }),
        kind::AGE,
    ],
    // Upstream forgets to judge the name.
    name_rule: NameRule::PathSegment,
    generation: Generation::Spec,
    unconditional_update: false,
    prepare_for_create: kind::clear_status,
    validate,
    ..Kind::DEFAULT
};

fn limit(budget: &Map, field: &str) -> Node {
    match budget.at(&["spec", field]) {
        Some(Node::Int(number)) => number.to_string().into(),
        Some(percentage) => percentage.clone(),
        None => "N/A".into(),
    }
}

fn validate(budget: &Map, errors: &mut FieldErrors) {
    let Some(spec) = budget.map("spec") else { return };
    let path = Path::new("spec");
    if spec.contains("minAvailable") && spec.contains("maxUnavailable") {
        errors.invalid(&path, spec.clone(), "minAvailable and maxUnavailable cannot be both set");
    }
    for field in ["minAvailable", "maxUnavailable"] {
        if let Some(value) = spec.get(field) {
            count::positive_or_percent(value, &path.child(field), errors);
            count::at_most_all(value, &path.child(field), errors);
        }
    }
    selector::validate(spec.map("selector"), &path.child("selector"), errors);
    let policy = spec.str("unhealthyPodEvictionPolicy");
    if spec.contains("unhealthyPodEvictionPolicy") && !matches!(policy, "AlwaysAllow" | "IfHealthyBudget") {
        let supported = &["AlwaysAllow", "IfHealthyBudget"];
        errors.not_supported(&path.child("unhealthyPodEvictionPolicy"), policy, supported);
    }
}

fn validate_status(budget: &Map, _: &Map, errors: &mut FieldErrors) {
    if let Some(status) = budget.map("status") {
        let counters = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
        count::non_negative(status, &counters, &Path::new("status"), errors);
    }
}
