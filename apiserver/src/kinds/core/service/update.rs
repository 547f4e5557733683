//! What of a service may change: a second address may come and go, the first stays for life.

use super::cluster_ips::list;
use super::{SPEC, is_headless, needs_health_check};
use crate::field::FieldErrors;
use crate::tree::{Map, Node};

/// Reports what may not change from `old`.
pub(super) fn validate(service: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = service.map("spec").unwrap_or(&empty);
    let old = old.map("spec").unwrap_or(&empty);
    let is_alias = |spec: &Map| spec.str("type") == "ExternalName";
    if !is_alias(spec) && !is_alias(old) {
        if !(is_headless(spec) && is_headless(old)) {
            validate_addresses(spec, old, errors);
        }
        if !is_headless(spec) && !is_headless(old) {
            validate_families(spec, old, errors);
        }
    }
    let is_balancer = |spec: &Map| spec.str("type") == "LoadBalancer";
    if is_balancer(spec) && is_balancer(old) && spec.get("loadBalancerClass") != old.get("loadBalancerClass")
    {
        let value = list(spec, "loadBalancerClass");
        errors.invalid(&SPEC.child("loadBalancerClass"), value, "may not change once set");
    }
    if needs_health_check(spec)
        && needs_health_check(old)
        && spec.get("healthCheckNodePort") != old.get("healthCheckNodePort")
    {
        errors.forbidden(&SPEC.child("healthCheckNodePort"), "field is immutable");
    }
}

fn validate_addresses(spec: &Map, old: &Map, errors: &mut FieldErrors) {
    let (new_list, old_list) = (spec.list("clusterIPs"), old.list("clusterIPs"));
    let path = SPEC.child("clusterIPs");
    if new_list.len() == old_list.len() {
        for (i, _) in old_list.iter().enumerate().filter(|(i, ip)| new_list[*i] != **ip) {
            errors.invalid(&path.index(i), list(spec, "clusterIPs"), "may not change once set");
        }
        return;
    }
    if new_list.is_empty() {
        errors.invalid(&path.index(0), Node::Null, "primary clusterIP can not be unset");
    } else if !old_list.is_empty() && new_list[0] != old_list[0] {
        errors.invalid(&path.index(0), list(spec, "clusterIPs"), "may not change once set");
    }
    if new_list.len() == 1 && old_list.len() > 1 {
        require_single_stack(spec, "secondary clusterIP", errors);
    }
}

fn validate_families(spec: &Map, old: &Map, errors: &mut FieldErrors) {
    let (new_list, old_list) = (spec.list("ipFamilies"), old.list("ipFamilies"));
    let path = SPEC.child("ipFamilies");
    if new_list.len() == old_list.len() {
        if new_list != old_list {
            errors.invalid(&path.index(0), list(spec, "ipFamilies"), "may not change once set");
        }
        return;
    }
    if old_list.len() > new_list.len() && spec.list("clusterIPs").is_empty() {
        errors.invalid(&path.index(0), list(spec, "ipFamilies"), "primary ipFamily can not be unset");
    }
    if let (Some(new), Some(old)) = (new_list.first(), old_list.first())
        && new != old
    {
        errors.invalid(&path.index(0), list(spec, "clusterIPs"), "may not change once set");
    }
    if new_list.len() == 1 && old_list.len() > 1 {
        require_single_stack(spec, "secondary ipFamily", errors);
    }
}

fn require_single_stack(spec: &Map, what: &str, errors: &mut FieldErrors) {
    if spec.str("ipFamilyPolicy") != "SingleStack" {
        let detail = format!("must be set to 'SingleStack' when releasing the {what}");
        errors.invalid(&SPEC.child("ipFamilyPolicy"), list(spec, "ipFamilyPolicy"), detail);
    }
}
