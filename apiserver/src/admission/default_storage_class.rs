//! DefaultStorageClass: a claim that names no class gets the newest of the default ones.

use std::sync::LazyLock;

use super::{Attributes, Plugin, builtin, mentions};
use crate::registry::Resource;
use crate::status::Error;
use crate::storage;
use crate::tree::Map;

pub(super) struct DefaultStorageClass;

const IS_DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

static STORAGE_CLASSES: LazyLock<&Resource> = LazyLock::new(|| builtin("storage.k8s.io", "storageclasses"));

impl Plugin for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
    }

    fn admit(&self, attributes: &mut Attributes<'_>, claim: &mut Map) -> Result<(), Error> {
        if !attributes.creates("persistentvolumeclaims") {
            return Ok(());
        }
        if claim.at(&["spec", "storageClassName"]).is_some() || claim.annotation(CLASS_ANNOTATION).is_some() {
            return Ok(());
        }
        let newest = attributes
            .view
            .entries(&STORAGE_CLASSES, "")
            .filter(|entry| mentions(entry, "is-default-class\":\"true\""))
            .map(|entry| storage::decode(&STORAGE_CLASSES, entry))
            .filter(|class| IS_DEFAULT.iter().any(|key| class.annotation(key) == Some("true")))
            .reduce(|best, class| {
                let created = |class: &Map| class.str_at(&["metadata", "creationTimestamp"]).to_owned();
                if created(&class) > created(&best) { class } else { best }
            });
        if let Some(class) = newest {
            claim.map_mut("spec").set("storageClassName", class.name());
        }
        Ok(())
    }
}
