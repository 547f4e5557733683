//! What differs between pods for Windows and for Linux.

use super::containers;
use crate::field::{FieldErrors, Path};
use crate::names;
use crate::tree::{Map, Node};

/// Fields of a pod's security context that Windows does not have.
const POD_CONTEXT: &[&str] = &[
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
];
const POD: &[&str] = &["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"];
const CONTAINER_CONTEXT: &[&str] = &[
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// Reports what does not fit the operating system that the pod names.
pub(super) fn validate_os(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(os) = spec.map("os") else { return };
    match os.str("name") {
        "" => errors.required(&path.child("os").child("name"), ""),
        "linux" => forbid(
            spec,
            &["windowsOptions"],
            &[],
            &["windowsOptions"],
            "windows options cannot be set for a linux pod",
            path,
            errors,
        ),
        "windows" => {
            forbid(spec, POD_CONTEXT, POD, CONTAINER_CONTEXT, "cannot be set for a windows pod", path, errors)
        }
        other => errors.not_supported(&path.child("os"), other, &["linux", "windows"]),
    }
}

fn forbid(
    spec: &Map,
    pod_context: &[&str],
    pod: &[&str],
    container_context: &[&str],
    detail: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let context_path = path.child("securityContext");
    let empty = Map::new();
    let context = spec.map("securityContext").unwrap_or(&empty);
    for field in pod_context.iter().filter(|field| context.contains(field)) {
        errors.forbidden(&context_path.child(field), detail);
    }
    for field in pod.iter().filter(|field| spec.contains(field)) {
        errors.forbidden(&path.child(field), detail);
    }
    containers::each(spec, path, &mut |container, path| {
        let path = path.child("securityContext");
        let context = container.map("securityContext").unwrap_or(&empty);
        for field in container_context.iter().filter(|field| context.contains(field)) {
            errors.forbidden(&path.child(field), detail);
        }
    });
}

/// Reports what is wrong with the Windows options of a security context.
pub(super) fn validate_options(options: Option<&Map>, path: &Path<'_>, errors: &mut FieldErrors) {
    const CREDENTIAL_BYTES_MAX: usize = 64 * 1024;
    let Some(options) = options else { return };
    let text = |field| options.get(field).and_then(Node::as_str);
    if let Some(name) = text("gmsaCredentialSpecName") {
        let path = path.child("gmsaCredentialSpecName");
        names::report(errors, &path, name, names::dns::subdomain(name));
    }
    if let Some(spec) = text("gmsaCredentialSpec") {
        let path = path.child("gmsaCredentialSpec");
        if spec.is_empty() {
            errors.invalid(&path, spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > CREDENTIAL_BYTES_MAX {
            errors.invalid(&path, spec, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if let Some(name) = text("runAsUserName") {
        for fault in user_name_faults(name) {
            errors.invalid(&path.child("runAsUserName"), name, format!("runAsUserName{fault}"));
        }
    }
}

/// What is wrong with `[DOMAIN\]USER`.
fn user_name_faults(name: &str) -> Vec<&'static str> {
    const DOMAIN_MAX: usize = 256;
    const USER_MAX: usize = 104;
    if name.is_empty() {
        return vec![" cannot be an empty string"];
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return vec![" cannot contain control characters"];
    }
    let mut parts = name.split('\\');
    let first = parts.next().unwrap_or_default();
    let (domain, user) = match (parts.next(), parts.next()) {
        (None, _) => (None, first),
        (Some(user), None) => (Some(first), user),
        _ => return vec![" cannot contain more than one backslash"],
    };
    let mut faults = Vec::new();
    if domain.is_some_and(|domain| domain.len() >= DOMAIN_MAX) {
        faults.push("'s Domain length must be under 256 characters");
    }
    if domain.is_some_and(|domain| !is_net_bios(domain) && !is_dns(domain)) {
        faults.push("'s Domain doesn't match the NetBios nor the DNS format");
    }
    if user.is_empty() {
        faults.push("'s User cannot be empty");
    } else if user.len() > USER_MAX {
        faults.push("'s User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        faults.push("'s User cannot contain only periods or spaces");
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        faults.push(r#"'s User cannot contain the following characters: "/\:;|=,+*?<>@[]"#);
    }
    faults
}

fn is_net_bios(domain: &str) -> bool {
    const NAME_MAX: usize = 15;
    (1..=NAME_MAX).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|'])
}

fn is_dns(domain: &str) -> bool {
    domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// Reports a pod that mixes containers that are processes of the host with others, or has no host network for them.
pub(super) fn validate_host_process(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let host_process = |owner: &Map| {
        owner
            .map("securityContext")
            .and_then(|it| it.map("windowsOptions"))
            .and_then(|it| it.bool("hostProcess"))
    };
    let of_pod = host_process(spec);
    let mut all = 0;
    let mut of_host = 0;
    containers::each(spec, path, &mut |container, path| {
        let own = host_process(container);
        if let (Some(pod), Some(own)) = (of_pod, own)
            && pod != own
        {
            let path = path.child("securityContext");
            let path = path.child("windowsOptions");
            let detail = format!("pod hostProcess value must be identical if both are specified, was {pod}");
            errors.invalid(&path.child("hostProcess"), own, detail);
        }
        all += 1;
        of_host += usize::from(own.or(of_pod) == Some(true));
    });
    if of_host == 0 {
        return;
    }
    if of_host != all {
        let detail =
            "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.invalid(path, "", detail);
    }
    if spec.bool("hostNetwork") != Some(true) {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid(&path.child("hostNetwork"), false, detail);
    }
}
