//! Pod templates of workloads: a PodTemplateSpec's defaults and rules.
//!
//! Keeps: a template is judged as a pod without a name, so that what a workload accepts its pods are accepted with.

use super::defaults;
use crate::field::{FieldErrors, Path};
use crate::metadata;
use crate::tree::Map;

/// Fills in what absent fields of a PodTemplateSpec mean.
pub(in crate::kinds) fn set_template_defaults(template: &mut Map) {
    defaults::set_spec_defaults(template.map_mut("spec"));
}

/// Reports what is wrong with a PodTemplateSpec.
pub(in crate::kinds) fn validate_template(template: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let labels = template.map_at(&["metadata", "labels"]);
    metadata::validate_labels(labels, &path.child("labels"), errors);
    let annotations = template.map_at(&["metadata", "annotations"]);
    metadata::validate_annotations(annotations, &path.child("annotations"), errors);
}
