//! ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy applies.

use crate::kind::{self, Generation, Kind, Names, Scope, Version};

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
    columns: &[kind::NAME, kind::AGE],
    generation: Generation::Spec,
    unconditional_update: false,
    ..Kind::DEFAULT
};
