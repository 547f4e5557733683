//! ResourceSlice: devices that a driver offers. Keeps: driver, pool and node never change; devices have names of their
//! own.

use std::collections::HashSet;

use super::{devices, identifiers, taints};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, FieldValue, Generation, Kind, Names, Scope, Selectable, Version, column};
use crate::kinds::core::volume_source::validate_driver_name;
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
        Selectable { name: "spec.nodeName", value: FieldValue::At(&["spec", "nodeName"]), indexed: false },
        Selectable { name: "spec.driver", value: FieldValue::At(&["spec", "driver"]), indexed: false },
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
/// With taints or counters, which take more room.
const ADVANCED_DEVICES_MAX: usize = 64;

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
    validate_driver_name(spec.str("driver"), &SPEC.child("driver"), errors);
    validate_pool(spec, errors);
    let per_device = spec.bool("perDeviceNodeSelection") == Some(true);
    validate_place(spec, errors);
    if !spec.list("sharedCounters").is_empty() && !spec.list("devices").is_empty() {
        errors.invalid(&SPEC, "", "only one of `sharedCounters` or `devices` is allowed");
    }
    let path = SPEC.child("devices");
    let is_advanced = |device: &Map| device.contains("taints") || device.contains("consumesCounters");
    let max = if spec.maps("devices").any(is_advanced) { ADVANCED_DEVICES_MAX } else { DEVICES_MAX };
    let count = spec.list("devices").len();
    if count > max {
        return errors.too_many(&path, count, max);
    }
    for (i, device) in spec.maps("devices").enumerate() {
        let path = path.index(i);
        devices::validate(device, &path, errors);
        devices::validate_place(device, per_device, &path, errors);
    }
    let mut seen = HashSet::new();
    for (i, device) in spec.maps("devices").enumerate() {
        if !seen.insert(device.str("name")) {
            errors.duplicate(&path.index(i), device.str("name"));
        }
    }
}

fn validate_pool(spec: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let pool = spec.map("pool").unwrap_or(&empty);
    let path = SPEC.child("pool");
    identifiers::validate_pool(pool.str("name"), &path.child("name"), errors);
    let count = pool.int("resourceSliceCount").unwrap_or(0);
    if count <= 0 {
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
    if let Some("") = spec.get("nodeName").and_then(Node::as_str) {
        errors.invalid(&SPEC.child("nodeName"), "", "must be either unset or set to a non-empty string");
    }
    let places = devices::places(spec, &["perDeviceNodeSelection"], &SPEC, errors);
    let terms = spec.map("nodeSelector").map_or(1, |selector| selector.list("nodeSelectorTerms").len());
    if terms != 1 {
        let (path, value) = (SPEC.child("nodeSelector"), spec.at(&["nodeSelector", "nodeSelectorTerms"]));
        let detail = "must have exactly one node selector term";
        errors.invalid(&path.child("nodeSelectorTerms"), value.cloned().unwrap_or_default(), detail);
    }
    match places.len() {
        1 => {}
        0 => errors.required(&SPEC, DETAIL),
        _ => {
            let value = format!("{{{}}}", places.join(", "));
            errors.invalid(&SPEC, value, format!("{DETAIL}, but multiple fields are set"));
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
