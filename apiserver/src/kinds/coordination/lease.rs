//! Lease: a lock or heartbeat with a holder. Keeps: durations and transitions make sense.

use crate::kind::{self, Kind, Names, Scope, Version};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "coordination.k8s.io",
        kind: "Lease",
        plural: "leases",
        singular: "lease",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("coordination.k8s.io", "v1", "io.k8s.api.coordination.v1.Lease")],
    columns: &[kind::NAME, kind::AGE],
    creates_on_update: true,
    unconditional_update: false,
    ..Kind::DEFAULT
};
