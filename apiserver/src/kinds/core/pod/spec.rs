//! The spec of a pod: what holds for it as a whole, and which of its parts are judged where.

use std::collections::HashSet;

use super::containers::{self, Surroundings};
use super::{affinity, dns, resources, security, spread, tolerations, volumes, windows};
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::metadata;
use crate::tree::Map;

/// Reports what is wrong with a PodSpec. `pod` is the metadata of the pod it stands in, nothing for a template.
pub(super) fn validate(spec: &Map, pod: Option<&Map>, path: &Path<'_>, errors: &mut FieldErrors) {
    if !spec.contains("terminationGracePeriodSeconds") {
        errors.required(&path.child("terminationGracePeriodSeconds"), "");
    }
    let pod_name = pod.map_or("", |metadata| metadata.str("name"));
    let volumes = volumes::validate(spec, pod_name, &path.child("volumes"), errors);
    validate_claims(spec, pod, &path.child("resourceClaims"), errors);
    let claims =
        spec.maps("resourceClaims").map(|claim| claim.str("name")).filter(|name| !name.is_empty()).collect();
    Surroundings { spec, volumes: &volumes, claims, is_pod: pod.is_some() }.validate(path, errors);
    resources::validate_pod(spec, path, errors);
    validate_policies(spec, path, errors);
    metadata::validate_labels(spec.map("nodeSelector"), &path.child("nodeSelector"), errors);
    security::validate_pod(spec, &path.child("securityContext"), errors);
    security::validate_host_namespaces(spec, path, errors);
    if let Some(affinity) = spec.map("affinity") {
        affinity::validate(affinity, &path.child("affinity"), errors);
    }
    dns::validate_config(spec, &path.child("dnsConfig"), errors);
    dns::validate_host_names(spec, path, errors);
    validate_gates(spec, path, errors);
    spread::validate(spec, &path.child("topologySpreadConstraints"), errors);
    windows::validate_host_process(spec, path, errors);
    validate_references(spec, path, errors);
    rules::within(spec, "activeDeadlineSeconds", (1, i64::from(i32::MAX)), path, errors);
    tolerations::validate(spec, &path.child("tolerations"), errors);
    if let Some(overhead) = spec.map("overhead") {
        resources::validate_limits(overhead, &path.child("overhead"), errors);
    }
    windows::validate_os(spec, path, errors);
}

/// Reports what holds for pods beyond their spec as a template.
pub(super) fn validate_only_pod(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if spec.str("serviceAccountName").is_empty() {
        for (i, volume) in spec.maps("volumes").enumerate() {
            let sources = volume.map("projected").into_iter().flat_map(|projected| projected.maps("sources"));
            for (j, _) in sources.enumerate().filter(|(_, source)| source.contains("serviceAccountToken")) {
                let path = path.child("volumes");
                let path = path.index(i);
                let path = path.child("projected");
                let path = path.child("sources");
                let detail = "must not be specified when serviceAccountName is not set";
                errors.forbidden(&path.index(j).child("serviceAccountToken"), detail);
            }
        }
    }
    rules::non_negative(spec, &["terminationGracePeriodSeconds"], path, errors);
    for list in ["containers", "initContainers"] {
        for (i, container) in spec.maps(list).enumerate() {
            containers::validate_image_padding(container, &path.child(list).index(i), errors);
        }
    }
}

fn validate_policies(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let restart = &["Always", "OnFailure", "Never"];
    rules::require_choice_in_order(spec, "restartPolicy", restart, path, errors);
    let dns = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    rules::require_choice_in_order(spec, "dnsPolicy", dns, path, errors);
    if spec.contains("preemptionPolicy") {
        let preemption = &["PreemptLowerPriority", "Never"];
        rules::require_choice_in_order(spec, "preemptionPolicy", preemption, path, errors);
    }
}

fn validate_references(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["serviceAccountName", "nodeName", "priorityClassName"] {
        let name = spec.str(field);
        if !name.is_empty() {
            rules::dns_subdomain(name, &path.child(field), errors);
        }
    }
    if spec.contains("runtimeClassName") {
        rules::dns_subdomain(spec.str("runtimeClassName"), &path.child("runtimeClassName"), errors);
    }
}

fn validate_gates(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for (i, gate) in spec.maps("readinessGates").enumerate() {
        let path = path.child("readinessGates");
        rules::qualified_name(gate.str("conditionType"), &path.index(i).child("conditionType"), errors);
    }
    let path = path.child("schedulingGates");
    let mut seen = HashSet::new();
    for (i, gate) in spec.maps("schedulingGates").enumerate() {
        let name = gate.str("name");
        rules::qualified_name(name, &path.index(i), errors);
        if !seen.insert(name) {
            errors.duplicate(&path.index(i), name);
        }
    }
}

fn validate_claims(spec: &Map, pod: Option<&Map>, path: &Path<'_>, errors: &mut FieldErrors) {
    let is_mirror = pod
        .and_then(|metadata| metadata.map("annotations"))
        .is_some_and(|annotations| annotations.contains(super::annotations::MIRROR));
    let mut names = HashSet::new();
    for (i, claim) in spec.maps("resourceClaims").enumerate() {
        if is_mirror {
            errors.forbidden(&Path::new(""), "static pods do not support resource claims");
            return;
        }
        let path = path.index(i);
        let name = claim.str("name");
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if names.insert(name) {
            rules::dns_label(name, &path.child("name"), errors);
        } else {
            errors.duplicate(&path.child("name"), name);
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"];
        match sources.iter().filter(|field| claim.contains(field)).count() {
            0 => errors.invalid(
                &path,
                claim.clone(),
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            ),
            1 => {}
            _ => errors.invalid(
                &path,
                claim.clone(),
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            ),
        }
        for field in sources.into_iter().filter(|field| claim.contains(field)) {
            rules::dns_subdomain(claim.str(field), &path.child(field), errors);
        }
    }
}
