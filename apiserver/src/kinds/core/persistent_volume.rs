//! PersistentVolume: a piece of storage of the cluster. Keeps: exactly one source, which never changes; every change
//! of phase is dated.

use super::{claim_spec, difference, node_labels, persistent_source, pod, rules};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Kind, Names, Scope, Version, column, wide};
use crate::quantity::Quantity;
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "",
        kind: "PersistentVolume",
        plural: "persistentvolumes",
        singular: "persistentvolume",
        short: &["pv"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("", "v1", "io.k8s.api.core.v1.PersistentVolume")],
    subresources: &[kind::status(prepare_status, |_, _, _| {})],
    columns: &[
        kind::NAME,
        column("Capacity", "string", |it, _| capacity(it.map_at(&["spec", "capacity"])).into()),
        column("Access Modes", "string", |it, _| access_modes(it.map("spec")).into()),
        column("Reclaim Policy", "string", |it, _| {
            it.str_at(&["spec", "persistentVolumeReclaimPolicy"]).into()
        }),
        column("Status", "string", |it, _| phase(it).into()),
        column("Claim", "string", |it, _| claim(it).into()),
        column("StorageClass", "string", |it, _| storage_class(it).into()),
        column("VolumeAttributesClass", "string", |it, _| or_unset(it, "volumeAttributesClassName").into()),
        column("Reason", "string", |it, _| it.str_at(&["status", "reason"]).into()),
        kind::AGE,
        wide("VolumeMode", "string", |it, _| or_unset(it, "volumeMode").into()),
    ],
    delete_returns_object: true,
    set_defaults,
    prepare_for_create,
    validate,
    validate_update,
    warnings,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
/// The annotation that named the storage class before there was an attribute.
pub(super) const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// The amount of storage in a resource list; `0` when absent.
pub(super) fn capacity(resources: Option<&Map>) -> &str {
    resources.and_then(|resources| resources.get("storage")).and_then(Node::as_str).unwrap_or("0")
}

/// Access modes in short, always in the same order.
pub(super) fn access_modes(owner: Option<&Map>) -> String {
    const SHORT: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let Some(owner) = owner else { return String::new() };
    let found: Vec<&str> = SHORT
        .iter()
        .filter(|(mode, _)| rules::lists(owner, "accessModes", mode))
        .map(|(_, short)| *short)
        .collect();
    found.join(",")
}

/// The phase, unless the object is on its way out.
pub(super) fn phase(object: &Map) -> &str {
    if object.str_at(&["metadata", "deletionTimestamp"]).is_empty() {
        object.str_at(&["status", "phase"])
    } else {
        "Terminating"
    }
}

/// A field of the spec that may be unset.
pub(super) fn or_unset<'a>(object: &'a Map, field: &str) -> &'a str {
    object.at(&["spec", field]).and_then(Node::as_str).unwrap_or("<unset>")
}

/// The storage class: the old annotation wins.
pub(super) fn storage_class(object: &Map) -> &str {
    object.annotation(BETA_CLASS).unwrap_or_else(|| object.str_at(&["spec", "storageClassName"]))
}

fn claim(volume: &Map) -> String {
    match volume.map_at(&["spec", "claimRef"]) {
        Some(claim) => format!("{}/{}", claim.str("namespace"), claim.str("name")),
        None => String::new(),
    }
}

fn set_defaults(volume: &mut Map) {
    pod::defaults::default_text(volume.map_mut("status"), "phase", "Pending");
    let spec = volume.map_mut("spec");
    pod::defaults::default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    spec.set_default("volumeMode", "Filesystem");
    pod::defaults::round_resources(spec.existing_map_mut("capacity"));
    pod::defaults::set_block_defaults(spec);
}

fn prepare_for_create(volume: &mut Map, context: &Context<'_>) {
    volume.set("status", Map::from([("phase", "Pending"), ("lastPhaseTransitionTime", context.now)]));
}

fn prepare_status(volume: &mut Map, old: &Map, context: &Context<'_>) {
    const TIME: &str = "lastPhaseTransitionTime";
    kind::keep_all_but_status(volume, old, context);
    let old_phase = old.str_at(&["status", "phase"]);
    let old_time = old.at(&["status", TIME]).cloned();
    let status = volume.map_mut("status");
    let same_phase = status.str("phase") == old_phase;
    match (same_phase, status.get(TIME)) {
        (true, None) => {
            if let Some(time) = old_time {
                status.set(TIME, time);
            }
        }
        (false, time) if time.is_none() || time == old_time.as_ref() => status.set(TIME, context.now),
        _ => {}
    }
}

