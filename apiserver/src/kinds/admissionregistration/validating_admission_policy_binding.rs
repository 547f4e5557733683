//! ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy applies. Keeps: it says what follows from a refusal.

use std::collections::HashSet;

use super::policies;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "admissionregistration.k8s.io",
        kind: "ValidatingAdmissionPolicyBinding",
        plural: "validatingadmissionpolicybindings",
        singular: "validatingadmissionpolicybinding",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "admissionregistration.k8s.io",
        "v1",
        "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
    )],
    categories: &["api-extensions"],
    columns: &[kind::NAME, policies::POLICY_NAME, policies::PARAM_REF, kind::AGE],
    generation: Generation::Spec,
    unconditional_update: false,
    set_defaults: policies::set_binding_defaults,
    validate,
    ..Kind::DEFAULT
};

const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];

fn validate(binding: &Map, errors: &mut FieldErrors) {
    policies::validate_binding(binding, errors);
    let spec = Path::new("spec");
    let path = spec.child("validationActions");
    let actions: Vec<&str> = binding
        .map("spec")
        .into_iter()
        .flat_map(|spec| spec.list("validationActions"))
        .filter_map(Node::as_str)
        .collect();
    if actions.is_empty() {
        errors.required(&path, "");
    }
    let mut seen = HashSet::new();
    for (i, action) in actions.iter().enumerate() {
        if !ACTIONS.contains(action) {
            errors.not_supported(&path.index(i), *action, &ACTIONS);
        }
        if !seen.insert(*action) {
            errors.duplicate(&path.index(i), *action);
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        errors.invalid(
            &path,
            actions.into_iter().collect::<Node>(),
            "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)",
        );
    }
}
