//! The restricted standard, beyond the baseline: what a hardened pod says of itself.

use super::Check;
use super::baseline::added;
use super::pod::{Pod, named, quoted, security};
use crate::tree::{Map, Node};

/// The checks, in upstream's order.
const CHECKS: [Check; 6] = [
    allow_privilege_escalation,
    capabilities,
    restricted_volumes,
    run_as_non_root,
    run_as_user,
    seccomp_profile,
];

const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

pub(super) fn violations(pod: &Pod<'_>) -> Vec<String> {
    CHECKS.iter().filter_map(|check| check(pod)).collect()
}

fn allow_privilege_escalation(pod: &Pod<'_>) -> Option<String> {
    if pod.is_windows() {
        return None;
    }
    let containers = pod.bad(|container| {
        security(container, "allowPrivilegeEscalation").and_then(Node::as_bool) != Some(false)
    })?;
    Some(format!(
        "allowPrivilegeEscalation != false ({containers} must set securityContext.allowPrivilegeEscalation=false)"
    ))
}

fn capabilities(pod: &Pod<'_>) -> Option<String> {
    if pod.is_windows() {
        return None;
    }
    let drops_all = |container: &Map| {
        let capabilities = container.map_at(&["securityContext", "capabilities"]);
        capabilities
            .is_some_and(|it| it.list("drop").iter().any(|capability| capability.as_str() == Some("ALL")))
    };
    const ALLOWED: [&str; 1] = ["NET_BIND_SERVICE"];
    let mut parts = Vec::new();
    if let Some(containers) = pod.bad(|container| !drops_all(container)) {
        parts.push(format!("{containers} must set securityContext.capabilities.drop=[\"ALL\"]"));
    }
    if let Some(containers) = pod.bad(|container| added(container, &ALLOWED).next().is_some()) {
        let list = quoted(pod.containers().flat_map(|container| added(container, &ALLOWED)).collect());
        parts.push(format!("{containers} must not include {list} in securityContext.capabilities.add"));
    }
    (!parts.is_empty()).then(|| format!("unrestricted capabilities ({})", parts.join("; ")))
}

fn restricted_volumes(pod: &Pod<'_>) -> Option<String> {
    let kind = |volume: &Map| {
        let kind = volume.keys().find(|key| key.as_str() != "name").map(|key| key.as_str().to_owned());
        kind.filter(|kind| !VOLUMES.contains(&kind.as_str()))
    };
    let bad: Vec<(&str, String)> =
        pod.spec.maps("volumes").filter_map(|volume| Some((volume.str("name"), kind(volume)?))).collect();
    let volumes = named("volume", bad.iter().map(|(name, _)| *name))?;
    let mut kinds: Vec<&str> = bad.iter().map(|(_, kind)| kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let uses = if bad.len() > 1 { "use" } else { "uses" };
    let noun = if kinds.len() > 1 { "types" } else { "type" };
    Some(format!("restricted volume types ({volumes} {uses} restricted volume {noun} {})", quoted(kinds)))
}

fn run_as_non_root(pod: &Pod<'_>) -> Option<String> {
    let of_pod = pod.security("runAsNonRoot").and_then(Node::as_bool);
    let of = |container: &Map| security(container, "runAsNonRoot").and_then(Node::as_bool);
    let explicit = pod.bad(|container| of(container) == Some(false));
    if of_pod == Some(false) || explicit.is_some() {
        let places = super::pod::places(of_pod == Some(false), explicit)?;
        return Some(format!(
            "runAsNonRoot != true ({places} must not set securityContext.runAsNonRoot=false)"
        ));
    }
    if of_pod == Some(true) {
        return None;
    }
    let containers = pod.bad(|container| of(container).is_none())?;
    Some(format!("runAsNonRoot != true (pod or {containers} must set securityContext.runAsNonRoot=true)"))
}

fn run_as_user(pod: &Pod<'_>) -> Option<String> {
    let is_root = |user: Option<&Node>| user.and_then(Node::as_int) == Some(0);
    let containers = pod.bad(|container| is_root(security(container, "runAsUser")));
    super::pod::places(is_root(pod.security("runAsUser")), containers)
        .map(|places| format!("runAsUser=0 ({places} must not set runAsUser=0)"))
}

fn seccomp_profile(pod: &Pod<'_>) -> Option<String> {
    if pod.is_windows() {
        return None;
    }
    let kind =
        |profile: Option<&Node>| profile.and_then(Node::as_map).map(|profile| profile.str("type").to_owned());
    let good = |kind: &Option<String>| matches!(kind.as_deref(), Some("RuntimeDefault" | "Localhost"));
    let of_pod = kind(pod.security("seccompProfile"));
    let of = |container: &Map| kind(security(container, "seccompProfile"));
    let explicit = pod.bad(|container| of(container).is_some() && !good(&of(container)));
    let pod_is_bad = of_pod.is_some() && !good(&of_pod);
    if pod_is_bad || explicit.is_some() {
        let places = super::pod::places(pod_is_bad, explicit)?;
        let kinds: Vec<String> = [of_pod]
            .into_iter()
            .chain(pod.containers().map(of))
            .filter(|kind| !good(kind))
            .flatten()
            .collect();
        let list = quoted(kinds.iter().map(String::as_str).collect());
        return Some(format!(
            "seccompProfile ({places} must not set securityContext.seccompProfile.type to {list})"
        ));
    }
    if good(&of_pod) {
        return None;
    }
    let containers = pod.bad(|container| of(container).is_none())?;
    Some(format!(
        "seccompProfile (pod or {containers} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \
         \"Localhost\")"
    ))
}
