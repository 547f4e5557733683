//! Ingress: HTTP routes to services. Keeps: every path has a type and one backend.

use std::collections::HashSet;

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Generation, Kind, Names, Scope, Version, column};
use crate::kinds::core::rules;
use crate::kinds::listing;
use crate::names::{self, address, dns, text};
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "networking.k8s.io",
        kind: "Ingress",
        plural: "ingresses",
        singular: "ingress",
        short: &["ing"],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("networking.k8s.io", "v1", "io.k8s.api.networking.v1.Ingress")],
    subresources: &[kind::status(kind::keep_all_but_status, validate_status)],
    columns: &[
        kind::NAME,
        column("Class", "string", |it, _| {
            it.at(&["spec", "ingressClassName"]).cloned().unwrap_or("<none>".into())
        }),
        column("Hosts", "string", hosts),
        column("Address", "string", address_cell),
        column("Ports", "string", ports),
        kind::AGE,
    ],
    generation: Generation::Spec,
    prepare_for_create: kind::clear_status,
    validate,
    validate_request: |_, ingress, old, errors| validate_transition(ingress, old, errors),
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// What no path may hold, and how none may end.
const PATH_PARTS_FORBIDDEN: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const PATH_ENDS_FORBIDDEN: [&str; 2] = ["/..", "/."];

fn hosts(ingress: &Map, _: i64) -> Node {
    let rules = ingress.map("spec").into_iter().flat_map(|spec| spec.maps("rules"));
    let hosts = rules.map(|rule| rule.str("host").to_owned()).filter(|host| !host.is_empty());
    match listing::first_three(hosts, ",").as_str() {
        "<none>" => "*".into(),
        hosts => hosts.into(),
    }
}

/// Where its load balancer may be reached.
fn points(ingress: &Map) -> impl Iterator<Item = &Map> {
    ingress.map_at(&["status", "loadBalancer"]).into_iter().flat_map(|it| it.maps("ingress"))
}

fn address_cell(ingress: &Map, _: i64) -> Node {
    let mut addresses: Vec<&str> = points(ingress)
        .map(|point| if point.str("ip").is_empty() { point.str("hostname") } else { point.str("ip") })
        .filter(|address| !address.is_empty())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.join(",").into()
}

fn ports(ingress: &Map, _: i64) -> Node {
    let secure = ingress.map("spec").is_some_and(|spec| !spec.list("tls").is_empty());
    if secure { "80, 443".into() } else { "80".into() }
}

