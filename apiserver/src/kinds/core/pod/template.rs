//! Pod templates of workloads: a PodTemplateSpec's defaults and rules.
//!
//! Keeps: a template is judged as a pod without a name, so that what a workload accepts its pods are accepted with.

use super::{annotations, defaults, spec, warnings};
use crate::field::{FieldErrors, Path};
use crate::metadata;
use crate::tree::Map;
use crate::warning::Warnings;

/// Fills in what absent fields of a PodTemplateSpec mean.
pub(in crate::kinds) fn set_template_defaults(template: &mut Map) {
    defaults::set_spec_defaults(template.map_mut("spec"));
}

/// Reports what is wrong with a PodTemplateSpec.
pub(in crate::kinds) fn validate_template(template: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let empty = Map::new();
    let pod_spec = template.map("spec").unwrap_or(&empty);
    let spec_path = path.child("spec");
    metadata::validate_labels(template.map_at(&["metadata", "labels"]), &path.child("labels"), errors);
    let template_annotations = template.map_at(&["metadata", "annotations"]);
    let annotations_path = path.child("annotations");
    metadata::validate_annotations(template_annotations, &annotations_path, errors);
    annotations::validate(template_annotations, pod_spec, &annotations_path, errors);
    spec::validate(pod_spec, None, &spec_path, errors);
    annotations::validate_profiles_match(template_annotations, pod_spec, &spec_path, errors);
    if !pod_spec.list("ephemeralContainers").is_empty() {
        errors.forbidden(
            &spec_path.child("ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        );
    }
}

/// Adds advice about a PodTemplateSpec at `path`.
pub(in crate::kinds) fn warn_template(template: &Map, path: &Path<'_>, warnings: &mut Warnings) {
    warnings::warn_of_template(template, path, warnings);
}
