//! ResourceClaim: a wish for devices. Keeps: the spec never changes.

use super::{device_claim, requests};
use crate::field::{FieldErrors, Path};
use crate::kind::{self, Kind, Names, Scope, Version, column};
use crate::tree::{Map, Node};

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "resource.k8s.io",
        kind: "ResourceClaim",
        plural: "resourceclaims",
        singular: "resourceclaim",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("resource.k8s.io", "v1", "io.k8s.api.resource.v1.ResourceClaim")],
    subresources: &[kind::status(kind::keep_metadata_and_all_but_status, |_, _, _| {})],
    columns: &[kind::NAME, column("State", "string", state), kind::AGE],
    delete_returns_object: true,
    set_defaults: |claim| requests::set_defaults(claim.map_mut("spec")),
    prepare_for_create: kind::clear_status,
    // An update that changes the spec is told just that.
    validate_request: |_, claim, old, errors| {
        if let (Some(spec), None) = (claim.map("spec"), old) {
            device_claim::validate(spec, &Path::new("spec"), errors);
        }
    },
    validate_update,
    ..Kind::DEFAULT
};

fn state(claim: &Map, _: i64) -> Node {
    let deleting = claim.at(&["metadata", "deletionTimestamp"]).is_some();
    let mut states = Vec::new();
    if deleting {
        states.push("deleted");
    }
    match claim.map("status").filter(|status| status.contains("allocation")) {
        Some(status) => {
            states.push("allocated");
            if !status.list("reservedFor").is_empty() {
                states.push("reserved");
            }
        }
        None if !deleting => states.push("pending"),
        None => {}
    }
    states.join(",").into()
}

fn validate_update(claim: &Map, old: &Map, errors: &mut FieldErrors) {
    errors.immutable(&Path::new("spec"), claim.get("spec"), old.get("spec"));
}
