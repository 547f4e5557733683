//! Volume mounts and devices of containers.

use std::collections::{HashMap, HashSet};

use super::paths;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::tree::Map;

/// The sound volumes of a pod by name.
pub(super) type Volumes<'a> = HashMap<&'a str, &'a Map>;

/// What one list of a container takes, which the other may not take, too.
struct Taken<'a> {
    names: HashSet<&'a str>,
    targets: HashSet<&'a str>,
}

impl<'a> Taken<'a> {
    fn by(container: &'a Map, list: &str, target: &str) -> Taken<'a> {
        Taken {
            names: container.maps(list).map(|item| item.str("name")).collect(),
            targets: container.maps(list).map(|item| item.str(target)).collect(),
        }
    }
}

/// Reports what is wrong with `volumeMounts` and `volumeDevices` of a container.
pub(super) fn validate(container: &Map, volumes: &Volumes<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let mounts = path.child("volumeMounts");
    let by_devices = Taken::by(container, "volumeDevices", "devicePath");
    let mut targets = HashSet::new();
    for (i, mount) in container.maps("volumeMounts").enumerate() {
        let is_repeated = !targets.insert(mount.str("mountPath"));
        let path = mounts.index(i);
        validate_place(mount, is_repeated, volumes, &by_devices, &path, errors);
        // The list's own path, for these, is upstream's choice.
        validate_sub_paths(mount, &mounts, &path, errors);
        validate_propagation(mount, container, &mounts, errors);
        validate_recursion(mount, &mounts, errors);
        validate_options(mount, volumes.get(mount.str("name")).copied(), &path, errors);
    }
    let devices = path.child("volumeDevices");
    let by_mounts = Taken::by(container, "volumeMounts", "mountPath");
    let (mut names, mut targets) = (HashSet::new(), HashSet::new());
    for (i, device) in container.maps("volumeDevices").enumerate() {
        let path = devices.index(i);
        let (name, target) = (device.str("name"), device.str("devicePath"));
        validate_device_name(name, !names.insert(name), volumes, &path, errors);
        validate_device_path(target, !targets.insert(target), &path, errors);
        if by_mounts.names.contains(name) {
            errors.invalid(&path.child("name"), name, "must not already exist in volumeMounts");
        }
        if by_mounts.targets.contains(target) {
            let detail = "must not already exist as a path in volumeMounts";
            errors.invalid(&path.child("devicePath"), target, detail);
        }
    }
}

fn validate_place(
    mount: &Map,
    is_repeated: bool,
    volumes: &Volumes<'_>,
    by_devices: &Taken<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let (name, target) = (mount.str("name"), mount.str("mountPath"));
    rules::require_text(mount, "name", path, errors);
    if !volumes.contains_key(name) {
        errors.not_found(&path.child("name"), name);
    }
    rules::require_text(mount, "mountPath", path, errors);
    if is_repeated {
        errors.invalid(&path.child("mountPath"), target, "must be unique");
    }
    if by_devices.names.contains(name) {
        errors.invalid(&path.child("name"), name, "must not already exist in volumeDevices");
    }
    if by_devices.targets.contains(target) {
        errors.invalid(&path.child("mountPath"), target, "must not already exist as a path in volumeDevices");
    }
}

fn validate_sub_paths(mount: &Map, list: &Path<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let (sub_path, expression) = (mount.str("subPath"), mount.str("subPathExpr"));
    paths::descending(sub_path, &list.child("subPath"), errors);
    if !expression.is_empty() {
        if !sub_path.is_empty() {
            let detail = "subPathExpr and subPath are mutually exclusive";
            errors.invalid(&path.child("subPathExpr"), expression, detail);
        }
        paths::descending(expression, &list.child("subPathExpr"), errors);
    }
}

fn validate_propagation(mount: &Map, container: &Map, list: &Path<'_>, errors: &mut FieldErrors) {
    rules::choice(mount, "mountPropagation", &["Bidirectional", "HostToContainer", "None"], list, errors);
    let privileged = container.map("securityContext").and_then(|it| it.bool("privileged")) == Some(true);
    if mount.str("mountPropagation") == "Bidirectional" && !privileged {
        let detail = "Bidirectional mount propagation is available only to privileged containers";
        errors.forbidden(&list.child("mountPropagation"), detail);
    }
}

fn validate_recursion(mount: &Map, list: &Path<'_>, errors: &mut FieldErrors) {
    rules::choice(mount, "recursiveReadOnly", &["Disabled", "Enabled", "IfPossible"], list, errors);
    if !matches!(mount.str("recursiveReadOnly"), "Enabled" | "IfPossible") {
        return;
    }
    let path = list.child("recursiveReadOnly");
    if mount.bool("readOnly") != Some(true) {
        errors.forbidden(&path, "may only be specified when readOnly is true");
    }
    if !matches!(mount.str("mountPropagation"), "" | "None") {
        errors.forbidden(&path, "may only be specified when mountPropagation is None or not specified");
    }
}

fn validate_options(mount: &Map, source: Option<&Map>, path: &Path<'_>, errors: &mut FieldErrors) {
    const OPTIONS: &[&str] = &["nodev", "noexec", "nosuid"];
    let path = path.child("bindMountOptions");
    let mut seen = HashSet::new();
    for (i, option) in mount.texts("bindMountOptions").enumerate() {
        if !OPTIONS.contains(&option) {
            errors.not_supported(&path.index(i), option, OPTIONS);
        }
        if !seen.insert(option) {
            errors.duplicate(&path.index(i), option);
        }
    }
    if !seen.is_empty() && source.is_some_and(|volume| volume.contains("image")) {
        let value = mount.get("bindMountOptions").cloned().unwrap_or_default();
        errors.invalid(&path, value, "bindMountOptions may not be used with image volumes");
    }
}

fn validate_device_name(
    name: &str,
    is_repeated: bool,
    volumes: &Volumes<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let path = path.child("name");
    if name.is_empty() {
        errors.required(&path, "");
    } else if is_repeated {
        errors.invalid(&path, name, "must be unique");
    }
    match volumes.get(name) {
        None => errors.not_found(&path, name),
        Some(volume) if volume.contains("persistentVolumeClaim") || volume.contains("ephemeral") => {}
        Some(_) => errors.invalid(
            &path,
            name,
            "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
        ),
    }
}

fn validate_device_path(target: &str, is_repeated: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.child("devicePath");
    if target.is_empty() {
        errors.required(&path, "");
    } else if is_repeated {
        errors.invalid(&path, target, "must be unique");
    }
    if paths::has_backsteps(target) {
        errors.invalid(&path, target, "can not contain backsteps ('..')");
    }
}
