//! The baseline standard: nothing that is known to lead out of a container.

use super::Check;
use super::pod::{Pod, named, places, quoted, security};
use crate::tree::{Map, Node};

/// The checks, and whether the restricted standard has a stricter one in its place; in upstream's order.
const CHECKS: [(Check, bool); 12] = [
    (app_armor, false),
    (capabilities, true),
    (host_namespaces, false),
    (host_path_volumes, true),
    (host_ports, false),
    (hosts_of_probes, false),
    (privileged, false),
    (proc_mount, false),
    (selinux_options, false),
    (seccomp_profile, true),
    (sysctls, false),
    (windows_host_process, false),
];

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

const SELINUX_TYPES: [&str; 5] =
    ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

pub(super) fn violations(pod: &Pod<'_>, restricted: bool) -> Vec<String> {
    CHECKS
        .iter()
        .filter(|(_, replaced)| !(restricted && *replaced))
        .filter_map(|(check, _)| check(pod))
        .collect()
}

fn text<'a>(node: Option<&'a Node>, key: &str) -> &'a str {
    node.and_then(Node::as_map).map_or("", |map| map.str(key))
}

fn is_true(node: Option<&Node>) -> bool {
    node.and_then(Node::as_bool) == Some(true)
}

fn app_armor(pod: &Pod<'_>) -> Option<String> {
    let by_annotation: Vec<String> = pod
        .app_armor_annotations()
        .filter(|(_, profile)| {
            !(profile.is_empty() || *profile == "runtime/default" || profile.starts_with("localhost/"))
        })
        .map(|(name, profile)| format!("container.apparmor.security.beta.kubernetes.io/{name}={profile:?}"))
        .collect();
    let unconfined = |profile: Option<&Node>| text(profile, "type") == "Unconfined";
    let by_field = places(
        unconfined(pod.security("appArmorProfile")),
        pod.bad(|container| unconfined(security(container, "appArmorProfile"))),
    )
    .map(|places| format!("{places} must not set AppArmor profile type to \"Unconfined\""));
    let places: Vec<String> = by_annotation.into_iter().chain(by_field).collect();
    let noun = if places.len() > 1 { "profiles" } else { "profile" };
    (!places.is_empty()).then(|| format!("forbidden AppArmor {noun} ({})", places.join(", ")))
}

/// Capabilities that a container adds and that are not in `allowed`.
pub(super) fn added<'a>(container: &'a Map, allowed: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let list =
        container.map_at(&["securityContext", "capabilities"]).map(|it| it.list("add")).unwrap_or_default();
    list.iter().filter_map(Node::as_str).filter(|capability| !allowed.contains(capability))
}

fn capabilities(pod: &Pod<'_>) -> Option<String> {
    let containers = pod.bad(|container| added(container, &CAPABILITIES).next().is_some())?;
    let capabilities: Vec<&str> =
        pod.containers().flat_map(|container| added(container, &CAPABILITIES)).collect();
    let capabilities = quoted(capabilities);
    Some(format!(
        "non-default capabilities ({containers} must not include {capabilities} in securityContext.capabilities.add)"
    ))
}

fn host_namespaces(pod: &Pod<'_>) -> Option<String> {
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|key| pod.spec.bool(key) == Some(true))
        .map(|key| format!("{key}=true"))
        .collect();
    (!shared.is_empty()).then(|| format!("host namespaces ({})", shared.join(", ")))
}

fn host_path_volumes(pod: &Pod<'_>) -> Option<String> {
    let volumes = pod.spec.maps("volumes").filter(|volume| volume.contains("hostPath"));
    named("volume", volumes.map(|volume| volume.str("name")))
        .map(|volumes| format!("hostPath volumes ({volumes})"))
}

fn host_ports(pod: &Pod<'_>) -> Option<String> {
    let ports = |container: &Map| -> Vec<i64> {
        container.maps("ports").filter_map(|port| port.int("hostPort")).filter(|port| *port != 0).collect()
    };
    let containers = pod.bad(|container| !ports(container).is_empty())?;
    let mut all: Vec<i64> = pod.containers().flat_map(ports).collect();
    all.sort_unstable();
    all.dedup();
    let noun = if all.len() > 1 { "hostPorts" } else { "hostPort" };
    let uses = if containers.starts_with("containers") { "use" } else { "uses" };
    let list: Vec<String> = all.iter().map(ToString::to_string).collect();
    Some(format!("hostPort ({containers} {uses} {noun} {})", list.join(", ")))
}

