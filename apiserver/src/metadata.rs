//! Object metadata: what every object's `metadata` must look like, on create and on update.
//!
//! Keeps: sentences and order are upstream's `ValidateObjectMeta` and `ValidateObjectMetaUpdate`; finalizers of
//! built-in kinds are qualified or one of the three standard ones.

use std::collections::{BTreeSet, HashSet};

use crate::field::{Cause, FieldErrors, Path};
use crate::kind::Kind;
use crate::names::{self, Faults, label};
use crate::tree::{List, Map, Node};
use crate::warning::Warnings;

const METADATA: Path<'static> = Path::new("metadata");
/// Total size of annotation keys and values.
const ANNOTATION_BYTES_MAX: usize = 256 * 1024;
const FIELD_MANAGER_BYTES_MAX: usize = 128;
const SUBRESOURCE_BYTES_MAX: usize = 256;
/// Finalizers that need no domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", ORPHAN_FINALIZER, FOREGROUND_FINALIZER];
/// The finalizer of deletion that leaves dependents alone.
pub const ORPHAN_FINALIZER: &str = "orphan";
/// The finalizer of deletion that removes dependents first.
pub const FOREGROUND_FINALIZER: &str = "foregroundDeletion";

/// Reports what is wrong with the metadata of a new object of `kind`.
pub fn validate(kind: &Kind, object: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let metadata = object.metadata().unwrap_or(&empty);
    validate_name(kind, metadata, errors);
    validate_namespace(kind, metadata, errors);
    validate_contents(kind, metadata, &METADATA, errors);
}

/// Reports what is wrong with new metadata of an object of `kind` that was `old`.
pub fn validate_update(kind: &Kind, object: &Map, old: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let metadata = object.metadata().unwrap_or(&empty);
    let old = old.metadata().unwrap_or(&empty);
    if old.contains("deletionTimestamp") {
        forbid_new_finalizers(metadata, old, errors);
    }
    let generation = metadata.int("generation").unwrap_or(0);
    if generation < old.int("generation").unwrap_or(0) {
        errors.invalid(&METADATA.child("generation"), generation, "must not be decremented");
    }
    for field in
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        errors.immutable(&METADATA.child(field), metadata.get(field), old.get(field));
    }
    validate_contents(kind, metadata, &METADATA, errors);
}

fn validate_name(kind: &Kind, metadata: &Map, errors: &mut FieldErrors) {
    let prefix = metadata.str("generateName");
    if !prefix.is_empty() {
        let faults = names::object_name(kind.name_rule, prefix, true);
        names::report(errors, &METADATA.child("generateName"), prefix, faults);
    }
    let name = metadata.str("name");
    if name.is_empty() {
        errors.required(&METADATA.child("name"), "name or generateName is required");
    } else {
        names::report(errors, &METADATA.child("name"), name, names::object_name(kind.name_rule, name, false));
    }
}

fn validate_namespace(kind: &Kind, metadata: &Map, errors: &mut FieldErrors) {
    let namespace = metadata.str("namespace");
    let path = METADATA.child("namespace");
    if !kind.namespaced() {
        if !namespace.is_empty() {
            errors.forbidden(&path, "not allowed on this type");
        }
    } else if namespace.is_empty() {
        errors.required(&path, "");
    } else {
        names::report(errors, &path, namespace, names::dns::label(namespace));
    }
}

/// What create and update have in common.
fn validate_contents(kind: &Kind, metadata: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(generation) = metadata.int("generation").filter(|generation| *generation < 0) {
        errors.invalid(&path.child("generation"), generation, "must be greater than or equal to 0");
    }
    validate_labels(metadata.map("labels"), &path.child("labels"), errors);
    validate_annotations(metadata.map("annotations"), &path.child("annotations"), errors);
    validate_owner_references(metadata, &path.child("ownerReferences"), errors);
    validate_finalizers(kind, metadata, &path.child("finalizers"), errors);
    validate_managed_fields(metadata, &path.child("managedFields"), errors);
}

/// Reports what is wrong with a map of labels.
pub fn validate_labels(labels: Option<&Map>, path: &Path<'_>, errors: &mut FieldErrors) {
    for (key, value) in labels.into_iter().flat_map(Map::iter) {
        names::report(errors, path, key, label::key(key));
        let value = value.as_str().unwrap_or_default();
        names::report(errors, path, value, label::value(value));
    }
}

/// Reports what is wrong with a map of annotations.
pub fn validate_annotations(annotations: Option<&Map>, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut bytes = 0;
    for (key, value) in annotations.into_iter().flat_map(Map::iter) {
        names::report(errors, path, key, annotation_key(key));
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATION_BYTES_MAX {
        errors.too_long(path, ANNOTATION_BYTES_MAX);
    }
}

/// A label key whose case does not matter.
fn annotation_key(key: &str) -> Faults {
    if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
        label::key(&key.to_ascii_lowercase())
    } else {
        label::key(key)
    }
}

