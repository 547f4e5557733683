//! Sources of persistent volumes. Keeps: those that need more than a pod's volume does say so here.

use super::{pod, rules, volume_source};
use crate::field::{FieldErrors, Path};
use crate::tree::{Map, Node};

const SOURCES: &[&str] = &[
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

/// Sources that are no longer supported, in upstream's order.
pub(super) const DEPRECATED: &[(&str, &str)] = &[
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// The source of a volume: the part of the spec that never changes.
pub(super) fn of(spec: &Map) -> Map {
    let mut source = spec.clone();
    source.retain(|key, _| SOURCES.contains(&key.as_str()));
    source
}

/// Reports what is wrong with the source in the spec of the volume called `name`.
pub(super) fn validate(spec: &Map, name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut found = false;
    for kind in SOURCES {
        let Some(source) = spec.map(kind) else { continue };
        let source_path = path.child(kind);
        if found {
            errors.forbidden(&source_path, "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        match *kind {
            "local" => {
                if rules::require_text(source, "path", &source_path, errors) {
                    pod::paths::no_backsteps(source.str("path"), &source_path.child("path"), errors);
                }
            }
            "csi" => validate_csi(source, &source_path, errors),
            _ => volume_source::validate(kind, source, name, path, errors),
        }
        validate_references(kind, source, &source_path, errors);
    }
    if !found {
        errors.required(path, "must specify a volume type");
    }
    let is_root = spec.str_at(&["hostPath", "path"]).split('/').all(|part| matches!(part, "" | "."));
    if spec.contains("hostPath") && is_root && spec.str("persistentVolumeReclaimPolicy") == "Recycle" {
        let path = path.child("persistentVolumeReclaimPolicy");
        errors.forbidden(&path, "may not be 'recycle' for a hostPath mount of '/'");
    }
}

fn validate_csi(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    volume_source::validate_driver_name(source.str("driver"), &path.child("driver"), errors);
    rules::require_text(source, "volumeHandle", path, errors);
    for field in [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ] {
        let Some(secret) = source.map(field) else { continue };
        let path = path.child(field);
        if rules::require_text(secret, "name", &path, errors) {
            rules::dns_subdomain(secret.str("name"), &path.child("name"), errors);
        }
        if rules::require_text(secret, "namespace", &path, errors) {
            rules::dns_label(secret.str("namespace"), &path.child("namespace"), errors);
        }
    }
}

/// A volume of the cluster says what its secrets are called, and in which namespace they and its endpoints are.
fn validate_references(kind: &str, source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    match kind {
        "cinder" | "iscsi" | "storageos" => {
            let Some(secret) = source.map("secretRef") else { return };
            let path = path.child("secretRef");
            rules::require_text(secret, "name", &path, errors);
            if kind != "iscsi" {
                rules::require_text(secret, "namespace", &path, errors);
            }
        }
        "azureFile" if source.get("secretNamespace").and_then(Node::as_str) == Some("") => {
            errors.required(&path.child("secretNamespace"), "");
        }
        "glusterfs" => match source.get("endpointsNamespace").and_then(Node::as_str) {
            Some("") => {
                let detail = "if the endpointnamespace is set, it must be a valid namespace name";
                errors.invalid(&path.child("endpointsNamespace"), "", detail);
            }
            Some(namespace) => rules::dns_label(namespace, &path.child("endpointsNamespace"), errors),
            None => {}
        },
        _ => {}
    }
}
