//! CSINode: the drivers of a node. Keeps: a driver's identity on a node never changes.

use std::collections::{HashMap, HashSet};

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::kinds::core::{rules, volume_source};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "CSINode",
        plural: "csinodes",
        singular: "csinode",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.CSINode")],
    columns: &[
        kind::NAME,
        column("Drivers", "integer", |it, _| Node::Int(drivers(it).count() as i64)),
        kind::AGE,
    ],
    unconditional_update: false,
    delete_returns_object: true,
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const NODE_ID_BYTES_MAX: usize = 256;

fn drivers(node: &Map) -> impl Iterator<Item = &Map> {
    node.map("spec").into_iter().flat_map(|spec| spec.maps("drivers"))
}

fn validate(node: &Map, errors: &mut FieldErrors) {
    let spec = Path::new("spec");
    let path = spec.child("drivers");
    let mut seen = HashSet::new();
    for (i, driver) in drivers(node).enumerate() {
        let path = path.index(i);
        volume_source::validate_driver_name(driver.str("name"), &path.child("name"), errors);
        let id = driver.str("nodeID");
        if id.is_empty() {
            errors.required(&path.child("nodeID"), "");
        } else if id.len() > NODE_ID_BYTES_MAX {
            errors.invalid(
                &path.child("nodeID"),
                id,
                format!("must be {NODE_ID_BYTES_MAX} characters or less"),
            );
        }
        if let Some(allocatable) = driver.map("allocatable") {
            rules::non_negative(allocatable, &["count"], &path.child("allocatable"), errors);
        }
        if !seen.insert(driver.str("name")) {
            errors.duplicate(&path.child("name"), driver.str("name"));
        }
        validate_topology_keys(driver, &path, errors);
    }
}

/// Upstream reports the keys at the driver itself.
fn validate_topology_keys(driver: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut keys = HashSet::new();
    for key in driver.texts("topologyKeys") {
        if key.is_empty() {
            errors.required(path, "");
        }
        if !keys.insert(key) {
            errors.duplicate(path, key);
        }
        rules::qualified_name(key, path, errors);
    }
}

/// A driver that stays may only change what it can attach.
fn validate_update(node: &Map, old: &Map, errors: &mut FieldErrors) {
    let identity = |driver: &Map| {
        let mut driver = driver.clone();
        driver.remove("allocatable");
        driver
    };
    let spec = Path::new("spec");
    let path = spec.child("drivers");
    let known: HashMap<&str, &Map> = drivers(old).map(|driver| (driver.str("name"), driver)).collect();
    for driver in drivers(node) {
        let before = known.get(driver.str("name"));
        if before.is_some_and(|before| identity(before) != identity(driver)) {
            errors.invalid(&path, driver.clone(), "field is immutable");
        }
    }
}
