//! Security contexts of pods and containers.

use std::collections::HashSet;

use super::{containers, paths, windows};
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::tree::{Map, Node};

/// Reports what is wrong with the security context of a pod.
pub(super) fn validate_pod(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(context) = spec.map("securityContext") else { return };
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        rules::within(context, field, rules::IDS, path, errors);
    }
    let (min, max) = rules::IDS;
    for (i, group) in context.list("supplementalGroups").iter().enumerate() {
        if let Some(group) = group.as_int().filter(|group| !(min..=max).contains(group)) {
            let path = path.child("supplementalGroups");
            errors.invalid(&path.index(i), group, crate::names::outside(min, max));
        }
    }
    validate_sysctls(spec, context, &path.child("sysctls"), errors);
    rules::choice(context, "fsGroupChangePolicy", &["Always", "OnRootMismatch"], path, errors);
    validate_profiles(context, path, errors);
    windows::validate_options(context.map("windowsOptions"), &path.child("windowsOptions"), errors);
    rules::choice(context, "supplementalGroupsPolicy", &["Merge", "Strict"], path, errors);
    rules::choice(context, "seLinuxChangePolicy", &["MountOption", "Recursive"], path, errors);
}

/// Reports what is wrong with the security context of a container whose pod shares the host's users or not.
pub(super) fn validate_container(
    container: &Map,
    host_users: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let Some(context) = container.map("securityContext") else { return };
    for field in ["runAsUser", "runAsGroup"] {
        rules::within(context, field, rules::IDS, path, errors);
    }
    if let Some(mount) = context.get("procMount").and_then(Node::as_str) {
        let path = path.child("procMount");
        if !matches!(mount, "Default" | "Unmasked") {
            errors.not_supported(&path, mount, &["Default", "Unmasked"]);
        }
        if host_users && mount == "Unmasked" {
            errors.invalid(&path, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    if context.bool("allowPrivilegeEscalation") == Some(false) {
        if context.bool("privileged") == Some(true) {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid(path, context.clone(), detail);
        }
        if context.map("capabilities").is_some_and(|it| rules::lists(it, "add", "CAP_SYS_ADMIN")) {
            let detail =
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid(path, context.clone(), detail);
        }
    }
    windows::validate_options(context.map("windowsOptions"), &path.child("windowsOptions"), errors);
    validate_profiles(context, path, errors);
}

fn validate_profiles(context: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(profile) = context.map("seccompProfile") {
        validate_seccomp(profile, &path.child("seccompProfile"), errors);
    }
    if let Some(profile) = context.map("appArmorProfile") {
        validate_app_armor(profile, &path.child("appArmorProfile"), errors);
    }
}

const PROFILE_TYPES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn validate_seccomp(profile: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let kind = profile.str("type");
    match kind {
        "" => errors.required(&path.child("type"), "type is required when seccompProfile is set"),
        _ => rules::choice(profile, "type", PROFILE_TYPES, path, errors),
    }
    let path = path.child("localhostProfile");
    match (kind, profile.get("localhostProfile").and_then(Node::as_str)) {
        ("Localhost", None) => errors.required(&path, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(file)) => paths::descending(file, &path, errors),
        (_, Some(_)) => {
            errors.invalid(&path, profile.clone(), "can only be set when seccomp type is Localhost");
        }
        (_, None) => {}
    }
}

fn validate_app_armor(profile: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const PROFILE_BYTES_MAX: usize = 4095;
    const MISSING: &str = "must be set when AppArmor type is Localhost";
    let name = profile.get("localhostProfile").and_then(Node::as_str);
    let name_path = path.child("localhostProfile");
    match (profile.str("type"), name) {
        ("", _) => errors.required(&path.child("type"), "type is required when appArmorProfile is set"),
        ("Localhost", None | Some("")) => errors.required(&name_path, MISSING),
        ("Localhost", Some(name)) => {
            if rules::is_padded(name) {
                errors.invalid(&name_path, name, "must not be padded with whitespace");
            }
            if name.len() > PROFILE_BYTES_MAX {
                errors.too_long(&name_path, PROFILE_BYTES_MAX);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => {
            errors.invalid(&name_path, name, "can only be set when AppArmor type is Localhost");
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        (other, _) => errors.not_supported(&path.child("type"), other, PROFILE_TYPES),
    }
}

fn validate_sysctls(spec: &Map, context: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = HashSet::new();
    for (i, sysctl) in context.maps("sysctls").enumerate() {
        let name = sysctl.str("name");
        let path = path.index(i);
        let path = path.child("name");
        let is_new = seen.insert(name);
        if name.is_empty() {
            errors.required(&path, "");
        } else if !is_sysctl(name) {
            errors.invalid(&path, name, SYSCTL_SENTENCE);
        } else if !is_new {
            errors.duplicate(&path, name);
        }
        let dotted = name.replace('/', ".");
        if spec.bool("hostNetwork") == Some(true) && dotted.starts_with("net.") {
            errors.invalid(&path, name, "may not be specified when 'hostNetwork' is true");
        }
        let is_ipc =
            ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."].iter().any(|it| dotted.starts_with(it));
        if spec.bool("hostIPC") == Some(true) && is_ipc {
            errors.invalid(&path, name, "may not be specified when 'hostIPC' is true");
        }
    }
}

const SYSCTL_MAX: usize = 253;
const SYSCTL_SENTENCE: &str = r"must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

fn is_sysctl(name: &str) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= SYSCTL_MAX
        && name.split(['.', '/']).all(|part| {
            part.as_bytes().first().is_some_and(is_alphanumeric)
                && part.as_bytes().last().is_some_and(is_alphanumeric)
                && part.bytes().all(|byte| is_alphanumeric(&byte) || matches!(byte, b'-' | b'_'))
        })
}

/// Reports what conflicts with the pod sharing namespaces of the host.
pub(super) fn validate_host_namespaces(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let is = |field| spec.bool(field) == Some(true);
    if is("hostPID") && is("shareProcessNamespace") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&path.child("shareProcessNamespace"), true, detail);
    }
    if spec.bool("hostUsers") != Some(false) {
        return;
    }
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if is(field) {
            errors.forbidden(&path.child(shown), "when `hostUsers` is false");
        }
    }
    containers::each(spec, path, &mut |container, path| {
        if !container.list("volumeDevices").is_empty() {
            errors.forbidden(&path.child("volumeDevices"), "when `hostUsers` is false");
        }
    });
}
