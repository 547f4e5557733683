//! ResourceSlice: devices that a driver offers. Keeps: driver, pool and node never change; devices have names of their
//! own.

use super::taints;
use crate::field::{Cause, FieldErrors, Path};
use crate::kind::{self, Context, Generation, Kind, Names, Scope, Selectable, Version, column};
use crate::names::{self, dns};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "resource.k8s.io",
        kind: "ResourceSlice",
        plural: "resourceslices",
        singular: "resourceslice",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("resource.k8s.io", "v1", "io.k8s.api.resource.v1.ResourceSlice")],
    columns: &[
        kind::NAME,
        column("Node", "string", |it, _| it.at(&["spec", "nodeName"]).cloned().unwrap_or(Node::Null)),
        column("Driver", "string", |it, _| it.str_at(&["spec", "driver"]).into()),
        column("Pool", "string", |it, _| it.str_at(&["spec", "pool", "name"]).into()),
        kind::AGE,
    ],
    selectable: &[
        Selectable {
            name: "spec.nodeName",
            value: |it| it.str_at(&["spec", "nodeName"]).into(),
            indexed: false,
        },
        Selectable { name: "spec.driver", value: |it| it.str_at(&["spec", "driver"]).into(), indexed: false },
    ],
    generation: Generation::Spec,
    delete_returns_object: true,
    prepare_for_create: |slice, context| fill_taint_times(slice, None, context),
    prepare_for_update: |slice, old, context| fill_taint_times(slice, Some(old), context),
    validate,
    validate_update,
    ..Kind::DEFAULT
};

const SPEC: Path<'static> = Path::new("spec");
const DEVICES_MAX: usize = 128;

fn fill_taint_times(slice: &mut Map, old: Option<&Map>, context: &Context<'_>) {
    let devices = slice.map_mut("spec").existing_list_mut("devices").into_iter().flatten();
    for device in devices.filter_map(Node::as_map_mut) {
        let name = device.str("name").to_owned();
        let before = old
            .and_then(|old| old.map("spec"))
            .and_then(|spec| spec.maps("devices").find(|device| device.str("name") == name));
        for taint in device.existing_list_mut("taints").into_iter().flatten().filter_map(Node::as_map_mut) {
            let same = before.and_then(|device| {
                device
                    .maps("taints")
                    .find(|old| old.str("key") == taint.str("key") && old.str("value") == taint.str("value"))
            });
            taints::fill_time(taint, same, context.now);
        }
    }
}

fn validate(slice: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = slice.map("spec").unwrap_or(&empty);
    let driver = spec.str("driver");
    if driver.is_empty() {
        errors.required(&SPEC.child("driver"), "");
    } else {
        names::report(errors, &SPEC.child("driver"), driver, dns::subdomain(driver));
    }
    validate_pool(spec, errors);
    validate_place(spec, errors);
    let path = SPEC.child("devices");
    let count = spec.list("devices").len();
    if count > DEVICES_MAX {
        errors.too_many(&path, count, DEVICES_MAX);
    }
    let mut seen = std::collections::HashSet::new();
    for (i, device) in spec.maps("devices").enumerate() {
        let path = path.index(i);
        let name = device.str("name");
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else {
            names::report(errors, &path.child("name"), name, dns::label(name));
        }
        if !seen.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
        let path = path.child("taints");
        for (j, taint) in device.maps("taints").enumerate() {
            taints::validate(taint, &path.index(j), errors);
        }
    }
}

fn validate_pool(spec: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let pool = spec.map("pool").unwrap_or(&empty);
    let path = SPEC.child("pool");
    if pool.str("name").is_empty() {
        errors.required(&path.child("name"), "");
    }
    if pool.int("resourceSliceCount").unwrap_or(0) <= 0 {
        let count = pool.int("resourceSliceCount").unwrap_or(0);
        errors.invalid(&path.child("resourceSliceCount"), count, "must be greater than zero");
    }
    if let Some(generation) = pool.int("generation").filter(|it| *it < 0) {
        errors.invalid(&path.child("generation"), generation, "must be greater than or equal to zero");
    }
}

/// The devices are in one kind of place.
fn validate_place(spec: &Map, errors: &mut FieldErrors) {
    const DETAIL: &str =
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let flag = |field| spec.bool(field) == Some(true);
    let places = [
        !spec.str("nodeName").is_empty(),
        spec.contains("nodeSelector"),
        flag("allNodes"),
        flag("perDeviceNodeSelection"),
    ];
    match places.iter().filter(|place| **place).count() {
        1 => {}
        0 => errors.required(&SPEC, DETAIL),
        _ => {
            errors.add_without_value(Cause::Invalid, &SPEC, &format!("{DETAIL}, but multiple fields are set"))
        }
    }
}

fn validate_update(slice: &Map, old: &Map, errors: &mut FieldErrors) {
    for field in ["driver", "nodeName"] {
        errors.immutable(&SPEC.child(field), slice.at(&["spec", field]), old.at(&["spec", field]));
    }
    let pool = ["spec", "pool", "name"];
    errors.immutable(&SPEC.child("pool").child("name"), slice.at(&pool), old.at(&pool));
}
