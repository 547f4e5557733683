//! ControllerRevision: one recorded state of a DaemonSet or StatefulSet. Keeps: `data` never changes.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "apps",
        kind: "ControllerRevision",
        plural: "controllerrevisions",
        singular: "controllerrevision",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("apps", "v1", "io.k8s.api.apps.v1.ControllerRevision")],
    columns: &[kind::NAME, kind::AGE],
    ..Kind::DEFAULT
};