/// Removes owners that stand twice; answers what to tell the writer of it.
pub fn unite_owner_references(object: &mut Map) -> Option<String> {
    let references = object.metadata()?.list("ownerReferences");
    if references.len() < 2 {
        return None;
    }
    let mut seen = HashSet::with_capacity(references.len());
    let (kept, repeated): (Vec<&Node>, Vec<&Node>) =
        references.iter().partition(|reference| seen.insert(*reference));
    if repeated.is_empty() {
        return None;
    }
    let mut told = HashSet::new();
    let twice: Vec<&str> = repeated
        .into_iter()
        .filter_map(|reference| reference.as_map().map(|owner| owner.str("uid")))
        .filter(|uid| told.insert(*uid))
        .collect();
    let warning = format!(
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        twice.join(", ")
    );
    let kept: List = kept.into_iter().cloned().collect();
    object.metadata_mut().set("ownerReferences", kept);
    Some(warning)
}

fn validate_owner_references(metadata: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut controller: Option<String> = None;
    for (i, reference) in metadata.list("ownerReferences").iter().enumerate() {
        let Some(owner) = reference.as_map() else { continue };
        validate_owner_reference(owner, &path.index(i), errors);
        if owner.bool("controller") != Some(true) {
            continue;
        }
        let name = format!("{}/{}", owner.str("kind"), owner.str("name"));
        match &controller {
            None => controller = Some(name),
            Some(first) => {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                );
                errors.add(
                    Cause::Invalid,
                    path,
                    metadata.get("ownerReferences").unwrap_or(&Node::Null),
                    &detail,
                );
            }
        }
    }
}

fn validate_owner_reference(owner: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let version = owner.str("apiVersion");
    if !version.is_empty() && (version.matches('/').count() > 1 || version.ends_with('/')) {
        errors.invalid(&path.child("apiVersion"), version, "must be <group>/<version> or <version>");
    }
    for field in ["apiVersion", "kind", "name", "uid"] {
        if owner.str(field).is_empty() {
            errors.required(&path.child(field), "must not be empty");
        }
    }
    if version == "v1" && owner.str("kind") == "Event" {
        errors.invalid(path, owner.clone(), "/v1, Kind=Event is disallowed from being an owner");
    }
}

fn validate_finalizers(kind: &Kind, metadata: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let finalizers = metadata.list("finalizers");
    for (i, finalizer) in finalizers.iter().filter_map(Node::as_str).enumerate() {
        names::report(errors, path, finalizer, label::key(finalizer));
        if !kind.plain_finalizers {
            validate_finalizer_domain(finalizer, &path.index(i), errors);
        }
    }
    let has = |name| finalizers.iter().any(|finalizer| finalizer.as_str() == Some(name));
    if has(ORPHAN_FINALIZER) && has(FOREGROUND_FINALIZER) {
        let detail = format!("finalizer {ORPHAN_FINALIZER} and {FOREGROUND_FINALIZER} cannot be both set");
        errors.invalid(path, metadata.get("finalizers").cloned().unwrap_or_default(), detail);
    }
}

/// Advises against finalizers of an object that nobody had before and that say not whose they are.
pub fn warn_of_plain_finalizers(object: &Map, old: Option<&Map>, warnings: &mut Warnings) {
    let finalizers = |object: &Map| -> BTreeSet<String> {
        object
            .metadata()
            .into_iter()
            .flat_map(|metadata| metadata.texts("finalizers"))
            .map(str::to_owned)
            .collect()
    };
    let before = old.map(finalizers).unwrap_or_default();
    for finalizer in finalizers(object).difference(&before) {
        let mut faults = label::key(finalizer);
        if is_plain(finalizer) {
            let path = if finalizer.contains('.') { " including a path (/)" } else { "" };
            faults.push(format!(
                "prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
            ));
        }
        warnings
            .extend(faults.into_iter().map(|fault| format!("metadata.finalizers: {finalizer:?}: {fault}")));
    }
}

fn is_plain(finalizer: &str) -> bool {
    !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer)
}

/// Reports a finalizer that is neither qualified nor standard.
pub fn validate_finalizer_domain(finalizer: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if is_plain(finalizer) {
        errors.invalid(
            path,
            finalizer,
            "name is neither a standard finalizer name nor is it fully qualified",
        );
    }
}

fn forbid_new_finalizers(metadata: &Map, old: &Map, errors: &mut FieldErrors) {
    let known: HashSet<&str> = old.list("finalizers").iter().filter_map(Node::as_str).collect();
    let mut added: Vec<&str> = metadata
        .list("finalizers")
        .iter()
        .filter_map(Node::as_str)
        .filter(|finalizer| !known.contains(finalizer))
        .collect();
    if added.is_empty() {
        return;
    }
    added.sort_unstable();
    added.dedup();
    let added: Vec<String> = added.into_iter().map(|name| format!("{name:?}")).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    errors.forbidden(&METADATA.child("finalizers"), detail);
}

fn validate_managed_fields(metadata: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    for (i, entry) in metadata.maps("managedFields").enumerate() {
        let path = path.index(i);
        match entry.str("operation") {
            "Apply" | "Update" => {}
            "" => errors.required(&path.child("operation"), "must not be empty"),
            other => errors.not_supported(&path.child("operation"), other, &["Apply", "Update"]),
        }
        let kind = entry.str("fieldsType");
        if !matches!(kind, "" | "FieldsV1") {
            errors.invalid(&path.child("fieldsType"), kind, "must be `FieldsV1`");
        }
        if entry.str("manager").len() > FIELD_MANAGER_BYTES_MAX {
            errors.too_long(&path.child("manager"), FIELD_MANAGER_BYTES_MAX);
        }
        if entry.str("subresource").len() > SUBRESOURCE_BYTES_MAX {
            errors.too_long(&path.child("subresource"), SUBRESOURCE_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests;
