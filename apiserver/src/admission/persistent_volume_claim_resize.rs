//! PersistentVolumeClaimResize: a bound claim grows only when its class allows expansion.

use std::sync::LazyLock;

use super::{Attributes, Operation, Plugin, builtin};
use crate::quantity::Quantity;
use crate::registry::Resource;
use crate::status::Error;
use crate::tree::Map;

pub(super) struct PersistentVolumeClaimResize;

static STORAGE_CLASSES: LazyLock<&Resource> = LazyLock::new(|| builtin("storage.k8s.io", "storageclasses"));

impl Plugin for PersistentVolumeClaimResize {
    fn name(&self) -> &'static str {
        "PersistentVolumeClaimResize"
    }

    fn validate(&self, attributes: &mut Attributes<'_>, claim: Option<&Map>) -> Result<(), Error> {
        let updates =
            attributes.operation == Operation::Update && attributes.is_for("persistentvolumeclaims", "");
        let (Some(claim), Some(old)) = (claim.filter(|_| updates), attributes.old) else { return Ok(()) };
        if size(claim) <= size(old) {
            return Ok(());
        }
        if old.str_at(&["status", "phase"]) != "Bound" {
            return Err(
                attributes.forbidden(Some(claim), "Only bound persistent volume claims can be expanded")
            );
        }
        let class = claim.str_at(&["spec", "storageClassName"]);
        let class = attributes.view.object(&STORAGE_CLASSES, "", class);
        if class.and_then(|class| class.bool("allowVolumeExpansion")) == Some(true) {
            return Ok(());
        }
        let cause = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must \
                     support resize";
        Err(attributes.forbidden(Some(claim), cause))
    }
}

fn size(claim: &Map) -> Quantity {
    Quantity::parse(claim.str_at(&["spec", "resources", "requests", "storage"])).unwrap_or(Quantity::ZERO)
}
