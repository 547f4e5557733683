//! What may change in a Job. Keeps: a Job that has started runs the pods it was made with.

use crate::field::{FieldErrors, Path};
use crate::tree::{Map, Node};

/// Reports what may not change from `old`.
pub(super) fn validate(job: &Map, old: &Map, errors: &mut FieldErrors) {
    let path = Path::new("spec");
    let empty = Map::new();
    let (spec, old_spec) = (job.map("spec").unwrap_or(&empty), old.map("spec").unwrap_or(&empty));
    validate_completions(spec, old_spec, &path.child("completions"), errors);
    errors.immutable(&path.child("selector"), spec.get("selector"), old_spec.get("selector"));
    validate_template(job, old, &path.child("template"), errors);
    for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        errors.immutable(&path.child(field), spec.get(field), old_spec.get(field));
    }
}

/// Completions of an indexed Job may change, together with its parallelism.
fn validate_completions(spec: &Map, old: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let (completions, before) = (spec.int("completions"), old.int("completions"));
    if spec.str("completionMode") != "Indexed" {
        errors.immutable(path, spec.get("completions"), old.get("completions"));
        return;
    }
    if let Some(completions) = completions.filter(|now| Some(*now) != before)
        && spec.int("parallelism") != Some(completions)
    {
        errors.invalid(path, completions, "can only be modified in tandem with spec.parallelism");
    }
}

/// The pods of a Job that is suspended and has none may still be told where to run and with what resources.
fn validate_template(job: &Map, old: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let template = |object: &Map| object.map_at(&["spec", "template"]).cloned().unwrap_or_default();
    let (mut now, mut before) = (template(job), template(old));
    if old.at(&["spec", "suspend"]).and_then(Node::as_bool) != Some(true) || !has_no_pods(old) {
        errors.immutable(path, Some(&now.into()), Some(&before.into()));
        return;
    }
    let shown = now.get("spec").cloned().unwrap_or_default();
    forget_scheduling(&mut now);
    forget_scheduling(&mut before);
    if now.get("spec") != before.get("spec") {
        errors.invalid(&path.child("spec"), shown, "field is immutable");
    }
}

/// Whether a suspended Job was never started, or has been stopped altogether.
fn has_no_pods(job: &Map) -> bool {
    let status = job.map("status");
    let started = status.is_some_and(|status| status.contains("startTime"));
    let active = status.and_then(|status| status.int("active")).unwrap_or(0);
    (!started || super::is_true(job, "Suspended")) && active == 0
}

fn forget_scheduling(template: &mut Map) {
    let Some(pod) = template.existing_map_mut("spec") else { return };
    for field in ["nodeSelector", "tolerations", "schedulingGates"] {
        pod.remove(field);
    }
    if let Some(affinity) = pod.existing_map_mut("affinity") {
        affinity.remove("nodeAffinity");
        if affinity.is_empty() {
            pod.remove("affinity");
        }
    }
    for field in ["containers", "initContainers"] {
        for container in pod.existing_list_mut(field).into_iter().flatten().filter_map(Node::as_map_mut) {
            container.remove("resources");
        }
    }
}
