//! Advice about services: fields that are ignored, old, or written in an unusual way.

use super::SPEC;
use crate::names::address;
use crate::tree::Map;
use crate::warning::Warnings;

/// Adds advice about `service`.
pub(super) fn warn(service: &Map, _: Option<&Map>, warnings: &mut Warnings) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    let Some(spec) = service.map("spec") else { return };
    let kind = spec.str("type");
    if service.annotation(HINTS).is_some() {
        warnings.push(format!(
            "annotation {HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"
        ));
    }
    let is_headless = kind == "ClusterIP" && spec.str("clusterIP") == "None";
    let is_alias = kind == "ExternalName";
    let has_external = !spec.list("externalIPs").is_empty();
    if !matches!(spec.str("clusterIP"), "" | "None") {
        warn_of_addresses(spec, "clusterIPs", warnings);
    }
    if is_headless {
        if !spec.str("loadBalancerIP").is_empty() {
            warnings.push("spec.loadBalancerIP is ignored for headless services".to_owned());
        }
        if has_external {
            warnings.push("spec.externalIPs is ignored for headless services".to_owned());
        }
        if spec.str("sessionAffinity") != "None" {
            warnings.push("spec.SessionAffinity is ignored for headless services".to_owned());
        }
    }
    warn_of_addresses(spec, "externalIPs", warnings);
    if has_external && !is_headless && !is_alias {
        warnings.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned(),
        );
    }
    warnings.extend(address::ip_warning(&SPEC.child("loadBalancerIP"), spec.str("loadBalancerIP")));
    let path = SPEC.child("loadBalancerSourceRanges");
    for (i, block) in spec.texts("loadBalancerSourceRanges").enumerate() {
        warnings.extend(address::cidr_warning(&path.index(i), block));
    }
    if is_alias && has_external {
        warnings.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if !is_alias && !spec.str("externalName").is_empty() {
        warnings.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec.str("trafficDistribution") == "PreferClose" {
        warnings.push(
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned(),
        );
    }
}

fn warn_of_addresses(spec: &Map, field: &str, warnings: &mut Warnings) {
    let path = SPEC.child(field);
    for (i, text) in spec.texts(field).enumerate() {
        warnings.extend(address::ip_warning(&path.index(i), text));
    }
}