fn validate(volume: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = volume.map("spec").unwrap_or(&empty);
    validate_access_modes(spec, &SPEC, errors);
    validate_capacity(spec, errors);
    rules::choice(spec, "persistentVolumeReclaimPolicy", &["Delete", "Recycle", "Retain"], &SPEC, errors);
    validate_affinity(spec, errors);
    persistent_source::validate(spec, volume.name(), &SPEC, errors);
    let class = spec.str("storageClassName");
    if !class.is_empty() {
        rules::dns_subdomain(class, &SPEC.child("storageClassName"), errors);
    }
    rules::choice(spec, "volumeMode", &["Block", "Filesystem"], &SPEC, errors);
    validate_attributes_class(spec, errors);
}

/// Reports what is wrong with the spec of a volume that is written into an attachment: it is of a driver, and has
/// nothing that only a volume with a life of its own can have.
pub(in crate::kinds) fn validate_inline(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    const DETAIL: &str = "may not be specified in the context of inline volumes";
    for field in ["claimRef", "capacity"] {
        if spec.map(field).is_some_and(|value| field == "claimRef" || !value.is_empty()) {
            errors.forbidden(&path.child(field), DETAIL);
        }
    }
    if !spec.contains("csi") {
        errors.required(&path.child("csi"), "has to be specified in the context of inline volumes");
    }
    validate_access_modes(spec, path, errors);
    if !matches!(spec.str("persistentVolumeReclaimPolicy"), "" | "Retain") {
        let detail = "may only be Retain in the context of inline volumes";
        errors.forbidden(&path.child("persistentVolumeReclaimPolicy"), detail);
    }
    if spec.contains("nodeAffinity") {
        errors.forbidden(&path.child("nodeAffinity"), DETAIL);
    }
    persistent_source::validate(spec, "", path, errors);
    if !spec.str("storageClassName").is_empty() {
        errors.forbidden(&path.child("storageClassName"), DETAIL);
    }
    if spec.contains("volumeMode") && spec.str("volumeMode") != "Filesystem" {
        let detail = "may not specify volumeMode other than Filesystem in the context of inline volumes";
        errors.forbidden(&path.child("volumeMode"), detail);
    }
}

fn validate_access_modes(spec: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if spec.list("accessModes").is_empty() {
        errors.required(&path.child("accessModes"), "");
    }
    claim_spec::validate_access_modes(spec, path, errors);
}

fn validate_capacity(spec: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("capacity");
    let capacity = spec.map("capacity");
    if capacity.is_none_or(Map::is_empty) {
        errors.required(&path, "");
    }
    if capacity.is_none_or(|capacity| !capacity.contains("storage") || capacity.len() > 1) {
        errors.not_supported(&path, capacity.cloned().unwrap_or_default(), &["storage"]);
    }
    for (name, amount) in pod::resources::entries(spec, "capacity") {
        if amount <= Quantity::ZERO {
            errors.invalid(&path.key(name), amount.canonical(), "must be greater than zero");
        }
    }
}

fn validate_affinity(spec: &Map, errors: &mut FieldErrors) {
    let path = SPEC.child("nodeAffinity");
    if let Some(affinity) = spec.map("nodeAffinity") {
        match affinity.map("required") {
            Some(required) => {
                pod::affinity::validate_node_selector(required, &path.child("required"), errors)
            }
            None => errors.required(&path.child("required"), "must specify required node constraints"),
        }
    }
    if spec.contains("local") && !spec.contains("nodeAffinity") {
        errors.required(&path, "Local volume requires node affinity");
    }
}

fn validate_attributes_class(spec: &Map, errors: &mut FieldErrors) {
    let Some(class) = spec.get("volumeAttributesClassName").and_then(Node::as_str) else { return };
    let path = SPEC.child("volumeAttributesClassName");
    if class.is_empty() {
        errors.required(&path, "an empty string is disallowed");
    } else {
        rules::dns_subdomain(class, &path, errors);
    }
    if !spec.contains("csi") {
        errors.required(&SPEC.child("csi"), "has to be specified when using volumeAttributesClassName");
    }
}

