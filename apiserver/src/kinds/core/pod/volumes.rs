//! Volumes of a pod: a name and exactly one source.
//!
//! Keeps: sources that files come from (secrets, config maps, projections) are judged in `projected.rs`.

use std::collections::HashSet;

use super::mounts::Volumes;
use super::{paths, projected};
use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::kinds::core::{claim_spec, volume_source};
use crate::metadata;
use crate::names;
use crate::quantity::Quantity;
use crate::tree::Map;

/// Every source, in the order in which upstream looks at them. Each is judged once; a second is refused.
const SOURCES: &[&str] = &[
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

/// Reports what is wrong with a pod's volumes; answers the sound ones. `pod_name` is empty for a template.
pub(super) fn validate<'a>(
    spec: &'a Map,
    pod_name: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> Volumes<'a> {
    let mut sound = Volumes::new();
    let ephemeral = if pod_name.is_empty() { HashSet::new() } else { claims_created(spec, pod_name) };
    for (i, volume) in spec.maps("volumes").enumerate() {
        let path = path.index(i);
        let name = volume.str("name");
        let before = errors.iter().count();
        validate_source(volume, pod_name, &path, errors);
        if rules::require_text(volume, "name", &path, errors) {
            rules::dns_label(name, &path.child("name"), errors);
        }
        if sound.contains_key(name) {
            errors.duplicate(&path.child("name"), name);
        }
        if errors.iter().count() == before {
            sound.insert(name, volume);
        }
        let claim = volume.map("persistentVolumeClaim").map_or("", |claim| claim.str("claimName"));
        if ephemeral.contains(claim) {
            let path = path.child("persistentVolumeClaim");
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(&path.child("claimName"), claim, detail);
        }
    }
    sound
}

/// The names of the claims that are made for the pod's ephemeral volumes.
fn claims_created(spec: &Map, pod_name: &str) -> HashSet<String> {
    let ephemeral = spec.maps("volumes").filter(|volume| volume.contains("ephemeral"));
    ephemeral.map(|volume| format!("{pod_name}-{}", volume.str("name"))).collect()
}

fn validate_source(volume: &Map, pod_name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut found = false;
    for kind in SOURCES {
        let Some(source) = volume.map(kind) else { continue };
        if found {
            errors.forbidden(&path.child(kind), "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        let name = volume.str("name");
        match *kind {
            "emptyDir" => validate_empty_dir(source, &path.child(kind), errors),
            "gitRepo" => validate_git_repo(source, &path.child(kind), errors),
            "secret" | "configMap" | "downwardAPI" | "projected" => {
                projected::validate(kind, source, &path.child(kind), errors);
            }
            "ephemeral" => validate_ephemeral(source, name, pod_name, path, errors),
            "image" => {
                rules::require_text(source, "reference", &path.child(kind), errors);
                validate_pull_policy(source, "pullPolicy", &path.child(kind), errors);
            }
            "csi" => volume_source::validate_inline_csi(source, &path.child(kind), errors),
            _ => volume_source::validate(kind, source, name, path, errors),
        }
    }
    if !found {
        errors.required(path, "must specify a volume type");
    }
}

/// Reports what is wrong with a policy of pulling images.
pub(super) fn validate_pull_policy(owner: &Map, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    rules::require_choice(owner, field, &["Always", "IfNotPresent", "Never"], path, errors);
}

fn validate_empty_dir(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let limit = Quantity::parse(source.str("sizeLimit"));
    if limit.is_ok_and(|limit| limit.sign() < 0) {
        errors.forbidden(&path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
    }
}

fn validate_git_repo(source: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    rules::require_text(source, "repository", path, errors);
    paths::descending(source.str("directory"), &path.child("directory"), errors);
}

fn validate_ephemeral(source: &Map, name: &str, pod_name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let source_path = path.child("ephemeral");
    let template_path = source_path.child("volumeClaimTemplate");
    match source.map("volumeClaimTemplate") {
        None => errors.required(&template_path, ""),
        Some(template) => {
            let empty = Map::new();
            let metadata = template.metadata().unwrap_or(&empty);
            let metadata_path = template_path.child("metadata");
            metadata::validate_annotations(
                metadata.map("annotations"),
                &metadata_path.child("annotations"),
                errors,
            );
            metadata::validate_labels(metadata.map("labels"), &metadata_path.child("labels"), errors);
            for field in metadata.keys().filter(|key| !matches!(key.as_str(), "annotations" | "labels")) {
                errors.forbidden(&metadata_path.child(field), "cannot be set for an Ephemeral Volume");
            }
            let spec = template.map("spec").unwrap_or(&empty);
            claim_spec::validate(spec, &template_path.child("spec"), errors);
        }
    }
    if !pod_name.is_empty() && !name.is_empty() {
        let claim = format!("{pod_name}-{name}");
        for fault in names::dns::subdomain(&claim) {
            errors.invalid(&path.child("name"), name, format!("PVC name {claim:?}: {fault}"));
        }
    }
}
