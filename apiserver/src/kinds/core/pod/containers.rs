//! Containers of a pod: regular, init and ephemeral.
//!
//! Keeps: names are unique over all three; only init containers that restart always live beside the regular ones.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::mounts::Volumes;
use super::{env, mounts, probes, resources, security, sums, volumes};
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::tree::{Map, Node};

/// The lists of containers, in the order in which upstream visits them.
pub(super) const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// All containers of a pod's spec.
pub(crate) fn all(spec: &Map) -> impl Iterator<Item = &Map> {
    LISTS.into_iter().flat_map(|list| spec.maps(list))
}

/// Calls `visit` for every container with its path.
pub(super) fn each<'a>(spec: &'a Map, path: &Path<'_>, visit: &mut dyn FnMut(&'a Map, &Path<'_>)) {
    for list in LISTS {
        let path = path.child(list);
        for (i, container) in spec.maps(list).enumerate() {
            visit(container, &path.index(i));
        }
    }
}

/// What containers are judged against.
pub(super) struct Surroundings<'a> {
    pub(super) spec: &'a Map,
    pub(super) volumes: &'a Volumes<'a>,
    pub(super) claims: HashSet<&'a str>,
    /// The spec stands in a Pod, not in a template.
    pub(super) is_pod: bool,
}

impl Surroundings<'_> {
    fn grace_period(&self) -> Option<i64> {
        self.spec.int("terminationGracePeriodSeconds")
    }

    fn os(&self) -> &str {
        self.spec.str_at(&["os", "name"])
    }

    fn host_users(&self) -> bool {
        self.spec.bool("hostUsers") != Some(false)
    }

    /// Reports what is wrong with all containers of the spec at `path`.
    pub(super) fn validate(&self, path: &Path<'_>, errors: &mut FieldErrors) {
        self.validate_regular(&path.child("containers"), errors);
        self.validate_init(&path.child("initContainers"), errors);
        self.validate_ephemeral(&path.child("ephemeralContainers"), errors);
        validate_host_ports_match(self.spec, self.is_pod, path, errors);
        validate_file_keys(self.spec, path, errors);
    }

    fn validate_regular(&self, path: &Path<'_>, errors: &mut FieldErrors) {
        if self.spec.list("containers").is_empty() {
            errors.required(path, "");
        }
        let mut names = HashSet::new();
        let mut host_ports = HashSet::new();
        for (i, container) in self.spec.maps("containers").enumerate() {
            let path = path.index(i);
            self.validate_any(container, &path, errors);
            take_name(container, &mut names, &path, errors);
            probes::validate(container, self.grace_period(), self.os(), &path, errors);
            validate_restart_policy(container, &path, errors);
            take_host_ports(container, &mut host_ports, &path, errors);
        }
    }

    fn validate_init(&self, path: &Path<'_>, errors: &mut FieldErrors) {
        let mut names: HashSet<&str> =
            self.spec.maps("containers").map(|container| container.str("name")).collect();
        for (i, container) in self.spec.maps("initContainers").enumerate() {
            let path = path.index(i);
            self.validate_any(container, &path, errors);
            validate_restart_policy(container, &path, errors);
            take_name(container, &mut names, &path, errors);
            // They run one by one, so each has the host's ports for itself.
            take_host_ports(container, &mut HashSet::new(), &path, errors);
            if sums::is_sidecar(container) {
                probes::validate(container, self.grace_period(), self.os(), &path, errors);
            } else {
                forbid_for_init(container, &path, errors);
            }
        }
    }

    fn validate_ephemeral(&self, path: &Path<'_>, errors: &mut FieldErrors) {
        let others = || ["containers", "initContainers"].into_iter().flat_map(|list| self.spec.maps(list));
        let mut names: HashSet<&str> = others().map(|container| container.str("name")).collect();
        let known = names.clone();
        for (i, container) in self.spec.maps("ephemeralContainers").enumerate() {
            let path = path.index(i);
            self.validate_any(container, &path, errors);
            validate_image_padding(container, &path, errors);
            take_name(container, &mut names, &path, errors);
            let target = container.str("targetContainerName");
            if !target.is_empty() && !known.contains(target) {
                errors.not_found(&path.child("targetContainerName"), target);
            }
            forbid_for_ephemeral(container, &path, errors);
        }
    }

    /// What all containers have in common.
    fn validate_any(&self, container: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
        if rules::require_text(container, "name", path, errors) {
            rules::dns_label(container.str("name"), &path.child("name"), errors);
        }
        rules::require_text(container, "image", path, errors);
        let policies = &["File", "FallbackToLogsOnError"];
        rules::require_choice_in_order(container, "terminationMessagePolicy", policies, path, errors);
        validate_ports(container, &path.child("ports"), errors);
        env::validate(container, path, errors);
        mounts::validate(container, self.volumes, path, errors);
        volumes::validate_pull_policy(container, "imagePullPolicy", path, errors);
        resources::validate_container(container, &self.claims, path, errors);
        validate_resize_policy(
            container,
            self.spec.str("restartPolicy"),
            &path.child("resizePolicy"),
            errors,
        );
        security::validate_container(container, self.host_users(), &path.child("securityContext"), errors);
    }
}

