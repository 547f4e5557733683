//! CSIStorageCapacity: what is left for a storage class in a topology. Keeps: topology and class never change.

use crate::field::{FieldErrors, Path};
use crate::kind::{Kind, Names, Scope, Version};
use crate::kinds::core::node_labels;
use crate::kinds::selector;
use crate::names::{self, dns};
use crate::quantity::Quantity;
use crate::tree::Map;
use crate::warning::Warnings;

/// The kind.
pub(in crate::kinds) static KIND: Kind = Kind {
    names: Names {
        group: "storage.k8s.io",
        kind: "CSIStorageCapacity",
        plural: "csistoragecapacities",
        singular: "csistoragecapacity",
        short: &[],
        scope: Scope::Namespaced,
    },
    versions: &[Version::storage("storage.k8s.io", "v1", "io.k8s.api.storage.v1.CSIStorageCapacity")],
    unconditional_update: false,
    validate,
    validate_update,
    warnings,
    ..Kind::DEFAULT
};

fn validate(capacity: &Map, errors: &mut FieldErrors) {
    selector::validate(capacity.map("nodeTopology"), &Path::new("nodeTopology"), errors);
    let class = capacity.str("storageClassName");
    names::report(errors, &Path::new("storageClassName"), class, dns::subdomain(class));
    let amount = capacity.str("capacity");
    if Quantity::parse(amount).is_ok_and(|amount| amount.sign() < 0) {
        errors.invalid(&Path::new("capacity"), amount, "must be greater than or equal to 0");
    }
}

fn validate_update(capacity: &Map, old: &Map, errors: &mut FieldErrors) {
    for field in ["nodeTopology", "storageClassName"] {
        errors.immutable(&Path::new(field), capacity.get(field), old.get(field));
    }
}

fn warnings(capacity: &Map, _: Option<&Map>, warnings: &mut Warnings) {
    let Some(topology) = capacity.map("nodeTopology") else { return };
    let path = Path::new("nodeTopology");
    node_labels::warn_of_expressions(topology, &path, warnings);
    let path = path.child("matchLabels");
    for key in topology.map("matchLabels").into_iter().flat_map(Map::keys) {
        node_labels::warn(key, &path.child(key), warnings);
    }
}
