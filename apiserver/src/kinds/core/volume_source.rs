//! Sources of volumes that pods and persistent volumes have in common: host paths, network and cloud disks, CSI.
//!
//! Keeps: most of them only require some fields; these stand in one table.

use super::{pod, rules};
use crate::field::{FieldErrors, Path};
use crate::names::{self, dns};
use crate::tree::Map;

/// What a source requires.
const REQUIRED: &[(&str, &[&str])] = &[
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("nfs", &["server", "path"]),
    ("iscsi", &["targetPortal", "iqn"]),
    ("glusterfs", &["endpoints", "path"]),
    ("persistentVolumeClaim", &["claimName"]),
    ("rbd", &["image"]),
    ("cinder", &["volumeID"]),
    ("quobyte", &["volume"]),
    ("flexVolume", &["driver"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("storageos", &["volumeName"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
];

const HOST_PATH_TYPES: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// Reports what is wrong with the source `kind` of the volume called `volume` at `path`.
pub(super) fn validate(kind: &str, source: &Map, volume: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    // The path that upstream reports a persistent disk at differs from the field.
    let source_path = path.child(if kind == "gcePersistentDisk" { "persistentDisk" } else { kind });
    let required = REQUIRED.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, fields)| fields);
    for field in required {
        rules::require_text(source, field, &source_path, errors);
    }
    if matches!(kind, "cephfs" | "rbd") && source.list("monitors").is_empty() {
        errors.required(&source_path.child("monitors"), "");
    }
    match kind {
        "hostPath" => validate_host_path(source, &source_path, errors),
        "gcePersistentDisk" | "awsElasticBlockStore" => {
            if let Some(partition) =
                source.int("partition").filter(|partition| !(0..=255).contains(partition))
            {
                errors.invalid(&source_path.child("partition"), partition, names::outside(1, 255));
            }
        }
        "nfs" if !source.str("path").starts_with('/') => {
            errors.invalid(&source_path.child("path"), source.str("path"), "must be an absolute path");
        }
        "iscsi" => validate_iscsi(source, volume, path, errors),
        "fc" => validate_fibre_channel(source, &source_path, errors),
        "flocker" => validate_flocker(source, &source_path, errors),
        "flexVolume" => validate_flex(source, &source_path, errors),
        "quobyte" => validate_quobyte(source, &source_path, errors),
        "azureDisk" => validate_azure_disk(source, &source_path, errors),
        "cinder" | "storageos" => {
            if let Some(secret) = source.map("secretRef") {
                rules::require_text(secret, "name", &source_path.child("secretRef"), errors);
            }
        }
        _ => {}
    }
}

fn validate_host_path(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if rules::require_text(source, "path", path, errors) {
        pod::paths::no_backsteps(source.str("path"), &path.child("path"), errors);
        rules::choice(source, "type", HOST_PATH_TYPES, path, errors);
    }
}

fn validate_iscsi(source: &Map, volume: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let source_path = path.child("iscsi");
    let name = source.str("iqn");
    if let Some(fault) = initiator_fault(name).filter(|_| !name.is_empty()) {
        errors.invalid(&source_path.child("iqn"), name, fault);
    }
    rules::within(source, "lun", (0, 255), &source_path, errors);
    let has_secret = source.contains("secretRef");
    let needs_secret =
        ["chapAuthDiscovery", "chapAuthSession"].iter().any(|field| source.bool(field) == Some(true));
    if needs_secret && !has_secret {
        errors.required(&source_path.child("secretRef"), "");
    }
    if let Some(initiator) = source.get("initiatorName").and_then(|node| node.as_str()) {
        if let Some(fault) = initiator_fault(initiator) {
            errors.invalid(&source_path.child("initiatorname"), initiator, fault);
        }
        if volume.len() + 1 + source.str("targetPortal").len() > 64 {
            let detail = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
            errors.invalid(&path.child("name"), volume, detail);
        }
    }
}

/// What is wrong with the name of an iSCSI node: `iqn.2001-04.com.example:x`, `eui.` and 16 or `naa.` and 32 characters.
fn initiator_fault(name: &str) -> Option<&'static str> {
    let alphanumeric = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let valid = match name.get(..3) {
        Some("iqn") => is_qualified(name),
        Some("eui") => name.get(4..).is_some_and(|rest| alphanumeric(rest, 16)),
        Some("naa") => name.get(4..).is_some_and(|rest| alphanumeric(rest, 32)),
        _ => return Some("must be valid format starting with iqn, eui, or naa"),
    };
    if valid { None } else { Some("must be valid format") }
}

fn is_qualified(name: &str) -> bool {
    let Some((head, unique)) = name.split_once(':') else { return false };
    let Some((date, authority)) = head.strip_prefix("iqn.").and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let is_date = date.len() == 7
        && date
            .bytes()
            .enumerate()
            .all(|(i, byte)| if i == 4 { byte == b'-' } else { byte.is_ascii_digit() });
    is_date
        && !authority.is_empty()
        && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !unique.is_empty()
        && !unique.contains(|c: char| matches!(c, ',' | ';' | '*' | '&' | '$' | '|') || c.is_whitespace())
}

fn validate_fibre_channel(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let (names, ids) = (source.list("targetWWNs"), source.list("wwids"));
    if names.is_empty() && ids.is_empty() {
        errors.required(&path.child("targetWWNs"), "must specify either targetWWNs or wwids, but not both");
    }
    if !names.is_empty() && !ids.is_empty() {
        let value = source.get("targetWWNs").cloned().unwrap_or_default();
        errors.invalid(
            &path.child("targetWWNs"),
            value,
            "targetWWNs and wwids can not be specified simultaneously",
        );
    }
    if !names.is_empty() {
        if source.contains("lun") {
            rules::within(source, "lun", (0, 255), path, errors);
        } else {
            errors.required(&path.child("lun"), "lun is required if targetWWNs is specified");
        }
    }
}

fn validate_flocker(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let (name, id) = (source.str("datasetName"), source.str("datasetUUID"));
    if name.is_empty() && id.is_empty() {
        errors.required(path, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !id.is_empty() {
        errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if name.contains('/') {
        errors.invalid(&path.child("datasetName"), name, "must not contain '/'");
    }
}

fn validate_flex(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for key in source.map("options").into_iter().flat_map(Map::keys) {
        let domain = format!(".{}", key.split('/').next().unwrap_or_default().to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            let detail = "kubernetes.io and k8s.io namespaces are reserved";
            errors.invalid(&path.child("options").key(key), key.as_str(), detail);
        }
    }
}

fn validate_quobyte(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = source.str("registry");
    if registry.is_empty() {
        errors.required(&path.child("registry"), PAIRS);
    } else if source.str("tenant").len() > 64 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        errors.required(&path.child("tenant"), detail);
    } else if registry.split(',').any(|pair| pair.rsplit_once(':').is_none()) {
        errors.invalid(&path.child("registry"), registry, PAIRS);
    }
}

fn validate_azure_disk(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const MANAGED: &str =
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
    const BLOB: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
    rules::choice(source, "cachingMode", &["None", "ReadOnly", "ReadWrite"], path, errors);
    rules::choice(source, "kind", &["Dedicated", "Managed", "Shared"], path, errors);
    let uri = source.str("diskURI");
    match source.str("kind") {
        "" => {}
        "Managed" if !uri.starts_with("/subscriptions/") => {
            errors.not_supported(&path.child("diskURI"), uri, &[MANAGED]);
        }
        "Managed" => {}
        _ if !uri.starts_with("https://") => errors.not_supported(&path.child("diskURI"), uri, &[BLOB]),
        _ => {}
    }
}

/// Reports what is wrong with a CSI volume written into a pod.
pub(super) fn validate_inline_csi(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    validate_driver_name(source.str("driver"), &path.child("driver"), errors);
    if let Some(secret) = source.map("nodePublishSecretRef")
        && rules::require_text(secret, "name", &path.child("nodePublishSecretRef"), errors)
    {
        rules::dns_subdomain(secret.str("name"), &path.child("name"), errors);
    }
}

/// Reports what is wrong with the name of a CSI driver.
pub(in crate::kinds) fn validate_driver_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const DRIVER_NAME_MAX: usize = 63;
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name.len() > DRIVER_NAME_MAX {
        errors.too_long(path, DRIVER_NAME_MAX);
    }
    names::report(errors, path, name, dns::subdomain(&name.to_lowercase()));
}