/// Reports white space around the image: templates may have it, pods may not.
pub(super) fn validate_image_padding(container: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let image = container.str("image");
    if rules::is_padded(image) {
        errors.invalid(&path.child("image"), image, "must not have leading or trailing whitespace");
    }
}

fn take_name<'a>(
    container: &'a Map,
    names: &mut HashSet<&'a str>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let name = container.str("name");
    if !name.is_empty() && !names.insert(name) {
        errors.duplicate(&path.child("name"), name);
    }
}

/// A port of the host, as containers claim it: protocol, address, number.
type HostPort<'a> = (&'a str, &'a str, i64);

fn take_host_ports<'a>(
    container: &'a Map,
    taken: &mut HashSet<HostPort<'a>>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    for (i, port) in container.maps("ports").enumerate() {
        let Some(number) = port.int("hostPort").filter(|number| *number != 0) else { continue };
        let (protocol, address) = (port.str("protocol"), port.str("hostIP"));
        if !taken.insert((protocol, address, number)) {
            let claim = format!("{protocol}/{address}/{number}");
            errors.duplicate(&path.child("ports").index(i).child("hostPort"), claim);
        }
    }
}

fn validate_ports(container: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut names = HashSet::new();
    for (i, port) in container.maps("ports").enumerate() {
        let path = path.index(i);
        let name = port.str("name");
        if !name.is_empty() {
            let faults = crate::names::text::port_name(name);
            if !faults.is_empty() {
                crate::names::report(errors, &path.child("name"), name, faults);
            } else if !names.insert(name) {
                errors.duplicate(&path.child("name"), name);
            }
        }
        match port.int("containerPort").unwrap_or(0) {
            0 => errors.required(&path.child("containerPort"), ""),
            number => rules::port_number(number, &path.child("containerPort"), errors),
        }
        if let Some(number) = port.int("hostPort").filter(|number| *number != 0) {
            rules::port_number(number, &path.child("hostPort"), errors);
        }
        rules::require_choice(port, "protocol", &["SCTP", "TCP", "UDP"], &path, errors);
    }
}

/// On the host's network a container's port is the host's port.
fn validate_host_ports_match(spec: &Map, is_pod: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    if spec.bool("hostNetwork") != Some(true) {
        return;
    }
    let path = path.child("containers");
    for (i, container) in spec.maps("containers").enumerate() {
        for (j, port) in container.maps("ports").enumerate() {
            let host = port.int("hostPort").unwrap_or(0);
            // A template's pods get theirs when they are made.
            if (is_pod || host != 0) && host != port.int("containerPort").unwrap_or(0) {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&path.index(i).child("ports").index(j).child("hostPort"), host, detail);
            }
        }
    }
}

fn validate_resize_policy(container: &Map, restart_policy: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = HashSet::new();
    for (i, policy) in container.maps("resizePolicy").enumerate() {
        let (resource, restart) = (policy.str("resourceName"), policy.str("restartPolicy"));
        if !seen.insert(resource) {
            errors.duplicate(&path.index(i), resource);
        }
        match resource {
            "cpu" | "memory" => {}
            "" => errors.required(path, ""),
            _ => errors.not_supported(path, resource, &["cpu", "memory"]),
        }
        match restart {
            "NotRequired" | "RestartContainer" => {}
            "" => errors.required(path, ""),
            _ => errors.not_supported(path, restart, &["NotRequired", "RestartContainer"]),
        }
        if restart_policy == "Never" && restart != "NotRequired" {
            errors.invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
        }
    }
}

