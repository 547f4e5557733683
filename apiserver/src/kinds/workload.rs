//! What kinds with a pod template have in common: columns about it, and the checks of its place in a workload.

use crate::field::{FieldErrors, Path};
use crate::kind::{Column, wide};
use crate::kinds::core::pod::template;
use crate::kinds::{count, selector};
use crate::names::dns;
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// Names of the containers of `spec.template`.
pub(in crate::kinds) const CONTAINERS: Column =
    wide("Containers", "string", |object, _| containers(object.map_at(&["spec", "template"])));

/// Images of the containers of `spec.template`.
pub(in crate::kinds) const IMAGES: Column =
    wide("Images", "string", |object, _| images(object.map_at(&["spec", "template"])));

/// `spec.selector`, a label selector.
pub(in crate::kinds) const SELECTOR: Column =
    wide("Selector", "string", |object, _| selector::cell(object.map_at(&["spec", "selector"])));

/// The names of a template's containers, joined by commas.
pub(in crate::kinds) fn containers(template: Option<&Map>) -> Node {
    of_containers(template, "name")
}

/// The images of a template's containers, joined by commas.
pub(in crate::kinds) fn images(template: Option<&Map>) -> Node {
    of_containers(template, "image")
}

fn of_containers(template: Option<&Map>, field: &str) -> Node {
    let containers = template
        .and_then(|template| template.map("spec"))
        .into_iter()
        .flat_map(|spec| spec.maps("containers"));
    containers.map(|container| container.str(field)).collect::<Vec<_>>().join(",").into()
}

/// The text for `status.selector` of a Scale, from `spec.selector`.
pub(in crate::kinds) fn scale_selector(object: &Map) -> ecow::EcoString {
    selector::text(object.map_at(&["spec", "selector"])).into()
}

/// An integer of a section of the object as a cell; absent counts as 0.
pub(in crate::kinds) fn number_cell(object: &Map, path: &[&str]) -> Node {
    Node::Int(object.at(path).and_then(Node::as_int).unwrap_or(0))
}

/// Reports an absent or empty selector, or a malformed one, of which `malformed` is said as well.
pub(in crate::kinds) fn validate_selector(
    spec: &Map,
    kind: &str,
    malformed: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let path = path.child("selector");
    let Some(selector) = spec.map("selector") else {
        errors.required(&path, "");
        return;
    };
    selector::validate(Some(selector), &path, errors);
    if selector::is_empty(Some(selector)) {
        errors.invalid(&path, selector.clone(), format!("empty selector is invalid for {kind}"));
    }
    if !selector::is_valid(Some(selector)) {
        errors.invalid(&path, selector.clone(), malformed);
    }
}

/// Reports a template whose labels the selector does not match. A malformed selector says nothing of them.
pub(in crate::kinds) fn validate_selected(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if !selector::is_valid(spec.map("selector")) {
        return;
    }
    let labels = spec.map_at(&["template", "metadata", "labels"]);
    if !selector::matches(spec.map("selector"), labels) {
        let template = path.child("template");
        let metadata = template.child("metadata");
        errors.invalid(
            &metadata.child("labels"),
            labels.map_or(Node::Null, |labels| labels.clone().into()),
            "`selector` does not match template `labels`",
        );
    }
}

/// Reports a template that does not run for ever, as these workloads need.
pub(in crate::kinds) fn validate_runs_for_ever(
    spec: &Map,
    kind: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let template = path.child("template");
    let pod_path = template.child("spec");
    let pod = spec.map_at(&["template", "spec"]);
    let policy = pod.map_or("", |pod| pod.str("restartPolicy"));
    if policy != "Always" {
        errors.not_supported(&pod_path.child("restartPolicy"), policy, &["Always"]);
    }
    if pod.is_some_and(|pod| pod.contains("activeDeadlineSeconds")) {
        errors.forbidden(
            &pod_path.child("activeDeadlineSeconds"),
            format!("activeDeadlineSeconds in {kind} is not Supported"),
        );
    }
}

/// Reports counters of `status` that are negative or greater than the counter that bounds them.
pub(in crate::kinds) fn validate_status_counts(
    status: &Map,
    counters: &[&str],
    bounds: &[(&str, &str, &str)],
    errors: &mut FieldErrors,
) {
    let path = Path::new("status");
    count::non_negative(status, counters, &path, errors);
    for (counter, bound, detail) in bounds {
        let value = status.int(counter).unwrap_or(0);
        if value > status.int(bound).unwrap_or(0) {
            errors.invalid(&path.child(counter), value, detail);
        }
    }
}

/// Reports a `status.collisionCount` that has become smaller.
pub(in crate::kinds) fn validate_collisions(object: &Map, old: &Map, errors: &mut FieldErrors) {
    let collisions = |object: &Map| object.at(&["status", "collisionCount"]).and_then(Node::as_int);
    let Some(before) = collisions(old) else { return };
    let now = collisions(object).unwrap_or(0);
    if now < before {
        errors.invalid(&Path::new("status").child("collisionCount"), now, "cannot be decremented");
    }
}

/// Warns that pods will be named after the object, which works best with a DNS label.
pub(in crate::kinds) fn warn_of_name(object: &Map, warnings: &mut Warnings) {
    let faults = dns::label(object.name());
    if !faults.is_empty() {
        warnings.push(format!(
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{}]",
            faults.join(" ")
        ));
    }
}

/// Reports what is wrong with `template` of a spec.
pub(in crate::kinds) fn validate_template(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let empty = Map::new();
    template::validate_template(spec.map("template").unwrap_or(&empty), &path.child("template"), errors);
}