fn hosts_of_probes(pod: &Pod<'_>) -> Option<String> {
    let hosts = |container: &Map| -> Vec<String> {
        let mut handlers: Vec<&Map> = ["livenessProbe", "readinessProbe", "startupProbe"]
            .into_iter()
            .filter_map(|probe| container.map(probe))
            .collect();
        handlers.extend(
            ["postStart", "preStop"].iter().filter_map(|hook| container.map_at(&["lifecycle", hook])),
        );
        let hosts = handlers
            .iter()
            .flat_map(|handler| ["httpGet", "tcpSocket"].map(|kind| handler.str_at(&[kind, "host"])));
        hosts.filter(|host| !host.is_empty()).map(str::to_owned).collect()
    };
    let containers = pod.bad(|container| !hosts(container).is_empty())?;
    let all: Vec<String> = pod.containers().flat_map(hosts).collect();
    let uses = if containers.starts_with("containers") { "use" } else { "uses" };
    let list = quoted(all.iter().map(String::as_str).collect());
    Some(format!("probe or lifecycle host ({containers} {uses} probe or lifecycle host {list})"))
}

fn privileged(pod: &Pod<'_>) -> Option<String> {
    pod.bad(|container| is_true(security(container, "privileged")))
        .map(|containers| format!("privileged ({containers} must not set securityContext.privileged=true)"))
}

fn proc_mount(pod: &Pod<'_>) -> Option<String> {
    let mount = |container: &Map| {
        let mount = security(container, "procMount").and_then(Node::as_str).unwrap_or("Default");
        (mount != "Default").then(|| mount.to_owned())
    };
    let containers = pod.bad(|container| mount(container).is_some())?;
    let mounts: Vec<String> = pod.containers().filter_map(mount).collect();
    let list = quoted(mounts.iter().map(String::as_str).collect());
    Some(format!("procMount ({containers} must not set securityContext.procMount to {list})"))
}

fn selinux_options(pod: &Pod<'_>) -> Option<String> {
    let own = |options: Option<&Node>| -> [bool; 3] {
        [
            !SELINUX_TYPES.contains(&text(options, "type")),
            !text(options, "user").is_empty(),
            !text(options, "role").is_empty(),
        ]
    };
    let of_pod = pod.security("seLinuxOptions");
    let of = |container: &Map| own(security(container, "seLinuxOptions"));
    let places = places(own(of_pod).contains(&true), pod.bad(|container| of(container).contains(&true)))?;
    let all: Vec<[bool; 3]> = [own(of_pod)].into_iter().chain(pod.containers().map(of)).collect();
    let types: Vec<&str> = [text(of_pod, "type")]
        .into_iter()
        .chain(pod.containers().map(|container| text(security(container, "seLinuxOptions"), "type")))
        .filter(|kind| !SELINUX_TYPES.contains(kind))
        .collect();
    let mut parts = Vec::new();
    if !types.is_empty() {
        let noun = if types.len() > 1 { "types" } else { "type" };
        parts.push(format!("{noun} {}", quoted(types)));
    }
    for (at, what) in [(1, "user may not be set"), (2, "role may not be set")] {
        if all.iter().any(|bad| bad[at]) {
            parts.push(what.to_owned());
        }
    }
    Some(format!(
        "seLinuxOptions ({places} set forbidden securityContext.seLinuxOptions: {})",
        parts.join("; ")
    ))
}

fn seccomp_profile(pod: &Pod<'_>) -> Option<String> {
    let unconfined = |profile: Option<&Node>| text(profile, "type") == "Unconfined";
    let of_pod = unconfined(pod.security("seccompProfile"));
    let containers = pod.bad(|container| unconfined(security(container, "seccompProfile")));
    places(of_pod, containers).map(|places| {
        format!(
            "seccompProfile ({places} must not set securityContext.seccompProfile.type to \"Unconfined\")"
        )
    })
}

fn sysctls(pod: &Pod<'_>) -> Option<String> {
    let list = pod.security("sysctls").and_then(Node::as_list)?;
    let forbidden: Vec<&str> = list
        .iter()
        .filter_map(Node::as_map)
        .map(|it| it.str("name"))
        .filter(|it| !SYSCTLS.contains(it))
        .collect();
    (!forbidden.is_empty()).then(|| format!("forbidden sysctls ({})", forbidden.join(", ")))
}

fn windows_host_process(pod: &Pod<'_>) -> Option<String> {
    let hosted = |options: Option<&Node>| {
        options.and_then(Node::as_map).and_then(|options| options.bool("hostProcess")) == Some(true)
    };
    let of_pod = hosted(pod.security("windowsOptions"));
    let containers = pod.bad(|container| hosted(security(container, "windowsOptions")));
    places(of_pod, containers).map(|places| {
        format!("hostProcess ({places} must not set securityContext.windowsOptions.hostProcess=true)")
    })
}