fn validate(ingress: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = ingress.map("spec").unwrap_or(&empty);
    if spec.list("rules").is_empty() && !spec.contains("defaultBackend") {
        let rules = spec.get("rules").cloned().unwrap_or_default();
        errors.invalid(&SPEC, rules, "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(backend) = spec.map("defaultBackend") {
        validate_backend(backend, &SPEC.child("defaultBackend"), errors);
    }
    let rules = SPEC.child("rules");
    for (i, rule) in spec.maps("rules").enumerate() {
        validate_rule(rule, &rules.index(i), errors);
    }
    let tls = SPEC.child("tls");
    for (i, entry) in spec.maps("tls").enumerate() {
        let entry_path = tls.index(i);
        let hosts = entry_path.child("hosts");
        for (j, host) in entry.list("hosts").iter().filter_map(Node::as_str).enumerate() {
            names::report(errors, &hosts.index(j), host, host_faults(host));
        }
    }
    if let Some(class) = class_name(ingress) {
        rules::dns_subdomain(class, &SPEC.child("ingressClassName"), errors);
    }
}

fn class_name(ingress: &Map) -> Option<&str> {
    ingress.at(&["spec", "ingressClassName"]).and_then(Node::as_str)
}

/// What only new Ingresses have to obey: older ones may have been stored without it.
fn validate_transition(ingress: &Map, old: Option<&Map>, errors: &mut FieldErrors) {
    let faults = secret_faults(ingress);
    if old.is_none_or(|old| secret_faults(old).is_empty()) {
        let tls = SPEC.child("tls");
        for (i, secret, faults) in faults {
            names::report(errors, &tls.index(i).child("secretName"), secret, faults);
        }
    }
    let class = class_name(ingress).filter(|_| old.is_none());
    let annotated = ingress.annotation(CLASS_ANNOTATION);
    if let (Some(class), Some(annotated)) = (class, annotated)
        && class != annotated
    {
        let detail = "must match `ingressClassName` when both are specified";
        errors.invalid(&Path::new("annotations").child(CLASS_ANNOTATION), annotated, detail);
    }
}

/// Where a load balancer may be reached: addresses that were not there before are written well, and names are no
/// addresses.
fn validate_status(ingress: &Map, old: &Map, errors: &mut FieldErrors) {
    let known: HashSet<&str> = points(old).map(|point| point.str("ip")).collect();
    let status = Path::new("status");
    let path = status.child("loadBalancer");
    let path = path.child("ingress");
    for (i, point) in points(ingress).enumerate() {
        let path = path.index(i);
        let (ip, name) = (point.str("ip"), point.str("hostname"));
        if !ip.is_empty() && !known.contains(ip) {
            names::report(errors, &path.child("ip"), ip, address::ip(ip));
        }
        if !name.is_empty() {
            validate_name(name, &path.child("hostname"), dns::subdomain, errors);
        }
    }
}

/// Reports what is no name of the DNS under a rule, or is an address.
fn validate_name(name: &str, path: &Path<'_>, rule: fn(&str) -> names::Faults, errors: &mut FieldErrors) {
    names::report(errors, path, name, rule(name));
    if address::parse_lenient(name).is_some() {
        errors.invalid(path, name, "must be a DNS name, not an IP address");
    }
}

fn warnings(ingress: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    if old.is_none() && ingress.annotation(CLASS_ANNOTATION).is_some() && class_name(ingress).is_none() {
        warnings.push(format!(
            "annotation {CLASS_ANNOTATION:?} is deprecated, please use 'spec.ingressClassName' instead"
        ));
    }
}

/// The entries of `tls` whose secret has no name of a Secret, and why.
fn secret_faults(ingress: &Map) -> Vec<(usize, &str, names::Faults)> {
    let entries = ingress.map("spec").into_iter().flat_map(|spec| spec.maps("tls"));
    let secrets = entries.map(|entry| entry.str("secretName")).enumerate();
    secrets
        .filter(|(_, secret)| !secret.is_empty())
        .map(|(i, secret)| (i, secret, dns::subdomain(secret)))
        .filter(|(_, _, faults)| !faults.is_empty())
        .collect()
}

fn host_faults(host: &str) -> names::Faults {
    if host.contains('*') { dns::wildcard_subdomain(host) } else { dns::subdomain(host) }
}

fn validate_rule(rule: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let host = rule.str("host");
    if !host.is_empty() {
        validate_name(host, &path.child("host"), host_faults, errors);
    }
    let Some(http) = rule.map("http") else { return };
    let http_path = path.child("http");
    let paths = http_path.child("paths");
    if http.list("paths").is_empty() {
        errors.required(&paths, "");
    }
    for (i, route) in http.maps("paths").enumerate() {
        let path = paths.index(i);
        if !route.contains("pathType") {
            errors.required(&path.child("pathType"), "pathType must be specified");
            continue;
        }
        validate_path(route, &path, errors);
        let empty = Map::new();
        validate_backend(route.map("backend").unwrap_or(&empty), &path.child("backend"), errors);
    }
}

fn validate_path(route: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let value = route.str("path");
    let value_path = path.child("path");
    match route.str("pathType") {
        "Exact" | "Prefix" => {
            if !value.starts_with('/') {
                errors.invalid(&value_path, value, "must be an absolute path");
            }
            for part in PATH_PARTS_FORBIDDEN.iter().filter(|part| value.contains(*part)) {
                errors.invalid(&value_path, value, format!("must not contain '{part}'"));
            }
            for end in PATH_ENDS_FORBIDDEN.iter().filter(|end| value.ends_with(*end)) {
                errors.invalid(&value_path, value, format!("cannot end with '{end}'"));
            }
        }
        "ImplementationSpecific" => {
            if !value.is_empty() && !value.starts_with('/') {
                errors.invalid(&value_path, value, "must be an absolute path");
            }
        }
        kind => {
            errors.not_supported(
                &path.child("pathType"),
                kind,
                &["Exact", "ImplementationSpecific", "Prefix"],
            );
        }
    }
}

fn validate_backend(backend: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    match (backend.map("service"), backend.map("resource")) {
        (Some(_), Some(_)) => errors.invalid(path, "", "cannot set both resource and service backends"),
        (None, None) => errors.invalid(path, "", "resource or service backend is required"),
        (None, Some(resource)) => rules::typed_reference(resource, &path.child("resource"), errors),
        (Some(service), None) => validate_service(service, path, errors),
    }
}

/// The service of the backend at `path`, which is where upstream reports how its port is given.
fn validate_service(service: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let service_path = path.child("service");
    if rules::require_text(service, "name", &service_path, errors) {
        rules::dns_label(service.str("name"), &service_path.child("name"), errors);
    }
    let (port_name, number) = (service.str_at(&["port", "name"]), service.at(&["port", "number"]));
    let port_path = service_path.child("port");
    match (port_name, number.and_then(Node::as_int).unwrap_or(0)) {
        ("", 0) => errors.required(path, "port name or number is required"),
        ("", number) => rules::port_number(number, &port_path.child("number"), errors),
        (name, 0) => names::report(errors, &port_path.child("name"), name, text::port_name(name)),
        _ => errors.invalid(path, "", "cannot set both port name & port number"),
    }
}
