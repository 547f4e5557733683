//! ReplicationController: the ancestor of ReplicaSet. Keeps: its selector matches its template.

use super::pod::template;
use super::rules;
use crate::field::{FieldErrors, Path};
use crate::kind::{
    self, Dependents, FieldValue, Generation, Kind, NameRule, Names, Scope, Selectable, Version, column, wide,
};
use crate::kinds::{selector, workload};
use crate::names::{self, dns};
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "ReplicationController",
        plural: "replicationcontrollers",
        singular: "replicationcontroller",
        short: &["rc"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.ReplicationController")],
    categories: &["all"],
    subresources: &[kind::scale(scale_selector), kind::status(kind::keep_all_but_status, validate_status)],
    columns: &[
        kind::NAME,
        column("Desired", "integer", |it, _| workload::number_cell(it, &["spec", "replicas"])),
        column("Current", "integer", |it, _| workload::number_cell(it, &["status", "replicas"])),
        column("Ready", "integer", |it, _| workload::number_cell(it, &["status", "readyReplicas"])),
        kind::AGE,
        workload::CONTAINERS,
        workload::IMAGES,
        wide("Selector", "string", |it, _| selector::labels_cell(it.map_at(&["spec", "selector"]))),
    ],
    selectable: &[Selectable {
        name: "status.replicas",
        value: FieldValue::Of(|it| {
            ecow::eco_format!("{}", it.at(&["status", "replicas"]).and_then(Node::as_int).unwrap_or(0))
        }),
        indexed: false,
    }],
    name_rule: NameRule::Custom(|name, is_prefix| dns::long_name(&names::masked(name, is_prefix))),
    generation: Generation::Spec,
    dependents: Dependents::Orphaned(""),
    set_defaults,
    prepare_for_create: kind::clear_status,
    validate,
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");

/// The selector is a plain map of labels.
fn scale_selector(controller: &Map) -> ecow::EcoString {
    let labels = controller.map_at(&["spec", "selector"]).cloned().unwrap_or_default();
    selector::text(Some(&Map::from([("matchLabels", labels)]))).into()
}

fn set_defaults(controller: &mut Map) {
    let spec = controller.map_mut("spec");
    spec.set_default("replicas", 1_i64);
    let labels = spec.map_at(&["template", "metadata", "labels"]).cloned();
    if let Some(template) = spec.existing_map_mut("template") {
        template::set_template_defaults(template);
    }
    let Some(labels) = labels else { return };
    if spec.map("selector").is_none_or(Map::is_empty) {
        spec.set("selector", labels.clone());
    }
    if controller.map_at(&["metadata", "labels"]).is_none_or(Map::is_empty) {
        controller.metadata_mut().set("labels", labels);
    }
}

fn validate(controller: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = controller.map("spec").unwrap_or(&empty);
    rules::non_negative(spec, &["minReadySeconds", "replicas"], &SPEC, errors);
    let selector = spec.map("selector").unwrap_or(&empty);
    if selector.is_empty() {
        errors.required(&SPEC.child("selector"), "");
    }
    let path = SPEC.child("template");
    let Some(pod_template) = spec.map("template") else {
        errors.required(&path, "");
        return;
    };
    let labels = pod_template.map_at(&["metadata", "labels"]).unwrap_or(&empty);
    if selector.iter().any(|(key, value)| labels.get(key) != Some(value)) {
        let path = path.child("metadata");
        errors.invalid(&path.child("labels"), labels.clone(), "`selector` does not match template `labels`");
    }
    template::validate_template(pod_template, &path, errors);
    let path = path.child("spec");
    let restart = pod_template.str_at(&["spec", "restartPolicy"]);
    if restart != "Always" {
        errors.not_supported(&path.child("restartPolicy"), restart, &["Always"]);
    }
    if pod_template.at(&["spec", "activeDeadlineSeconds"]).is_some() {
        let detail = "activeDeadlineSeconds in ReplicationController is not Supported";
        errors.forbidden(&path.child("activeDeadlineSeconds"), detail);
    }
}

fn validate_status(controller: &Map, _: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let status = controller.map("status").unwrap_or(&empty);
    let path = Path::new("status");
    let fields =
        ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
    rules::non_negative(status, &fields, &path, errors);
    let number = |field| status.int(field).unwrap_or(0);
    for field in &fields[1..4] {
        if number(field) > number("replicas") {
            errors.invalid(&path.child(field), number(field), "cannot be greater than status.replicas");
        }
    }
    if number("availableReplicas") > number("readyReplicas") {
        let path = path.child("availableReplicas");
        errors.invalid(&path, number("availableReplicas"), "cannot be greater than readyReplicas");
    }
}

fn warnings(controller: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    let faults = dns::label(controller.name());
    if old.is_none() && !faults.is_empty() {
        warnings.push(format!(
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{}]",
            faults.join(" ")
        ));
    }
    let pod_template = controller.map_at(&["spec", "template"]);
    if pod_template != old.and_then(|old| old.map_at(&["spec", "template"]))
        && let Some(pod_template) = pod_template
    {
        template::warn_template(pod_template, &SPEC.child("template"), warnings);
    }
}
