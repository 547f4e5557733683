//! Binding: a pod gets its node. Never stored: creating one in a namespace is creating `binding` of the pod that it
//! names.

use crate::kind::{Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "Binding",
        plural: "bindings",
        singular: "binding",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.Binding")],
    verbs: &["create"],
    ..Kind::DEFAULT
};
