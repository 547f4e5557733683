//! DeviceTaintRule: keeps pods away from devices. Keeps: the taint is well-formed and says since when it has its effect.

use super::taints;
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Generation, Kind, Names, Scope, Version, column};
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "resource.k8s.io",
        kind: "DeviceTaintRule",
        plural: "devicetaintrules",
        singular: "devicetaintrule",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage("resource.k8s.io", "v1", "io.k8s.api.resource.v1.DeviceTaintRule")],
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, |_, _, _| {})],
    columns: &[
        kind::NAME,
        column("Key", "string", |it, _| it.str_at(&["spec", "taint", "key"]).into()),
        column("Value", "string", |it, _| it.str_at(&["spec", "taint", "value"]).into()),
        column("Effect", "string", |it, _| it.str_at(&["spec", "taint", "effect"]).into()),
        column("TimeAdded", "string", |it, now| {
            crate::age::age(it.str_at(&["spec", "taint", "timeAdded"]), now).into()
        }),
        kind::AGE,
    ],
    generation: Generation::Spec,
    delete_returns_object: true,
    prepare_for_create,
    prepare_for_update,
    validate,
    ..Kind::DEFAULT
};

fn prepare_for_create(rule: &mut Map, context: &Context<'_>) {
    kind::clear_status(rule, context);
    taints::fill_time(rule.map_mut("spec").map_mut("taint"), None, context.now);
}

fn prepare_for_update(rule: &mut Map, old: &Map, context: &Context<'_>) {
    taints::fill_time(rule.map_mut("spec").map_mut("taint"), old.map_at(&["spec", "taint"]), context.now);
}

fn validate(rule: &Map, errors: &mut FieldErrors) {
    let empty = Map::new();
    let spec = Path::new("spec");
    taints::validate(rule.map_at(&["spec", "taint"]).unwrap_or(&empty), &spec.child("taint"), errors);
}
