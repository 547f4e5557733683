//! A pod or template as the standards look at it.

use crate::kinds::all_containers;
use crate::tree::{Map, Node};

pub(super) struct Pod<'a> {
    /// Annotations, when there are any.
    annotations: Option<&'a Map>,
    pub(super) spec: &'a Map,
}

impl<'a> Pod<'a> {
    /// Reads an object that has `metadata` and a pod's `spec`.
    pub(super) fn new(object: &'a Map) -> Option<Pod<'a>> {
        Some(Pod { annotations: object.map_at(&["metadata", "annotations"]), spec: object.map("spec")? })
    }

    /// Whether nothing changed that a standard looks at.
    pub(super) fn same_as(&self, other: &Pod<'_>) -> bool {
        self.spec == other.spec && self.app_armor_annotations().eq(other.app_armor_annotations())
    }

    /// Init containers, containers and ephemeral ones, in this order.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Map> {
        all_containers(self.spec)
    }

    /// The containers for which `is_bad` holds, as messages name them; `None` when there is none.
    pub(super) fn bad(&self, is_bad: impl Fn(&Map) -> bool) -> Option<String> {
        named("container", self.containers().filter(|it| is_bad(it)).map(|it| it.str("name")))
    }

    /// Containers and their AppArmor profile by annotation.
    pub(super) fn app_armor_annotations(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let annotations = self.annotations;
        annotations.into_iter().flat_map(Map::iter).filter_map(|(key, value)| {
            Some((key.strip_prefix("container.apparmor.security.beta.kubernetes.io/")?, value.as_str()?))
        })
    }

    /// Whether the pod says that it runs on Windows, where some checks make no sense.
    pub(super) fn is_windows(&self) -> bool {
        self.spec.str_at(&["os", "name"]) == "windows"
    }

    /// The security contexts: the pod's under `pod`, the containers' under their names.
    pub(super) fn security(&self, key: &str) -> Option<&'a Node> {
        self.spec.at(&["securityContext", key])
    }
}

/// A field of a container's security context.
pub(super) fn security<'a>(container: &'a Map, key: &str) -> Option<&'a Node> {
    container.at(&["securityContext", key])
}

/// `container "a"`, `containers "a", "b"`.
pub(super) fn named<'a>(noun: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    match names.len() {
        0 => None,
        1 => Some(format!("{noun} {}", names[0])),
        _ => Some(format!("{noun}s {}", names.join(", "))),
    }
}

/// Sorted, each once, quoted.
pub(super) fn quoted(mut values: Vec<&str>) -> String {
    values.sort_unstable();
    values.dedup();
    values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ")
}

/// `pod`, some containers, or both, when the pod's own setting or theirs is bad.
pub(super) fn places(pod: bool, containers: Option<String>) -> Option<String> {
    match (pod, containers) {
        (true, Some(containers)) => Some(format!("pod and {containers}")),
        (true, None) => Some("pod".to_owned()),
        (false, containers) => containers,
    }
}
