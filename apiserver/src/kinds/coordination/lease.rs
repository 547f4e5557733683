//! Lease: a lock or heartbeat with a holder. Keeps: a lease lasts for some time; transitions are counted up. Fields of
//! coordinated leader election, which is off by default, are not taken.

use crate::field::{FieldErrors, Path};
use crate::kind::{self, Context, Kind, Names, Scope, Version, column};
use crate::kinds::count;
use crate::tree::Map;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "coordination.k8s.io",
        kind: "Lease",
        plural: "leases",
        singular: "lease",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("coordination.k8s.io", "v1", "io.k8s.api.coordination.v1.Lease")],
    columns: &[
        kind::NAME,
        column("Holder", "string", |it, _| it.str_at(&["spec", "holderIdentity"]).into()),
        kind::AGE,
    ],
    creates_on_update: true,
    unconditional_update: false,
    prepare_for_create: |lease, _| drop_coordination(lease),
    prepare_for_update: |lease, _: &Map, _: &Context<'_>| drop_coordination(lease),
    validate,
    ..Kind::DEFAULT
};

fn drop_coordination(lease: &mut Map) {
    if let Some(spec) = lease.existing_map_mut("spec") {
        spec.remove("strategy");
        spec.remove("preferredHolder");
    }
}

fn validate(lease: &Map, errors: &mut FieldErrors) {
    let Some(spec) = lease.map("spec") else { return };
    let path = Path::new("spec");
    count::at_least(spec, "leaseDurationSeconds", 1, "must be greater than 0", &path, errors);
    count::non_negative(spec, &["leaseTransitions"], &path, errors);
}
