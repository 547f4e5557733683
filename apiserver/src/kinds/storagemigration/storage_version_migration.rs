//! StorageVersionMigration: the wish to write a resource's objects anew. Keeps: the resource never changes.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storagemigration.k8s.io",
        kind: "StorageVersionMigration",
        plural: "storageversionmigrations",
        singular: "storageversionmigration",
        short: &[],
        scope: Scope::Cluster,
    },
    versions: &[Version::storage(
        "storagemigration.k8s.io",
        "v1",
        "io.k8s.api.storagemigration.v1.StorageVersionMigration",
    )],
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, |_, _, _| {})],
    columns: &[kind::NAME, column("Resource", "string", resource), column("Status", "string", status)],
    unconditional_update: false,
    prepare_for_create: kind::clear_status,
    validate,
    validate_update,
    ..Kind::DEFAULT
};

fn resource(migration: &Map, _: i64) -> Node {
    let text = |field| migration.str_at(&["spec", "resource", field]);
    match text("group") {
        "" => text("resource").into(),
        group => format!("{}.{group}", text("resource")).into(),
    }
}

/// The condition that holds.
fn status(migration: &Map, _: i64) -> Node {
    let conditions = migration.map("status").into_iter().flat_map(|status| status.maps("conditions"));
    let holding = conditions.filter(|condition| condition.str("status") == "True").last();
    holding.map_or("", |condition| condition.str("type")).into()
}

fn validate(migration: &Map, errors: &mut FieldErrors) {
    if migration.str_at(&["spec", "resource", "resource"]).is_empty() {
        let spec = Path::new("spec");
        errors.required(&spec.child("resource").child("resource"), "resource is required");
    }
}

fn validate_update(migration: &Map, old: &Map, errors: &mut FieldErrors) {
    let path = ["spec", "resource"];
    errors.immutable(&Path::new("spec").child("resource"), migration.at(&path), old.at(&path));
}
