//! What controllers look at of a ServiceAccount: that it is there, and which one.

use serde::Deserialize;

use crate::api::Resource;
use crate::digest::Digest;

/// A ServiceAccount; its name and uid are in [`crate::Held::meta`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ServiceAccount {}

impl Digest for ServiceAccount {
    const RESOURCE: &'static Resource = &Resource::namespaced("", "v1", "serviceaccounts", "ServiceAccount");
    const METADATA_ONLY: bool = true;
}
