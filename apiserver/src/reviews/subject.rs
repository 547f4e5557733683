//! SelfSubjectReview: who am I?

use crate::registry::Resource;
use crate::status::Error;
use crate::tree::Map;

use super::{Asking, user_info};

pub(super) fn answer(_: &Resource, mut body: Map, asking: &Asking<'_>) -> Result<Map, Error> {
    body.metadata_mut().set("creationTimestamp", asking.now);
    body.set("status", Map::from([("userInfo", user_info(asking.user))]));
    Ok(body)
}
