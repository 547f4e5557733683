//! What an autoscaler looks at. Keeps: a metric is of one type, and has a target of that type.

use super::reference;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::pod::resources;
use crate::kinds::core::rules;
use crate::quantity::Quantity;
use crate::tree::{Map, Node};

/// Types of metrics and the field that holds each, by type.
pub(super) const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

/// The metric that an autoscaler has that names none.
pub(super) fn cpu_utilization(percent: i64) -> Map {
    let target = Map::from([("type", Node::from("Utilization")), ("averageUtilization", percent.into())]);
    let resource = Map::from([("name", Node::from("cpu")), ("target", target.into())]);
    Map::from([("type", Node::from("Resource")), ("resource", resource.into())])
}

/// Whether a metric of a spec is about an object of no readable version, which then is nobody's new mistake.
pub(super) fn has_broken_version(spec: &Map) -> bool {
    let objects = spec.maps("metrics").filter(|metric| metric.str("type") == "Object");
    let mut described = objects.filter_map(|metric| metric.map_at(&["object", "describedObject"]));
    described.any(|object| reference::group(object.str("apiVersion")).is_err())
}

/// Reports what is wrong with a metric; `version_matters` says whether with the version of the object it is about, too.
pub(super) fn validate(metric: &Map, version_matters: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = metric.str("type");
    let supported = SOURCES.map(|(name, _)| name);
    let expected = SOURCES.iter().find(|(name, _)| *name == kind).map(|(_, field)| *field);
    if kind.is_empty() {
        errors.required(&path.child("type"), "must specify a metric source type");
    }
    if expected.is_none() {
        errors.not_supported(&path.child("type"), kind, &supported);
    }
    let present: Vec<(&str, &Map)> =
        SOURCES.iter().filter_map(|(_, field)| Some((*field, metric.map(field)?))).collect();
    if let Some((field, source)) = present.first() {
        validate_source(field, source, version_matters, &path.child(field), errors);
    }
    if let Some(expected) = expected.filter(|expected| !metric.contains(expected)) {
        errors.required(&path.child(expected), "must populate information for the given metric source");
    }
    if present.len() > 1 {
        for (field, _) in present.iter().filter(|(field, _)| Some(*field) != expected) {
            errors.forbidden(&path.child(field), "must populate the given metric source only");
        }
    }
}

fn validate_source(
    field: &str,
    source: &Map,
    version_matters: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let empty = Map::new();
    let target = source.map("target").unwrap_or(&empty);
    match field {
        "object" => {
            let described = source.map("describedObject").unwrap_or(&empty);
            let path_of_described = path.child("describedObject");
            reference::validate(described, &path_of_described, errors);
            if version_matters {
                reference::validate_version(described, true, &path_of_described, errors);
            }
            validate_identifier(source, path, errors);
        }
        "external" | "pods" => validate_identifier(source, path, errors),
        "containerResource" => {
            validate_resource_name(source, path, errors);
            let name = source.str("name");
            if !name.is_empty() {
                resources::container_name(name, &path.child("name"), errors);
            }
            let container = source.str("container");
            if container.is_empty() {
                errors.required(&path.child("container"), "must specify a container");
            } else {
                rules::dns_label(container, &path.child("container"), errors);
            }
        }
        _ => validate_resource_name(source, path, errors),
    }
    let path = path.child("target");
    validate_target(target, &path, errors);
    validate_choice(field, target, &path, errors);
}

fn validate_resource_name(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.str("name").is_empty() {
        errors.required(&path.child("name"), "must specify a resource name");
    }
}

fn validate_identifier(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("metric");
    let path = path.child("name");
    match source.str_at(&["metric", "name"]) {
        "" => errors.required(&path, "must specify a metric name"),
        name => rules::path_segment(name, &path, errors),
    }
}

fn validate_target(target: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = target.str("type");
    if kind.is_empty() {
        errors.required(&path.child("type"), "must specify a metric target type");
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        errors.invalid(&path.child("type"), kind, "must be either Utilization, Value, or AverageValue");
    }
    for field in ["value", "averageValue"] {
        let text = target.str(field);
        if target.contains(field) && !Quantity::parse(text).is_ok_and(|quantity| quantity.sign() == 1) {
            errors.invalid(&path.child(field), text, "must be positive");
        }
    }
    if let Some(utilization) = target.int("averageUtilization").filter(|it| *it < 1) {
        errors.invalid(&path.child("averageUtilization"), utilization, "must be greater than 0");
    }
}

/// Which of the target's numbers a source needs, and which exclude each other.
fn validate_choice(field: &str, target: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let has = |field| target.contains(field);
    match field {
        "object" if !has("value") && !has("averageValue") => {
            errors.required(&path.child("averageValue"), "must set either a target value or averageValue");
        }
        "external" if !has("value") && !has("averageValue") => errors.required(
            &path.child("averageValue"),
            "must set either a target value for metric or a per-pod target",
        ),
        "external" if has("value") && has("averageValue") => errors.forbidden(
            &path.child("value"),
            "may not set both a target value for metric and a per-pod target",
        ),
        "pods" if !has("averageValue") => {
            errors.required(&path.child("averageValue"), "must specify a positive target averageValue");
        }
        "resource" | "containerResource" => match (has("averageUtilization"), has("averageValue")) {
            (false, false) => errors.required(
                &path.child("averageUtilization"),
                "must set either a target raw value or a target utilization",
            ),
            (true, true) => errors.forbidden(
                &path.child("averageValue"),
                "may not set both a target raw value and a target utilization",
            ),
            _ => {}
        },
        _ => {}
    }
}
