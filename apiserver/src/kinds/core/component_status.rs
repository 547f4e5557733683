//! ComponentStatus: how the parts of the control plane are. Never stored: the server answers it.

use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "ComponentStatus",
        plural: "componentstatuses",
        singular: "componentstatus",
        short: &["cs"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.ComponentStatus")],
    verbs: &["get", "list"],
    columns: &[
        kind::NAME,
        column("Status", "string", |it, _| status(it).into()),
        column("Message", "string", |it, _| healthy(it).map_or("", |it| it.str("message")).into()),
        column("Error", "string", |it, _| healthy(it).map_or("", |it| it.str("error")).into()),
    ],
    deprecation: "v1 ComponentStatus is deprecated in v1.19+",
    ..Kind::DEFAULT
};

fn healthy(component: &Map) -> Option<&Map> {
    component.maps("conditions").find(|condition| condition.str("type") == "Healthy")
}

fn status(component: &Map) -> &'static str {
    match healthy(component).map(|condition| condition.str("status")) {
        Some("True") => "Healthy",
        Some(_) => "Unhealthy",
        None => "Unknown",
    }
}
