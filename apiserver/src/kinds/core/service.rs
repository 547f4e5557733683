//! Service: one name and address for many pods. Keeps: fields that belong to one type are absent in the others; a
//! cluster IP never changes.
//!
//! Addresses and ports that a client leaves out on update are taken from the stored service by the admission
//! plug-in that allocates them, because it must see them first.

use super::{pod::defaults, rules};
use crate::field::{FieldErrors, Path};
use crate::kind::{
    self, Action, BodyKind, Connect, FieldValue, Kind, NameRule, Names, Scope, Selectable, Subresource,
    Version, column, wide,
};
use crate::kinds::selector;
use crate::tree::{Map, Node};

mod cluster_ips;
pub(crate) use cluster_ips::validate as validate_cluster_ips;
mod columns;
mod ports;
mod traffic;
mod update;
mod warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "Service",
        plural: "services",
        singular: "service",
        short: &["svc"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.Service")],
    categories: &["all"],
    subresources: &[
        Subresource {
            name: "proxy",
            verbs: &["create", "delete", "get", "patch", "update"],
            body: Some(BodyKind {
                group: "",
                version: "v1",
                kind: "ServiceProxyOptions",
                schema: "io.k8s.api.core.v1.ServiceProxyOptions",
            }),
            action: Action::Connect(Connect::Proxy),
        },
        kind::status(kind::keep_all_but_status, traffic::validate_status),
    ],
    columns: &[
        kind::NAME,
        column("Type", "string", |it, _| kind_of(it).into()),
        column("Cluster-IP", "string", |it, _| columns::cluster_ip(it).into()),
        column("External-IP", "string", |it, _| columns::external_ip(it).into()),
        column("Port(s)", "string", |it, _| columns::ports(it).into()),
        kind::AGE,
        wide("Selector", "string", |it, _| selector::labels_cell(it.map_at(&["spec", "selector"]))),
    ],
    selectable: &[
        Selectable { name: "spec.clusterIP", value: FieldValue::At(&["spec", "clusterIP"]), indexed: false },
        Selectable { name: "spec.type", value: FieldValue::Of(|it| kind_of(it).into()), indexed: false },
    ],
    name_rule: NameRule::DnsLabel,
    creates_on_update: true,
    delete_returns_object: true,
    set_defaults,
    prepare_for_create: kind::clear_status,
    prepare_for_update: |it, _, _| drop_balancer_status(it),
    validate,
    validate_update: update::validate,
    changes_first: true,
    warnings: warnings::warn,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const STICKY_SECONDS: i64 = 10_800;

fn kind_of(service: &Map) -> &str {
    service.str_at(&["spec", "type"])
}

fn is_headless(spec: &Map) -> bool {
    matches!(spec.list("clusterIPs"), [only] if only.as_str() == Some("None"))
}

/// Whether clients outside the cluster can reach it.
fn is_external(spec: &Map) -> bool {
    match spec.str("type") {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => !spec.list("externalIPs").is_empty(),
        _ => false,
    }
}

/// Whether load balancers ask which nodes have endpoints.
fn needs_health_check(spec: &Map) -> bool {
    spec.str("type") == "LoadBalancer" && spec.str("externalTrafficPolicy") == "Local"
}

fn set_defaults(service: &mut Map) {
    let spec = service.map_mut("spec");
    defaults::default_text(spec, "sessionAffinity", "None");
    match spec.str("sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let client = spec.map_mut("sessionAffinityConfig").map_mut("clientIP");
            client.set_default("timeoutSeconds", STICKY_SECONDS);
        }
        _ => {}
    }
    defaults::default_text(spec, "type", "ClusterIP");
    defaults::maps_mut(spec, "ports").for_each(set_port_defaults);
    if is_external(spec) {
        defaults::default_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(spec.str("type"), "NodePort" | "LoadBalancer" | "ClusterIP") {
        spec.set_default("internalTrafficPolicy", "Cluster");
    }
    if spec.str("type") != "LoadBalancer" {
        return;
    }
    spec.set_default("allocateLoadBalancerNodePorts", true);
    let ingress =
        service.existing_map_mut("status").and_then(|status| status.existing_map_mut("loadBalancer"));
    for ingress in ingress.into_iter().flat_map(|balancer| defaults::maps_mut(balancer, "ingress")) {
        if !ingress.str("ip").is_empty() {
            ingress.set_default("ipMode", "VIP");
        }
    }
}

fn set_port_defaults(port: &mut Map) {
    defaults::default_text(port, "protocol", "TCP");
    let is_unset = match port.get("targetPort") {
        None | Some(Node::Int(0)) => true,
        Some(node) => node.as_str() == Some(""),
    };
    if is_unset {
        let number = port.int("port").unwrap_or(0);
        port.set("targetPort", number);
    }
}

/// Only load balancers have a status.
fn drop_balancer_status(service: &mut Map) {
    if kind_of(service) != "LoadBalancer"
        && let Some(status) = service.existing_map_mut("status")
    {
        status.remove("loadBalancer");
    }
}

fn validate(service: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = service.map("spec").unwrap_or(&empty);
    validate_topology(service, errors);
    let is_headless = is_headless(spec);
    let kind = spec.str("type");
    if spec.list("ports").is_empty() && !is_headless && kind != "ExternalName" {
        errors.required(&SPEC.child("ports"), "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if is_headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid(&SPEC.child("clusterIPs").index(0), "None", detail);
        }
        "ExternalName" => validate_external_name(spec, errors),
        _ => {}
    }
    ports::validate(spec, errors);
    crate::metadata::validate_labels(spec.map("selector"), &SPEC.child("selector"), errors);
    traffic::validate_affinity(spec, errors);
    if kind != "ExternalName" {
        cluster_ips::validate(spec, errors);
    }
    cluster_ips::validate_external(spec, errors);
    rules::require_choice(
        spec,
        "type",
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        &SPEC,
        errors,
    );
    traffic::validate_source_ranges(service, spec, errors);
    traffic::validate_balancer(spec, errors);
    traffic::validate_policies(spec, errors);
}

fn validate_topology(service: &Map, errors: &mut FieldErrors) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    const MODE: &str = "service.kubernetes.io/topology-mode";
    if let (Some(hints), Some(mode)) = (service.annotation(HINTS), service.annotation(MODE))
        && hints != mode
    {
        let path = Path::new("metadata");
        let detail = format!("must match annotations[{HINTS}] when both are specified");
        errors.invalid(&path.child("annotations").key(MODE), mode, detail);
    }
}

/// An alias has a name and nothing that belongs to addresses.
fn validate_external_name(spec: &Map, errors: &mut FieldErrors) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if spec.contains(field) {
            errors.forbidden(&SPEC.child(field), "may not be set for ExternalName services");
        }
    }
    let written = spec.str("externalName");
    let name = written.strip_suffix('.').unwrap_or(written);
    if name.is_empty() {
        errors.required(&SPEC.child("externalName"), "");
    } else {
        rules::dns_subdomain(name, &SPEC.child("externalName"), errors);
    }
}

#[cfg(test)]
mod tests;
