//! Volume mounts and devices of containers.

use super::paths;
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::tree::Map;

/// The sound volumes of a pod by name.
pub(super) type Volumes<'a> = [(&'a str, &'a Map)];

fn volume<'a>(volumes: &Volumes<'a>, name: &str) -> Option<&'a Map> {
    volumes.iter().find(|(candidate, _)| *candidate == name).map(|(_, volume)| *volume)
}

/// Reports what is wrong with `volumeMounts` and `volumeDevices` of a container.
pub(super) fn validate(container: &Map, volumes: &Volumes<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let mounts = path.child("volumeMounts");
    for (i, mount) in container.maps("volumeMounts").enumerate() {
        let earlier =
            container.maps("volumeMounts").take(i).any(|it| it.str("mountPath") == mount.str("mountPath"));
        if earlier {
            errors.invalid(&mounts.index(i).child("mountPath"), mount.str("mountPath"), "must be unique");
        }
        validate_mount(mount, i, container, volumes, &mounts, errors);
    }
    let devices = path.child("volumeDevices");
    for (i, device) in container.maps("volumeDevices").enumerate() {
        validate_device(device, i, container, volumes, &devices.index(i), errors);
    }
}

fn validate_mount(
    mount: &Map,
    i: usize,
    container: &Map,
    volumes: &Volumes<'_>,
    list: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let path = list.index(i);
    let (name, target) = (mount.str("name"), mount.str("mountPath"));
    rules::require_text(mount, "name", &path, errors);
    let source = volume(volumes, name);
    if source.is_none() {
        errors.not_found(&path.child("name"), name);
    }
    rules::require_text(mount, "mountPath", &path, errors);
    if container.maps("volumeDevices").any(|device| device.str("name") == name) {
        errors.invalid(&path.child("name"), name, "must not already exist in volumeDevices");
    }
    if container.maps("volumeDevices").any(|device| device.str("devicePath") == target) {
        errors.invalid(&path.child("mountPath"), target, "must not already exist as a path in volumeDevices");
    }
    // The list's own path, for these, is upstream's choice.
    let (sub_path, expression) = (mount.str("subPath"), mount.str("subPathExpr"));
    paths::descending(sub_path, &list.child("subPath"), errors);
    if !expression.is_empty() {
        if !sub_path.is_empty() {
            let detail = "subPathExpr and subPath are mutually exclusive";
            errors.invalid(&path.child("subPathExpr"), expression, detail);
        }
        paths::descending(expression, &list.child("subPathExpr"), errors);
    }
    validate_propagation(mount, container, list, errors);
    validate_recursion(mount, list, errors);
    validate_options(mount, source, &path, errors);
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
    let options: Vec<&str> = rules::texts(mount, "bindMountOptions").collect();
    let path = path.child("bindMountOptions");
    for (i, option) in options.iter().enumerate() {
        if !OPTIONS.contains(option) {
            errors.not_supported(&path.index(i), *option, OPTIONS);
        }
        if options[..i].contains(option) {
            errors.duplicate(&path.index(i), *option);
        }
    }
    if !options.is_empty() && source.is_some_and(|volume| volume.contains("image")) {
        let value = mount.get("bindMountOptions").cloned().unwrap_or_default();
        errors.invalid(&path, value, "bindMountOptions may not be used with image volumes");
    }
}

fn validate_device(
    device: &Map,
    i: usize,
    container: &Map,
    volumes: &Volumes<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let (name, target) = (device.str("name"), device.str("devicePath"));
    let path_to_name = path.child("name");
    let path_to_target = path.child("devicePath");
    let earlier = |field: &str, value: &str| {
        container.maps("volumeDevices").take(i).any(|it| !value.is_empty() && it.str(field) == value)
    };
    rules::require_text(device, "name", path, errors);
    if earlier("name", name) {
        errors.invalid(&path_to_name, name, "must be unique");
    }
    match volume(volumes, name) {
        None => errors.not_found(&path_to_name, name),
        Some(volume) if volume.contains("persistentVolumeClaim") || volume.contains("ephemeral") => {}
        Some(_) => errors.invalid(
            &path_to_name,
            name,
            "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
        ),
    }
    rules::require_text(device, "devicePath", path, errors);
    if earlier("devicePath", target) {
        errors.invalid(&path_to_target, target, "must be unique");
    }
    if paths::has_backsteps(target) {
        errors.invalid(&path_to_target, target, "can not contain backsteps ('..')");
    }
    if container.maps("volumeMounts").any(|mount| mount.str("name") == name) {
        errors.invalid(&path_to_name, name, "must not already exist in volumeMounts");
    }
    if container.maps("volumeMounts").any(|mount| mount.str("mountPath") == target) {
        errors.invalid(&path_to_target, target, "must not already exist as a path in volumeMounts");
    }
}
