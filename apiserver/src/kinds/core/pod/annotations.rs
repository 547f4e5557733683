//! Annotations that mean something for a pod: mirror pods, deletion cost, old ways of naming security profiles.

use super::containers;
use crate::field::{FieldErrors, Path};
use crate::tree::{Map, Node};

/// Marks the image of a static pod.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const APP_ARMOR_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_PREFIX: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// Reports what is wrong with the annotations of a pod or template with `spec`.
pub(super) fn validate(annotations: Option<&Map>, spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for (key, value) in annotations.into_iter().flat_map(Map::iter) {
        let value = value.as_str().unwrap_or_default();
        if key.as_str() == MIRROR && spec.str("nodeName").is_empty() {
            let detail = "must set spec.nodeName if mirror pod annotation is set";
            errors.invalid(&path.key(MIRROR), value, detail);
        }
        if key.as_str() == DELETION_COST && !is_cost(value) {
            errors.invalid(&path.key(DELETION_COST), value, "must be a 32bit integer");
        }
        if key.as_str() == SECCOMP_POD || key.starts_with(SECCOMP_PREFIX) {
            validate_seccomp(value, &path.child(key), errors);
        }
        if let Some(container) = key.strip_prefix(APP_ARMOR_PREFIX) {
            validate_app_armor(container, value, spec, &path.key(key), errors);
        }
    }
}

/// A number of 32 bits as `strconv` prints it: no plus, no leading zeros.
fn is_cost(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let plain = digits == "0" || !digits.starts_with(['0', '+']);
    plain && value.parse::<i32>().is_ok()
}

fn validate_seccomp(profile: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if matches!(profile, "runtime/default" | "docker/default" | "unconfined") {
        return;
    }
    match profile.strip_prefix("localhost/") {
        Some(file) => super::paths::descending(file, path, errors),
        None => errors.invalid(path, profile, "must be a valid seccomp profile"),
    }
}

fn validate_app_armor(container: &str, profile: &str, spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut found = false;
    containers::each(spec, path, &mut |it, _| found |= it.str("name") == container);
    if !found {
        errors.invalid(path, container, "container not found");
    }
    if !matches!(profile, "" | "runtime/default" | "unconfined") && !profile.starts_with("localhost/") {
        errors.invalid(path, profile, format!("invalid AppArmor profile name: {profile:?}"));
    }
}

/// Reports profiles that annotation and field name differently.
pub(super) fn validate_profiles_match(
    annotations: Option<&Map>,
    spec: &Map,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let Some(annotations) = annotations else { return };
    let of_pod = spec.map("securityContext");
    let pod_path = path.child("securityContext");
    if let Some(profile) = of_pod.and_then(|context| context.map("seccompProfile")) {
        let path = pod_path.child("seccompProfile");
        validate_match(annotations.str(SECCOMP_POD), profile, "seccomp", &path, errors);
    }
    let is_windows = spec.str_at(&["os", "name"]) == "windows";
    containers::each(spec, path, &mut |container, path| {
        let context = container.map("securityContext");
        let path = path.child("securityContext");
        let name = container.str("name");
        if let Some(profile) = context.and_then(|context| context.map("seccompProfile")) {
            let annotation = of_container(annotations, SECCOMP_PREFIX, name);
            validate_match(annotation, profile, "seccomp", &path.child("seccompProfile"), errors);
        }
        let profile = context
            .and_then(|it| it.map("appArmorProfile"))
            .or(of_pod.and_then(|it| it.map("appArmorProfile")));
        if let Some(profile) = profile.filter(|_| !is_windows) {
            let annotation = of_container(annotations, APP_ARMOR_PREFIX, name);
            validate_match(annotation, profile, "apparmor", &path.child("appArmorProfile"), errors);
        }
    });
}

/// The annotation about a container; empty when there is none.
fn of_container<'a>(annotations: &'a Map, prefix: &str, name: &str) -> &'a str {
    let found = annotations.iter().find(|(key, _)| key.strip_prefix(prefix) == Some(name));
    found.and_then(|(_, annotation)| annotation.as_str()).unwrap_or("")
}

fn validate_match(annotation: &str, profile: &Map, what: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if annotation.is_empty() {
        return;
    }
    let matches = match profile.str("type") {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => matches!(annotation, "runtime/default" | "docker/default"),
        "Localhost" => match annotation.strip_prefix("localhost/") {
            Some(file) if file != profile.str("localhostProfile") => {
                let detail = format!("{what} profile in annotation and field must match");
                errors.forbidden(&path.child("localhostProfile"), detail);
                return;
            }
            file => file.is_some(),
        },
        _ => true,
    };
    if !matches {
        errors.forbidden(&path.child("type"), format!("{what} type in annotation and field must match"));
    }
}

/// Reports changes of annotations that a pod keeps for life.
pub(super) fn validate_update(
    new: Option<&Map>,
    old: Option<&Map>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let value = |map: Option<&Map>, key: &str| {
        map.and_then(|map| map.get(key)).and_then(Node::as_str).map(str::to_owned)
    };
    let kept = |key: &str| match key {
        MIRROR => Some("mirror pod annotation"),
        _ if key.starts_with(APP_ARMOR_PREFIX) => Some("AppArmor annotations"),
        _ => None,
    };
    for (map, verb) in [(old, "remove or update"), (new, "add")] {
        for key in map.into_iter().flat_map(Map::keys) {
            let Some(what) = kept(key) else { continue };
            let known = value(old, key);
            let changed = if verb == "add" { known.is_none() } else { value(new, key) != known };
            if changed {
                errors.forbidden(&path.key(key), format!("may not {verb} {what}"));
            }
        }
    }
}
