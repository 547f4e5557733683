//! Pod: containers that share a node. Keeps: the spec hardly changes after create; the status is the kubelet's; a pod
//! gets its node once.

use crate::field::{FieldErrors, Path};
use crate::kind::{
    self, Action, BodyKind, Connect, Context, Generation, Kind, Names, Scope, Subresource, VIEW_VERBS,
    Version, View,
};
use crate::tree::{Map, Node};

pub(in crate::kinds) mod affinity;
mod annotations;
mod binding;
mod columns;
mod conditions;
mod containers;
pub(crate) use containers::all as all_containers;
pub(in crate::kinds) mod defaults;
mod dns;
mod env;
mod ephemeral;
mod image;
mod label_keys;
mod mounts;
pub(in crate::kinds::core) mod paths;
mod pod_resources;
mod probes;
mod projected;
mod qos;
mod resize;
pub(in crate::kinds) mod resources;
mod security;
mod selectable;
mod spec;
mod spread;
mod status;
pub(in crate::kinds) mod sums;
pub(in crate::kinds) mod template;
pub(in crate::kinds) mod tolerations;
mod update;
mod virtual_paths;
mod volumes;
mod warnings;
mod windows;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "Pod",
        plural: "pods",
        singular: "pod",
        short: &["po"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.Pod")],
    categories: &["all"],
    subresources: SUBRESOURCES,
    columns: columns::COLUMNS,
    row_conditions: columns::row_conditions,
    selectable: selectable::FIELDS,
    generation: Generation::Spec,
    delete_returns_object: true,
    grace_period: Some(grace_period),
    set_defaults,
    prepare_for_create,
    prepare_for_update,
    validate_metadata,
    validate,
    ignores_metadata: true,
    repeats: Some(repeats),
    validate_update: update::validate,
    validate_request,
    metadata_warnings: warnings::warn_of_metadata,
    warnings: warnings::warn,
    ..Kind::DEFAULT
};

const SUBRESOURCES: &[Subresource] = &[
    connect(
        "attach",
        Connect::Attach,
        "PodAttachOptions",
        "io.k8s.api.core.v1.PodAttachOptions",
        &["create", "get"],
    ),
    Subresource {
        name: "binding",
        verbs: &["create"],
        body: Some(BodyKind {
            group: "",
            version: "v1",
            kind: "Binding",
            schema: "io.k8s.api.core.v1.Binding",
        }),
        action: Action::Change(binding::bind),
    },
    Subresource {
        name: "ephemeralcontainers",
        verbs: VIEW_VERBS,
        body: None,
        action: Action::View(View { prepare: ephemeral::prepare, validate: ephemeral::validate }),
    },
    Subresource {
        name: "eviction",
        verbs: &["create"],
        body: Some(BodyKind {
            group: "policy",
            version: "v1",
            kind: "Eviction",
            schema: "io.k8s.api.policy.v1.Eviction",
        }),
        action: Action::Special,
    },
    connect("exec", Connect::Exec, "PodExecOptions", "io.k8s.api.core.v1.PodExecOptions", &["create", "get"]),
    Subresource { name: "log", verbs: &["get"], body: None, action: Action::Connect(Connect::Log) },
    connect(
        "portforward",
        Connect::PortForward,
        "PodPortForwardOptions",
        "io.k8s.api.core.v1.PodPortForwardOptions",
        &["create", "get"],
    ),
    connect(
        "proxy",
        Connect::Proxy,
        "PodProxyOptions",
        "io.k8s.api.core.v1.PodProxyOptions",
        &["create", "delete", "get", "patch", "update"],
    ),
    Subresource {
        name: "resize",
        verbs: VIEW_VERBS,
        body: None,
        action: Action::View(View { prepare: resize::prepare, validate: resize::validate }),
    },
    kind::status(status::prepare, status::validate),
];

/// A connection to a pod.
const fn connect(
    name: &'static str,
    to: Connect,
    kind: &'static str,
    schema: &'static str,
    verbs: &'static [&'static str],
) -> Subresource {
    Subresource {
        name,
        verbs,
        body: Some(BodyKind { group: "", version: "v1", kind, schema }),
        action: Action::Connect(to),
    }
}

const METADATA: Path<'static> = Path::new("metadata");
const SPEC: Path<'static> = Path::new("spec");

