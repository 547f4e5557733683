//! MutatingAdmissionPolicyBinding: where a MutatingAdmissionPolicy applies. Keeps: it names the policy.

use super::policies;
use crate::kind::{self, Generation, Kind, Names, Scope, Version};
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "admissionregistration.k8s.io",
        kind: "MutatingAdmissionPolicyBinding",
        plural: "mutatingadmissionpolicybindings",
        singular: "mutatingadmissionpolicybinding",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "admissionregistration.k8s.io",
        "v1",
        "io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding",
    )],
    categories: &["api-extensions"],
    columns: &[kind::NAME, policies::POLICY_NAME, policies::PARAM_REF, kind::AGE],
    generation: Generation::Spec,
    unconditional_update: false,
    set_defaults: policies::set_binding_defaults,
    validate: |binding, errors| {
        policies::validate_binding(binding, errors);
        policies::validate_mutating_operations(
            binding.map("spec").unwrap_or(&Map::new()),
            "matchResources",
            errors,
        );
    },
    ..Kind::DEFAULT
};
