//! HorizontalPodAutoscaler: replicas by metrics. Keeps: v1 is a view of v2 that loses nothing (annotations carry what
//! v1 has no field for), and those annotations never reach the store.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Conversion, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::{count, workload};
use crate::tree::{Map, Node};

mod metrics;
mod reference;
mod targets;
mod v1;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "autoscaling",
        kind: "HorizontalPodAutoscaler",
        plural: "horizontalpodautoscalers",
        singular: "horizontalpodautoscaler",
        short: &["hpa"],
        scope: Scope::Namespaced,
    },
    versions: &[
        Version::storage("autoscaling", "v2", "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler"),
        Version {
            group: "autoscaling",
            version: "v1",
            schema: "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
            storage: false,
            conversion: Some(Conversion { to_storage: v1::to_v2, from_storage: v1::from_v2 }),
        },
    ],
    categories: &["all"],
    subresources: &[kind::status(prepare_status, validate_status)],
    columns: &[
        kind::NAME,
        column("Reference", "string", reference),
        column("Targets", "string", targets::cell),
        column("MinPods", "string", min_pods),
        column("MaxPods", "string", |it, _| workload::number_cell(it, &["spec", "maxReplicas"])),
        column("Replicas", "string", |it, _| workload::number_cell(it, &["status", "currentReplicas"])),
        kind::AGE,
    ],
    generation: Generation::Spec,
    set_defaults,
    prepare_for_create,
    prepare_for_update: |it, _, _| v1::drop_annotations(it),
    validate_request: |_, autoscaler, old, errors| validate(autoscaler, old, errors),
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const DEFAULT_CPU_UTILIZATION: i64 = 80;
const PERIOD_SECONDS_MAX: i64 = 1800;
const STABILIZATION_SECONDS_MAX: i64 = 3600;

fn reference(autoscaler: &Map, _: i64) -> Node {
    let text = |field| autoscaler.str_at(&["spec", "scaleTargetRef", field]);
    format!("{}/{}", text("kind"), text("name")).into()
}

fn min_pods(autoscaler: &Map, _: i64) -> Node {
    autoscaler.at(&["spec", "minReplicas"]).map_or("<unset>".into(), |min| min.to_string().into())
}

fn set_defaults(autoscaler: &mut Map) {
    let spec = autoscaler.map_mut("spec");
    spec.set_default("minReplicas", 1i64);
    if spec.list("metrics").is_empty() {
        spec.set(
            "metrics",
            [metrics::cpu_utilization(DEFAULT_CPU_UTILIZATION)].into_iter().collect::<Node>(),
        );
    }
    if let Some(behavior) = spec.existing_map_mut("behavior") {
        let up = behavior.map_mut("scaleUp");
        up.set_default("stabilizationWindowSeconds", 0i64);
        set_rule_defaults(up, &[("Pods", 4, 15), ("Percent", 100, 15)]);
        set_rule_defaults(behavior.map_mut("scaleDown"), &[("Percent", 100, 15)]);
    }
}

fn set_rule_defaults(rules: &mut Map, policies: &[(&str, i64, i64)]) {
    rules.set_default("selectPolicy", "Max");
    if rules.list("policies").is_empty() {
        let policy = |(kind, value, seconds): &(&str, i64, i64)| {
            Map::from([
                ("type", Node::from(*kind)),
                ("value", (*value).into()),
                ("periodSeconds", (*seconds).into()),
            ])
        };
        rules.set("policies", policies.iter().map(policy).collect::<Node>());
    }
}

fn prepare_for_create(autoscaler: &mut Map, context: &Context<'_>) {
    kind::clear_status(autoscaler, context);
    v1::drop_annotations(autoscaler);
}

fn prepare_status(autoscaler: &mut Map, old: &Map, context: &Context<'_>) {
    kind::keep_all_but_status(autoscaler, old, context);
    v1::drop_annotations(autoscaler);
}

