//! The selector of a Job that its user did not choose: the Job's uid, as a label on its pods.
//!
//! Keeps: labels that a user set are never overwritten; where they differ from the generated ones, the Job is refused.

use crate::field::{FieldErrors, Path};
use crate::kinds::selector;
use crate::tree::{Map, Node};

const JOB_NAME: &str = "batch.kubernetes.io/job-name";
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
const LEGACY_JOB_NAME: &str = "job-name";
const LEGACY_CONTROLLER_UID: &str = "controller-uid";

fn is_manual(job: &Map) -> bool {
    job.at(&["spec", "manualSelector"]).and_then(Node::as_bool) == Some(true)
}

/// Adds the labels to the template and the selector to the Job; needs `metadata.uid`.
pub(super) fn generate(job: &mut Map) {
    if is_manual(job) {
        return;
    }
    let name = Node::from(job.name());
    let uid = Node::from(job.str_at(&["metadata", "uid"]));
    let spec = job.map_mut("spec");
    let labels = spec.map_mut("template").map_mut("metadata").map_mut("labels");
    labels.set_default(LEGACY_JOB_NAME, name.clone());
    labels.set_default(JOB_NAME, name);
    labels.set_default(LEGACY_CONTROLLER_UID, uid.clone());
    labels.set_default(CONTROLLER_UID, uid.clone());
    spec.map_mut("selector").map_mut("matchLabels").set_default(CONTROLLER_UID, uid);
}

/// Reports a generated selector, or labels for it, that are not the generated ones.
pub(super) fn validate(job: &Map, errors: &mut FieldErrors) {
    let chosen = job.map_at(&["spec", "selector"]);
    if is_manual(job) || chosen.is_none() {
        return;
    }
    let uid = job.str_at(&["metadata", "uid"]);
    if uid.is_empty() {
        errors.required(&Path::new("metadata").child("uid"), "");
    }
    let name = job.name();
    let labels =
        [(CONTROLLER_UID, uid), (JOB_NAME, name), (LEGACY_CONTROLLER_UID, uid), (LEGACY_JOB_NAME, name)];
    for (label, value) in labels {
        validate_label(job, label, value, errors);
    }
    let expected: Map = labels.into_iter().collect();
    if !selector::matches(chosen, Some(&expected)) {
        let value = chosen.cloned().unwrap_or_default();
        errors.invalid(&Path::new("spec").child("selector"), value, "`selector` not auto-generated");
    }
}

fn validate_label(job: &Map, label: &str, expected: &str, errors: &mut FieldErrors) {
    let labels = job.map_at(&["spec", "template", "metadata", "labels"]);
    let spec = Path::new("spec");
    let template = spec.child("template");
    let metadata = template.child("metadata");
    let path = metadata.child("labels");
    match labels.and_then(|labels| labels.get(label)).and_then(Node::as_str) {
        Some(value) if value == expected => {}
        Some(_) => {
            let labels = labels.cloned().unwrap_or_default();
            errors.invalid(&path.key(label), labels, format!("must be '{expected}'"));
        }
        None => errors.required(&path.key(label), format!("must be '{expected}'")),
    }
}