/// Pods that no kubelet has, or that are done, go at once.
fn grace_period(pod: &Map, requested: Option<i64>) -> i64 {
    let is_finished = matches!(pod.str_at(&["status", "phase"]), "Succeeded" | "Failed");
    if pod.str_at(&["spec", "nodeName"]).is_empty() || is_finished {
        return 0;
    }
    let own = pod.at(&["spec", "terminationGracePeriodSeconds"]).and_then(Node::as_int).unwrap_or(0);
    match requested.unwrap_or(own) {
        seconds if seconds < 0 => 1,
        seconds => seconds,
    }
}

fn set_defaults(pod: &mut Map) {
    if let Some(status) = pod.existing_map_mut("status") {
        status::keep_ips_equal(status);
    }
    let spec = pod.map_mut("spec");
    if spec.is_as_stored() {
        return;
    }
    defaults::set_spec_defaults(spec);
    if spec.int("terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        spec.set("terminationGracePeriodSeconds", 1_i64);
    }
    let host_network = spec.bool("hostNetwork") == Some(true);
    for list in ["containers", "initContainers"] {
        for container in defaults::maps_mut(spec, list) {
            request_what_is_limited(container);
            if host_network {
                defaults::maps_mut(container, "ports").for_each(take_host_port);
            }
        }
    }
    spec.set_default("enableServiceLinks", true);
}

fn request_what_is_limited(container: &mut Map) {
    let Some(resources) = container.existing_map_mut("resources") else { return };
    let Some(limits) = resources.map("limits").filter(|limits| !limits.is_empty()).cloned() else { return };
    let requests = resources.map_mut("requests");
    for (name, limit) in limits {
        requests.set_default(name, limit);
    }
}

fn take_host_port(port: &mut Map) {
    if port.int("hostPort").unwrap_or(0) == 0
        && let Some(number) = port.int("containerPort")
    {
        port.set("hostPort", number);
    }
}

fn prepare_for_create(pod: &mut Map, context: &Context<'_>) {
    let mut status = Map::from([("phase", "Pending")]);
    if pod.map("spec").is_some_and(|spec| !spec.list("schedulingGates").is_empty()) {
        let condition = conditions::Condition {
            kind: "PodScheduled",
            status: "False",
            reason: "SchedulingGated",
            message: "Scheduling is blocked due to non-empty scheduling gates",
        };
        conditions::set(&mut status, &condition, context.now);
    }
    pod.set("status", status);
    label_keys::apply(pod);
    pod_resources::complete(pod.map_mut("spec"));
    let class = qos::class(pod.map("spec").unwrap_or(&Map::new()));
    pod.map_mut("status").set("qosClass", class);
}

/// A client that does not know pod-level resources does not mean to remove them.
fn prepare_for_update(pod: &mut Map, old: &Map, _: &Context<'_>) {
    if pod.shares("spec", old) {
        return;
    }
    if let Some(resources) = old.at(&["spec", "resources"]) {
        pod.map_mut("spec").set_default("resources", resources.clone());
    }
}

/// Claims that are made for a pod are named after it, and static pods may have none.
fn repeats(pod: &Map) -> bool {
    let empty = Map::new();
    let spec = pod.map("spec").unwrap_or(&empty);
    spec.list("resourceClaims").is_empty() && !spec.maps("volumes").any(|volume| volume.contains("ephemeral"))
}

fn validate_metadata(pod: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let annotations = pod.map_at(&["metadata", "annotations"]);
    let spec = pod.map("spec").unwrap_or(&empty);
    annotations::validate(annotations, spec, &METADATA.child("annotations"), errors);
}

fn validate(pod: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let metadata = pod.metadata().unwrap_or(&empty);
    let spec = pod.map("spec").unwrap_or(&empty);
    spec::validate(spec, Some(metadata), &SPEC, errors);
    spec::validate_only_pod(spec, &SPEC, errors);
}

/// What holds only when a pod is made.
fn validate_request(_: &Version, pod: &Map, old: Option<&Map>, errors: &mut FieldErrors) {
    if old.is_some() {
        return;
    }
    let empty = Map::new();
    let spec = pod.map("spec").unwrap_or(&empty);
    if !spec.list("ephemeralContainers").is_empty() {
        errors.forbidden(&SPEC.child("ephemeralContainers"), "cannot be set on create");
    }
    if !spec.str("nodeName").is_empty() && !spec.list("schedulingGates").is_empty() {
        errors
            .forbidden(&SPEC.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
    annotations::validate_profiles_match(pod.map_at(&["metadata", "annotations"]), spec, &SPEC, errors);
}

#[cfg(test)]
mod tests;