fn validate(autoscaler: &Map, old: Option<&Map>, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = autoscaler.map("spec").unwrap_or(&empty);
    let old_spec = old.and_then(|old| old.map("spec"));
    let (min, max) = (spec.int("minReplicas"), spec.int("maxReplicas").unwrap_or(0));
    if min.is_some_and(|min| max < min) {
        errors.invalid(&SPEC.child("maxReplicas"), max, "must be greater than or equal to `minReplicas`");
    }
    reference::validate_target(spec, old_spec, &SPEC.child("scaleTargetRef"), errors);
    let path = SPEC.child("metrics");
    let version_matters = !old_spec.is_some_and(metrics::has_broken_version);
    for (i, metric) in spec.maps("metrics").enumerate() {
        metrics::validate(metric, version_matters, &path.index(i), errors);
    }
    let is_outside = |metric: &Map| matches!(metric.str("type"), "Object" | "External");
    if min == Some(0) && !spec.maps("metrics").any(is_outside) {
        let detail =
            "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.forbidden(&path, detail);
    }
    validate_behavior(spec, errors);
    count::non_negative(spec, &["minReplicas"], &SPEC, errors);
    match max {
        0 => errors.required(&SPEC.child("maxReplicas"), ""),
        ..0 => errors.invalid(&SPEC.child("maxReplicas"), max, "must be greater than or equal to 1"),
        _ => {}
    }
}

fn validate_behavior(spec: &Map, errors: &mut FieldErrors) {
    if let Some(behavior) = spec.map("behavior") {
        let path = SPEC.child("behavior");
        for direction in ["scaleUp", "scaleDown"] {
            if let Some(rules) = behavior.map(direction) {
                validate_rules(rules, &path.child(direction), errors);
            }
        }
    }
}

fn validate_rules(rules: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let window_path = path.child("stabilizationWindowSeconds");
    match rules.int("stabilizationWindowSeconds") {
        Some(window) if window < 0 => {
            errors.invalid(&window_path, window, "must be greater than or equal to zero");
        }
        Some(window) if window > STABILIZATION_SECONDS_MAX => {
            errors.invalid(
                &window_path,
                window,
                format!("must be less than or equal to {STABILIZATION_SECONDS_MAX}"),
            );
        }
        _ => {}
    }
    let select = rules.str("selectPolicy");
    if rules.contains("selectPolicy") && !matches!(select, "Max" | "Min" | "Disabled") {
        errors.not_supported(&path.child("selectPolicy"), select, &["Disabled", "Max", "Min"]);
    }
    let policies_path = path.child("policies");
    if rules.list("policies").is_empty() {
        errors.required(&policies_path, "must specify at least one Policy");
    }
    for (i, policy) in rules.maps("policies").enumerate() {
        let path = policies_path.index(i);
        let kind = policy.str("type");
        if !matches!(kind, "Pods" | "Percent") {
            errors.not_supported(&path.child("type"), kind, &["Percent", "Pods"]);
        }
        for field in ["value", "periodSeconds"] {
            let value = policy.int(field).unwrap_or(0);
            if value <= 0 {
                errors.invalid(&path.child(field), value, "must be greater than zero");
            }
        }
        if let Some(period) = policy.int("periodSeconds").filter(|period| *period > PERIOD_SECONDS_MAX) {
            let detail = format!("must be less than or equal to {PERIOD_SECONDS_MAX}");
            errors.invalid(&path.child("periodSeconds"), period, detail);
        }
    }
}

fn validate_status(autoscaler: &Map, _: &Map, errors: &mut FieldErrors) {
    if let Some(status) = autoscaler.map("status") {
        let path = Path::new("status");
        let path = path.child("conditions");
        for (i, condition) in status.maps("conditions").enumerate() {
            count::non_negative(condition, &["observedGeneration"], &path.index(i), errors);
        }
        count::non_negative(status, &["currentReplicas", "desiredReplicas"], &Path::new("status"), errors);
    }
}

#[cfg(test)]
mod tests;