fn validate_restart_policy(container: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const RULES_MAX: usize = 20;
    const EXIT_CODES_MAX: usize = 255;
    let restart_rules = container.list("restartPolicyRules");
    if !container.contains("restartPolicy") && !restart_rules.is_empty() {
        errors
            .required(&path.child("restartPolicy"), "must specify restartPolicy when restart rules are used");
    }
    rules::choice(container, "restartPolicy", &["Always", "Never", "OnFailure"], path, errors);
    let rules_path = path.child("restartPolicyRules");
    if restart_rules.len() > RULES_MAX {
        errors.too_many(&rules_path, restart_rules.len(), RULES_MAX);
    }
    for (i, rule) in container.maps("restartPolicyRules").enumerate() {
        let path = rules_path.index(i);
        let action = rule.str("action");
        if !matches!(action, "Restart" | "RestartAllContainers") {
            errors.not_supported(&path.child("action"), action, &["Restart", "RestartAllContainers"]);
        }
        let Some(codes) = rule.map("exitCodes") else {
            errors.required(&path.child("exitCodes"), "must be specified");
            continue;
        };
        let path = path.child("exitCodes");
        if !matches!(codes.str("operator"), "In" | "NotIn") {
            errors.not_supported(&path.child("operator"), codes.str("operator"), &["In", "NotIn"]);
        }
        let count = codes.list("values").len();
        if count > EXIT_CODES_MAX {
            errors.too_many(&path.child("values"), count, EXIT_CODES_MAX);
        }
    }
}

fn forbid_for_init(container: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if container.contains(field) {
            let detail = "may not be set for init containers without restartPolicy=Always";
            errors.forbidden(&path.child(field), detail);
        }
    }
    for (i, policy) in container.maps("resizePolicy").enumerate() {
        if policy.str("restartPolicy") == "RestartContainer" {
            let path = path.child("resizePolicy");
            let detail = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            errors.invalid(&path.index(i).child("restartPolicy"), "RestartContainer", detail);
        }
    }
}

fn forbid_for_ephemeral(container: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const FORBIDDEN: &str = "cannot be set for an Ephemeral Container";
    const FIELDS: &[&str] = &[
        "ports",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
        "resizePolicy",
        "restartPolicy",
        "restartPolicyRules",
    ];
    for field in FIELDS.iter().filter(|field| container.contains(field)) {
        errors.forbidden(&path.child(field), FORBIDDEN);
    }
    if container.map("resources").is_some_and(|resources| !resources.is_empty()) {
        errors.forbidden(&path.child("resources"), FORBIDDEN);
    }
    for (i, mount) in container.maps("volumeMounts").enumerate() {
        for field in ["subPath", "subPathExpr"] {
            if !mount.str(field).is_empty() {
                errors.forbidden(&path.child("volumeMounts").index(i).child(field), FORBIDDEN);
            }
        }
    }
}

/// Items by name; of several with one name the first.
pub(super) fn first_of_each_name<'a>(items: impl Iterator<Item = &'a Map>) -> HashMap<&'a str, &'a Map> {
    let mut named = HashMap::new();
    items.for_each(|item| {
        named.entry(item.str("name")).or_insert(item);
    });
    named
}

/// A variable that is read from a file needs an `emptyDir` that holds the file.
fn validate_file_keys(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let volumes = OnceCell::new();
    each(spec, path, &mut |container, path| {
        for (i, variable) in container.maps("env").enumerate() {
            let Some(reference) = variable.map_at(&["valueFrom", "fileKeyRef"]) else { continue };
            let name = reference.str("volumeName");
            let volume = volumes.get_or_init(|| first_of_each_name(spec.maps("volumes"))).get(name);
            let path = path.child("env");
            let path = path.index(i);
            let path = path.child("valueFrom");
            let path = path.child("fileKeyRef");
            let path = path.child("volumeName");
            match volume {
                None => errors.not_found(&path, name),
                Some(volume) if !matches!(volume.get("emptyDir"), Some(Node::Map(_))) => {
                    errors.invalid(&path, name, "referenced volume must be of type emptyDir");
                }
                Some(_) => {}
            }
        }
    });
}
