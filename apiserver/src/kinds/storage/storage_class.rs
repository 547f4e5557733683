//! StorageClass: how volumes are made. Keeps: what made a volume never changes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Column, Kind, Names, Scope, Version, column};
use crate::kinds::core::{node_labels, rules};
use crate::tree::{Map, Node};
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "StorageClass",
        plural: "storageclasses",
        singular: "storageclass",
        short: &["sc"],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.StorageClass")],
    columns: &[
        Column { cell: kind::Cell::Of(name), ..kind::NAME },
        column("Provisioner", "string", |it, _| it.str("provisioner").into()),
        column("ReclaimPolicy", "string", |it, _| or(it, "reclaimPolicy", "Delete")),
        column("VolumeBindingMode", "string", |it, _| or(it, "volumeBindingMode", "Immediate")),
        column("AllowVolumeExpansion", "string", |it, _| {
            it.bool("allowVolumeExpansion").unwrap_or(false).into()
        }),
        kind::AGE,
    ],
    delete_returns_object: true,
    set_defaults: |class| {
        class.set_default("reclaimPolicy", "Delete");
        class.set_default("volumeBindingMode", "Immediate");
    },
    validate,
    validate_update,
    warnings,
    ..Kind::DEFAULT
};

const DEFAULT_ANNOTATIONS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
const PARAMETERS_MAX: usize = 512;
const PARAMETER_BYTES_MAX: usize = 256 * 1024;

fn name(class: &Map, _: i64) -> Node {
    if DEFAULT_ANNOTATIONS.iter().any(|key| class.annotation(key) == Some("true")) {
        format!("{} (default)", class.name()).into()
    } else {
        class.name().into()
    }
}

fn or(class: &Map, field: &str, absent: &str) -> Node {
    class.get(field).cloned().unwrap_or(absent.into())
}

fn validate(class: &Map, errors: &mut FieldErrors) {
    validate_provisioner(class.str("provisioner"), &Path::new("provisioner"), errors);
    validate_parameters(class.map("parameters"), errors);
    let policy = class.str("reclaimPolicy");
    if !matches!(policy, "" | "Delete" | "Retain") {
        errors.not_supported(&Path::new("reclaimPolicy"), policy, &["Delete", "Retain"]);
    }
    let mode = class.str("volumeBindingMode");
    if !matches!(mode, "Immediate" | "WaitForFirstConsumer") {
        let supported = &["Immediate", "WaitForFirstConsumer"];
        errors.not_supported(&Path::new("volumeBindingMode"), mode, supported);
    }
    validate_topologies(class, errors);
}

/// The name of what makes or changes volumes: a qualified name in any case.
pub(super) fn validate_provisioner(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(path, "");
    } else {
        rules::qualified_name(&name.to_lowercase(), path, errors);
    }
}

/// Reports terms that say nothing, the same twice, or what another term says.
fn validate_topologies(class: &Map, errors: &mut FieldErrors) {
    let path = Path::new("allowedTopologies");
    // Upstream compares each term with as many empty ones as there are terms, too.
    let mut seen = HashSet::from([BTreeMap::new()]);
    for (i, term) in class.maps("allowedTopologies").enumerate() {
        let path = path.index(i);
        let path = path.child("matchLabelExpressions");
        if !seen.insert(validate_topology(term, &path, errors)) {
            errors.duplicate(&path, "");
        }
    }
}

/// Answers the values of each key of a term.
fn validate_topology<'a>(
    term: &'a Map,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut topology = BTreeMap::new();
    for (i, expression) in term.maps("matchLabelExpressions").enumerate() {
        let path = path.index(i);
        let values_path = path.child("values");
        if expression.list("values").is_empty() {
            errors.required(&values_path, "");
        }
        let mut values = BTreeSet::new();
        for (j, value) in expression.texts("values").enumerate() {
            if !values.insert(value) {
                errors.duplicate(&values_path.index(j), value);
            }
        }
        let key = expression.str("key");
        rules::qualified_name(key, &path.child("key"), errors);
        if topology.insert(key, values).is_some() {
            errors.duplicate(&path.child("key"), key);
        }
    }
    topology
}

/// Parameters of a class: a limited number of keys, of limited size together.
pub(super) fn validate_parameters(parameters: Option<&Map>, errors: &mut FieldErrors) {
    let Some(parameters) = parameters else { return };
    let path = Path::new("parameters");
    if parameters.len() > PARAMETERS_MAX {
        errors.too_long(&path, PARAMETERS_MAX);
        return;
    }
    let mut bytes = 0;
    for (key, value) in parameters.iter() {
        if key.is_empty() {
            errors.invalid(&path, "", "field can not be empty.");
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > PARAMETER_BYTES_MAX {
        errors.too_long(&path, PARAMETER_BYTES_MAX);
    }
}

fn validate_update(class: &Map, old: &Map, errors: &mut FieldErrors) {
    for field in ["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"] {
        errors.fixed(&Path::new(field), class.get(field), old.get(field));
    }
}

fn warnings(class: &Map, _: Option<&Map>, warnings: &mut Warnings) {
    let path = Path::new("allowedTopologies");
    for (i, term) in class.maps("allowedTopologies").enumerate() {
        let path = path.index(i);
        let path = path.child("matchLabelExpressions");
        for (j, expression) in term.maps("matchLabelExpressions").enumerate() {
            node_labels::warn(expression.str("key"), &path.index(j).child("key"), warnings);
        }
    }
}
