//! The namespace controller: empties a namespace that is being deleted, then lets it go.
//!
//! Keeps: pods go first, and nothing else is touched while one is left; a namespace is finalized only after one look at
//! every deletable resource found nothing in it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::api::{ApiError, ServedResource, Target, Verb, WriteOptions};
use crate::context::Context;
use crate::controller::{Controller, Next, Shape};
use crate::digest::{Change, Digest};
use crate::digests::{Namespace, Pod};
use crate::key::Key;
use crate::view::View;

mod conditions;
mod content;

#[cfg(test)]
mod tests;

use conditions::Findings;
use content::empty;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "namespace-controller",
    watches: |watches| {
        watches.primary::<Namespace>();
        watches.watch::<Pod>(last_pod);
    },
    shape: Shape::Reconcile(reconcile),
    workers: 10,
    resync: Duration::from_secs(5 * 60),
    ..Controller::DEFAULT
};

/// The finalizer of a namespace's spec that this controller takes away.
const FINALIZER: &str = "kubernetes";

/// A namespace need not wait out its pods' grace once the last of them is gone.
fn last_pod(change: &Change<'_, Pod>, view: &View, put: &mut dyn FnMut(Key)) {
    let (Some(pod), None) = (change.old, change.new) else { return };
    let name = &pod.meta.namespace;
    let terminates = view.of::<Namespace>().get("", name).is_some_and(|namespace| namespace.is_terminating());
    if terminates && view.of::<Pod>().namespace(name).next().is_none() {
        put(Key::new("", name.clone()));
    }
}

fn reconcile<'a>(context: &'a Context, key: &'a Key) -> BoxFuture<'a, Result<Next, ApiError>> {
    Box::pin(async move {
        if !context.view().of::<Namespace>().by_key(key).is_some_and(|namespace| namespace.is_terminating()) {
            return Ok(Next::Change);
        }
        // The view may be behind, so what is deleted is decided on the namespace as it is now.
        let target = Target::new(Namespace::RESOURCE, "", &key.name);
        let object = match context.api.fetch(target).await {
            Ok(object) => object,
            Err(error) if error.is_not_found() => return Ok(Next::Change),
            Err(error) => return Err(error),
        };
        let namespace: Namespace = object.decode()?;
        if !namespace.is_terminating() || !namespace.spec.finalizers.iter().any(|it| it == FINALIZER) {
            return Ok(Next::Change);
        }
        let findings = delete_contents(context, &key.name).await?;
        let object = report(context, target, object.decode()?, &findings).await?;
        if let Some(failure) = findings.failure() {
            return Err(failure);
        }
        match findings.patience() {
            Some(patience) => Ok(Next::After(patience)),
            None => finalize(context, target, object).await,
        }
    })
}

/// Deletes what is in a namespace and tells what is left.
async fn delete_contents(context: &Context, namespace: &str) -> Result<Findings, ApiError> {
    let mut findings = Findings::default();
    let discovery = context.api.discover().await?;
    findings.undiscovered(&discovery.failed);
    let (pods, others): (Vec<ServedResource>, Vec<ServedResource>) = discovery
        .resources
        .into_iter()
        .filter(|served| served.resource.namespaced && served.has(Verb::Delete))
        .partition(|served| served.resource.group.is_empty() && served.resource.plural == "pods");
    for served in pods {
        findings.found(&served.resource, empty(context, &served, namespace).await);
    }
    if findings.is_clean() {
        for served in others {
            findings.found(&served.resource, empty(context, &served, namespace).await);
        }
    }
    Ok(findings)
}

/// Writes the conditions, if they have changed. Answers the namespace as it is now.
async fn report(
    context: &Context,
    target: Target<'_>,
    mut object: Value,
    findings: &Findings,
) -> Result<Value, ApiError> {
    if !findings.write_conditions(&mut object["status"], context.clock.now()) {
        return Ok(object);
    }
    let body = Bytes::from(object.to_string());
    let stored = context.api.update(target, body, &WriteOptions::subresource("status")).await?;
    stored.decode()
}

/// Takes the finalizer away. The object's version is a precondition, so nobody's finalizer is lost.
async fn finalize(context: &Context, target: Target<'_>, mut object: Value) -> Result<Next, ApiError> {
    if let Some(finalizers) = object["spec"]["finalizers"].as_array_mut() {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
    let body = Bytes::from(object.to_string());
    match context.api.update(target, body, &WriteOptions::subresource("finalize")).await {
        Ok(_) => Ok(Next::Change),
        Err(error) if error.is_not_found() => Ok(Next::Change),
        Err(error) => Err(error),
    }
}
