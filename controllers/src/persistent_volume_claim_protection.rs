//! PVC protection: a claim that is deleted stays for as long as a scheduled pod names it.
//!
//! Keeps: that no pod uses a claim is decided by a list, not by a view; a kubelet starts no pod on a claim that is being
//! deleted, so none can come in between.

use ecow::EcoString;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use crate::api::{ApiError, ListOptions, OwnerReference, Resource, Target};
use crate::context::Context;
use crate::controller::{Controller, Next, Shape};
use crate::digest::{Change, Digest};
use crate::digests::Pod;
use crate::key::Key;
use crate::protection::{Protected, Step, fetch, write};
use crate::view::View;

#[cfg(test)]
mod tests;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "pvc-protection-controller",
    watches: |watches| {
        watches.primary::<Claim>();
        watches.watch::<Pod>(freed);
    },
    shape: Shape::Reconcile(reconcile),
    ..Controller::DEFAULT
};

const FINALIZER: &str = "kubernetes.io/pvc-protection";
/// Pods per page of the list that decides.
const PAGE_OBJECTS_MAX: usize = 1_000;

/// What the view holds of a claim: that it exists.
#[derive(Clone, Debug, Default, Deserialize)]
struct Claim {}

impl Digest for Claim {
    const RESOURCE: &'static Resource =
        &Resource::namespaced("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");
    const METADATA_ONLY: bool = true;
}

/// A pod that is gone, or done, may have been the last that used its claims.
fn freed(change: &Change<'_, Pod>, _: &View, put: &mut dyn FnMut(Key)) {
    let Some(pod) = change.newest() else { return };
    if change.new.is_none() || pod.is_shut_down() || pod.is_terminated() {
        let names = pod.claim_names(&pod.meta.name);
        names.for_each(|(claim, _)| put(Key::new(pod.meta.namespace.clone(), claim)));
    }
}

fn reconcile<'a>(context: &'a Context, key: &'a Key) -> BoxFuture<'a, Result<Next, ApiError>> {
    Box::pin(async move {
        if context.view().of::<Claim>().by_key(key).is_none() {
            return Ok(Next::Change);
        }
        let target = Target::new(Claim::RESOURCE, &key.namespace, &key.name);
        let Some(object) = fetch(context, target).await? else { return Ok(Next::Change) };
        let claim: Protected = object.decode()?;
        match claim.step(FINALIZER) {
            Step::Stay => {}
            Step::Add => write(context, target, &object, FINALIZER, true).await?,
            Step::Release => {
                if !is_used(context, key, &claim.metadata.owner_references).await? {
                    write(context, target, &object, FINALIZER, false).await?;
                }
            }
        }
        Ok(Next::Change)
    })
}

/// Whether a scheduled pod names the claim.
async fn is_used(context: &Context, claim: &Key, owners: &[OwnerReference]) -> Result<bool, ApiError> {
    let mut options = ListOptions { limit: PAGE_OBJECTS_MAX, ..ListOptions::default() };
    loop {
        let page = context.api.list(Pod::RESOURCE, &claim.namespace, &options).await?;
        for object in &page.items {
            let pod: Pod = object.decode()?;
            if uses(&pod, &object.meta.name, &object.meta.uid, claim, owners) {
                return Ok(true);
            }
        }
        if page.next.is_empty() {
            return Ok(false);
        }
        options.next = page.next;
    }
}

fn uses(pod: &Pod, name: &str, uid: &EcoString, claim: &Key, owners: &[OwnerReference]) -> bool {
    let owned = || owners.iter().any(|owner| owner.controller && owner.uid == *uid);
    !pod.spec.node_name.is_empty()
        && pod
            .claim_names(name)
            .any(|(named, ephemeral)| named == claim.name && (!ephemeral || !pod.is_shut_down() && owned()))
}
