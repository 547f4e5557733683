//! PV protection: a volume that is deleted stays for as long as it is bound.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use crate::api::{ApiError, Resource, Target};
use crate::context::Context;
use crate::controller::{Controller, Next, Shape};
use crate::digest::Digest;
use crate::key::Key;
use crate::protection::{Protected, Step, fetch, write};

#[cfg(test)]
mod tests;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "pv-protection-controller",
    watches: |watches| watches.primary::<Volume>(),
    shape: Shape::Reconcile(reconcile),
    ..Controller::DEFAULT
};

const FINALIZER: &str = "kubernetes.io/pv-protection";

/// What the view holds of a volume: that it exists. Every change of it is a reason to look.
#[derive(Clone, Debug, Default, Deserialize)]
struct Volume {}

impl Digest for Volume {
    const RESOURCE: &'static Resource = &Resource::cluster("", "v1", "persistentvolumes", "PersistentVolume");
    const METADATA_ONLY: bool = true;
}

fn reconcile<'a>(context: &'a Context, key: &'a Key) -> BoxFuture<'a, Result<Next, ApiError>> {
    Box::pin(async move {
        if context.view().of::<Volume>().by_key(key).is_none() {
            return Ok(Next::Change);
        }
        let target = Target::new(Volume::RESOURCE, "", &key.name);
        let Some(object) = fetch(context, target).await? else { return Ok(Next::Change) };
        let volume: Protected = object.decode()?;
        match volume.step(FINALIZER) {
            Step::Add => write(context, target, &object, FINALIZER, true).await?,
            Step::Release if volume.status.phase != "Bound" => {
                write(context, target, &object, FINALIZER, false).await?;
            }
            Step::Release | Step::Stay => {}
        }
        Ok(Next::Change)
    })
}
