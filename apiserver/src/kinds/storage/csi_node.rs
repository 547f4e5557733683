//! CSINode: the drivers of a node. Keeps: a driver's identity on a node never changes.

use std::collections::HashSet;

use super::volume_attributes_class::validate_driver;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::names::{self, label};
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
        validate_driver(driver.str("name"), &path.child("name"), errors);
        if !seen.insert(driver.str("name")) {
            errors.duplicate(&path.child("name"), driver.str("name"));
        }
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
        let keys_path = path.child("topologyKeys");
        let mut keys = HashSet::new();
        for key in driver.list("topologyKeys").iter().filter_map(Node::as_str) {
            if !keys.insert(key) {
                errors.duplicate(&keys_path, key);
            }
            names::report(errors, &keys_path, key, label::key(key));
        }
        if let Some(count) = driver.at(&["allocatable", "count"]).and_then(Node::as_int).filter(|it| *it < 0)
        {
            let allocatable = path.child("allocatable");
            errors.invalid(&allocatable.child("count"), count, "must be greater than or equal to 0");
        }
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
    for (i, driver) in drivers(node).enumerate() {
        let before = drivers(old).find(|before| before.str("name") == driver.str("name"));
        if before.is_some_and(|before| identity(before) != identity(driver)) {
            errors.invalid(&path.index(i), driver.clone(), "field is immutable");
        }
    }
}