fn validate_update(volume: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = volume.map("spec").unwrap_or(&empty);
    let old_spec = old.map("spec").unwrap_or(&empty);
    let mut source = persistent_source::of(spec);
    let old_source = persistent_source::of(old_spec);
    // The secret for expanding may be added later.
    const LATE: &str = "controllerExpandSecretRef";
    if old_source.map("csi").is_some_and(|csi| !csi.contains(LATE))
        && let Some(csi) = source.existing_map_mut("csi")
    {
        csi.remove(LATE);
    }
    if source != old_source {
        let detail = format!(
            "spec.persistentvolumesource is immutable after creation\n{}",
            difference::between(&old_source, &source)
        );
        errors.forbidden(&SPEC.child("persistentvolumesource"), detail);
    }
    errors.immutable(&Path::new("volumeMode"), spec.get("volumeMode"), old_spec.get("volumeMode"));
    let affinity = |spec: &Map| spec.map("nodeAffinity").cloned();
    if let Some(mut before) = affinity(old_spec) {
        let now = affinity(spec);
        rename_labels(&mut before, now.as_ref());
        if now.as_ref() != Some(&before) {
            let value = now.map_or(Node::Null, Node::from);
            let detail = "field is immutable, except for updating from beta label to GA";
            errors.invalid(&Path::new("nodeAffinity"), value, detail);
        }
    }
    if old_spec.contains("volumeAttributesClassName") && !spec.contains("volumeAttributesClassName") {
        let path = SPEC.child("volumeAttributesClassName");
        errors.forbidden(&path, "update from non-nil value to nil is forbidden");
    }
}

/// Gives the requirements of an affinity the keys that they have in its successor, where that is a mere renaming.
/// As upstream, a key that had no other name may also be taken away.
fn rename_labels(affinity: &mut Map, successor: Option<&Map>) {
    const TERMS: [&str; 2] = ["required", "nodeSelectorTerms"];
    let successors = successor.and_then(|it| it.map(TERMS[0])).into_iter().flat_map(|it| it.maps(TERMS[1]));
    let Some(required) = affinity.existing_map_mut(TERMS[0]) else { return };
    for (term, successor) in pod::defaults::maps_mut(required, TERMS[1]).zip(successors) {
        for list in ["matchExpressions", "matchFields"] {
            let successors = successor.maps(list);
            for (requirement, successor) in pod::defaults::maps_mut(term, list).zip(successors) {
                let (before, now) = (requirement.str("key"), successor.str("key"));
                if node_labels::successor(before).unwrap_or_default() == now {
                    match successor.get("key") {
                        Some(key) => requirement.set("key", key.clone()),
                        None => drop(requirement.remove("key")),
                    }
                }
            }
        }
    }
}

fn warnings(volume: &Map, _: Option<&Map>, warnings: &mut Warnings) {
    const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
    warn_of_annotation(volume, BETA_CLASS, r#"deprecated since v1.8; use "storageClassName""#, warnings);
    warn_of_annotation(volume, MOUNT_OPTIONS, r#"deprecated since v1.31; use "mountOptions""#, warnings);
    let empty = Map::new();
    let spec = volume.map("spec").unwrap_or(&empty);
    if spec.str("persistentVolumeReclaimPolicy") == "Recycle" {
        warnings.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".to_owned());
    }
    let path = SPEC.child("nodeAffinity");
    let path = path.child("required");
    let path = path.child("nodeSelectorTerms");
    let required = spec.map_at(&["nodeAffinity", "required"]);
    for (i, term) in required.into_iter().flat_map(|it| it.maps("nodeSelectorTerms")).enumerate() {
        node_labels::warn_of_expressions(term, &path.index(i), warnings);
    }
    for (field, advice) in persistent_source::DEPRECATED {
        if spec.contains(field) {
            // Upstream writes this one name in its own way.
            let shown = if *field == "storageos" { "storageOS" } else { field };
            warnings.push(format!("{}: {advice}", SPEC.child(shown)));
        }
    }
}

/// Warns of an annotation that an attribute has replaced.
pub(super) fn warn_of_annotation(object: &Map, key: &str, advice: &str, warnings: &mut Warnings) {
    if object.annotation(key).is_some() {
        warnings.push(format!("metadata.annotations[{key}]: {advice} attribute instead"));
    }
}
