//! StorageObjectInUseProtection: claims, volumes and classes of their attributes are born with a finalizer that their
//! protection controllers take away once nobody uses them any more.

use super::{Attributes, Plugin};
use crate::status::Error;
use crate::tree::{Map, Node};

pub(super) struct StorageObjectInUseProtection;

const FINALIZERS: [(&str, &str); 3] = [
    ("persistentvolumeclaims", "kubernetes.io/pvc-protection"),
    ("persistentvolumes", "kubernetes.io/pv-protection"),
    ("volumeattributesclasses.storage.k8s.io", "kubernetes.io/vac-protection"),
];

impl Plugin for StorageObjectInUseProtection {
    fn name(&self) -> &'static str {
        "StorageObjectInUseProtection"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, object: &mut Map) -> Result<(), Error> {
        let Some((_, finalizer)) = FINALIZERS.iter().find(|(resource, _)| attributes.creates(resource))
        else {
            return Ok(());
        };
        let finalizers = object.metadata_mut().list_mut("finalizers");
        if !finalizers.iter().any(|present| present.as_str() == Some(finalizer)) {
            finalizers.push(Node::from(*finalizer));
        }
        Ok(())
    }
}
