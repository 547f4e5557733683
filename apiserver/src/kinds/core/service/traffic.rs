//! Where traffic to services goes: affinity, policies, load balancers.

use super::{SPEC, is_external, needs_health_check};
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::names::{self, address};
use crate::tree::{Map, Node};

const STICKY_SECONDS_MAX: i64 = 86_400;
const SOURCE_RANGES_ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const FOR_BALANCERS: &str = "may only be used when `type` is 'LoadBalancer'";

pub(super) fn validate_affinity(spec: &Map, errors: &mut FieldErrors) {
    rules::require_choice(spec, "sessionAffinity", &["ClientIP", "None"], &SPEC, errors);
    let path = SPEC.child("sessionAffinityConfig");
    let config = spec.map("sessionAffinityConfig");
    match spec.str("sessionAffinity") {
        "ClientIP" => {
            const NEEDED: &str = "when session affinity type is ClientIP";
            let client = config.and_then(|config| config.map("clientIP"));
            let client_path = path.child("clientIP");
            match (config, client, client.and_then(|client| client.int("timeoutSeconds"))) {
                (None, ..) => errors.required(&path, NEEDED),
                (_, None, _) => errors.required(&client_path, NEEDED),
                (.., None) => errors.required(&client_path.child("timeoutSeconds"), NEEDED),
                (.., Some(seconds)) if seconds <= 0 || seconds > STICKY_SECONDS_MAX => {
                    let detail = format!("must be greater than 0 and less than {STICKY_SECONDS_MAX}");
                    errors.invalid(&client_path.child("timeoutSeconds"), seconds, detail);
                }
                _ => {}
            }
        }
        "None" if config.is_some() => {
            errors.forbidden(&path, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

pub(super) fn validate_source_ranges(service: &Map, spec: &Map, errors: &mut FieldErrors) {
    let is_balancer = spec.str("type") == "LoadBalancer";
    if !spec.list("loadBalancerSourceRanges").is_empty() {
        // In upper case, as upstream reports it.
        let path = SPEC.child("LoadBalancerSourceRanges");
        if !is_balancer {
            errors.forbidden(&path, FOR_BALANCERS);
        }
        for (i, block) in spec.texts("loadBalancerSourceRanges").enumerate() {
            let block = block.trim();
            names::report(errors, &path.index(i), block, address::cidr(block));
        }
    } else if let Some(blocks) = service.annotation(SOURCE_RANGES_ANNOTATION) {
        let path = Path::new("metadata");
        let path = path.child("annotations");
        let path = path.key(SOURCE_RANGES_ANNOTATION);
        if !is_balancer {
            errors.forbidden(&path, FOR_BALANCERS);
        }
        for block in blocks.split(',').map(str::trim).filter(|_| !blocks.trim().is_empty()) {
            names::report(errors, &path, block, address::cidr(block));
        }
    }
}

pub(super) fn validate_balancer(spec: &Map, errors: &mut FieldErrors) {
    let is_balancer = spec.str("type") == "LoadBalancer";
    match spec.contains("allocateLoadBalancerNodePorts") {
        true if !is_balancer => errors.forbidden(&SPEC.child("allocateLoadBalancerNodePorts"), FOR_BALANCERS),
        false if is_balancer => errors.required(&Path::new("allocateLoadBalancerNodePorts"), ""),
        _ => {}
    }
    let path = SPEC.child("loadBalancerClass");
    match spec.get("loadBalancerClass").and_then(Node::as_str) {
        Some(class) if is_balancer => rules::qualified_name(class, &path, errors),
        Some(_) => errors.forbidden(&path, FOR_BALANCERS),
        None => {}
    }
}

pub(super) fn validate_policies(spec: &Map, errors: &mut FieldErrors) {
    let external = spec.str("externalTrafficPolicy");
    let path = SPEC.child("externalTrafficPolicy");
    if is_external(spec) {
        rules::require_choice(spec, "externalTrafficPolicy", &["Cluster", "Local"], &SPEC, errors);
    } else if !external.is_empty() {
        errors.invalid(&path, external, "may only be set for externally-accessible services");
    }
    let path = SPEC.child("healthCheckNodePort");
    let port = spec.int("healthCheckNodePort").unwrap_or(0);
    match (needs_health_check(spec), port) {
        (false, 0) => {}
        (false, port) => {
            let detail =
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.invalid(&path, port, detail);
        }
        (true, 0) => errors.required(&path, ""),
        (true, port) => rules::port_number(port, &path, errors),
    }
    if !spec.contains("internalTrafficPolicy")
        && matches!(spec.str("type"), "NodePort" | "LoadBalancer" | "ClusterIP")
    {
        errors.required(&SPEC.child("internalTrafficPolicy"), "");
    }
    rules::choice(spec, "internalTrafficPolicy", &["Cluster", "Local"], &SPEC, errors);
    if let Some(distribution) = spec.get("trafficDistribution").and_then(Node::as_str) {
        const DISTRIBUTIONS: &[&str] = &["PreferClose", "PreferSameZone", "PreferSameNode"];
        if !DISTRIBUTIONS.contains(&distribution) {
            errors.not_supported_in_order(&SPEC.child("trafficDistribution"), distribution, DISTRIBUTIONS);
        }
    }
}

/// Reports what is wrong with the addresses that a load balancer got.
pub(super) fn validate_status(service: &Map, _: &Map, errors: &mut FieldErrors) {
    let path = Path::new("status");
    let path = path.child("loadBalancer");
    let list = path.child("ingress");
    let Some(balancer) = service.map_at(&["status", "loadBalancer"]) else { return };
    if super::kind_of(service) != "LoadBalancer" && !balancer.list("ingress").is_empty() {
        errors.forbidden(&list, "may only be used when `spec.type` is 'LoadBalancer'");
        return;
    }
    for (i, ingress) in balancer.maps("ingress").enumerate() {
        let path = list.index(i);
        let ip = ingress.str("ip");
        if !ip.is_empty() {
            names::report(errors, &path.child("ip"), ip, address::ip(ip));
        }
        let mode_path = path.child("ipMode");
        match (ingress.contains("ipMode"), ip) {
            (false, "") => {}
            (false, _) => errors.required(&mode_path, "must be specified when `ip` is set"),
            (true, "") => errors.forbidden(&mode_path, "may not be specified when `ip` is not set"),
            (true, _) => rules::choice(ingress, "ipMode", &["Proxy", "VIP"], &path, errors),
        }
        let hostname = ingress.str("hostname");
        if !hostname.is_empty() {
            rules::dns_subdomain(hostname, &path.child("hostname"), errors);
            if address::parse_lenient(hostname).is_some() {
                errors.invalid(&path.child("hostname"), hostname, "must be a DNS name, not an IP address");
            }
        }
    }
}
