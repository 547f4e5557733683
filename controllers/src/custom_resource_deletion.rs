//! Deletion of custom resource definitions: first the objects go, then the definition.
//!
//! Keeps: the finalizer is taken away only after one look at all namespaces found no object left.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::api::{ApiError, DeleteOptions, ListOptions, Resource, Target, WriteOptions};
use crate::clock;
use crate::context::Context;
use crate::controller::{Controller, Next, Shape};
use crate::digest::Digest;
use crate::digests::custom_resource_definition::{Condition, CustomResourceDefinition, set_condition};
use crate::key::Key;
use crate::protection::fetch;

#[cfg(test)]
mod tests;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "custom-resource-deletion-controller",
    watches: |watches| {
        watches.primary::<CustomResourceDefinition>();
    },
    shape: Shape::Reconcile(reconcile),
    rules: &[
        "get,list,watch,update apiextensions.k8s.io:customresourcedefinitions",
        "update apiextensions.k8s.io:customresourcedefinitions/status",
        "list,deletecollection *:*",
    ],
    ..Controller::DEFAULT
};

/// What holds a definition while it has objects.
const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// How long objects with finalizers are given before they are looked at again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Objects per page when what is left is listed.
const PAGE_OBJECTS_MAX: usize = 1_000;

fn reconcile<'a>(context: &'a Context, key: &'a Key) -> BoxFuture<'a, Result<Next, ApiError>> {
    Box::pin(async move {
        let seen = context.view().of::<CustomResourceDefinition>().by_key(key).cloned();
        if !seen.is_some_and(|held| held.is_terminating()) {
            return Ok(Next::Change);
        }
        let target = Target::new(CustomResourceDefinition::RESOURCE, "", &key.name);
        let Some(object) = fetch(context, target).await? else { return Ok(Next::Change) };
        let definition: CustomResourceDefinition = object.decode()?;
        if !definition.is_terminating() || !definition.metadata.finalizers.iter().any(|it| it == FINALIZER) {
            return Ok(Next::Change);
        }
        let progress = ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress");
        let object = report(context, target, object.decode()?, progress).await?;
        if definition.is("Established") {
            let left = delete_instances(context, &definition).await?;
            if left > 0 {
                return Ok(Next::After(PATIENCE));
            }
        }
        let done = if definition.is("Established") {
            ("False", "InstanceDeletionCompleted", "removed all instances")
        } else {
            ("False", "NeverEstablished", "resource was never established")
        };
        let object = report(context, target, object, done).await?;
        release(context, target, object).await
    })
}

/// Deletes every object; answers how many are left.
async fn delete_instances(
    context: &Context,
    definition: &CustomResourceDefinition,
) -> Result<usize, ApiError> {
    let names = &definition.status.accepted_names;
    // While the definition goes, its storage version is served in any case.
    let Some(version) = definition.spec.versions.iter().find(|version| version.storage) else { return Ok(0) };
    let resource = Resource {
        group: definition.spec.group.to_string().into(),
        version: version.name.to_string().into(),
        plural: names.plural.to_string().into(),
        kind: names.kind.to_string().into(),
        namespaced: definition.spec.scope == "Namespaced",
    };
    let (namespaces, _) = look(context, &resource).await?;
    for namespace in namespaces {
        let all = ListOptions::default();
        context.api.delete_collection(&resource, &namespace, &all, &DeleteOptions::default()).await?;
    }
    Ok(look(context, &resource).await?.1)
}

/// The namespaces in which objects are (an empty name at cluster scope), and how many there are.
async fn look(context: &Context, resource: &Resource) -> Result<(BTreeSet<String>, usize), ApiError> {
    let mut options = ListOptions { limit: PAGE_OBJECTS_MAX, metadata_only: true, ..ListOptions::default() };
    let (mut namespaces, mut count) = (BTreeSet::new(), 0);
    loop {
        let page = context.api.list(resource, "", &options).await?;
        count += page.items.len();
        namespaces.extend(page.items.iter().map(|object| object.meta.namespace.to_string()));
        if page.next.is_empty() {
            return Ok((namespaces, count));
        }
        options.next = page.next;
    }
}

/// Writes the condition `Terminating`, if it has changed. Answers the definition as it is now.
async fn report(
    context: &Context,
    target: Target<'_>,
    mut object: Value,
    (status, reason, message): (&str, &str, &str),
) -> Result<Value, ApiError> {
    let stored = object["status"]["conditions"].take();
    let mut conditions: Vec<Condition> = serde_json::from_value(stored).unwrap_or_default();
    let now = clock::time(context.clock.now());
    let changed = set_condition(&mut conditions, "Terminating", status, reason, message, &now);
    object["status"]["conditions"] = json!(conditions);
    if !changed {
        return Ok(object);
    }
    let body = Bytes::from(object.to_string());
    context.api.update(target, body, &WriteOptions::subresource("status")).await?.decode()
}

/// Takes the finalizer away. The object's version is a precondition, so nobody's finalizer is lost.
async fn release(context: &Context, target: Target<'_>, mut object: Value) -> Result<Next, ApiError> {
    if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
    let body = Bytes::from(object.to_string());
    match context.api.update(target, body, &WriteOptions::default()).await {
        Ok(_) => Ok(Next::Change),
        Err(error) if error.is_not_found() => Ok(Next::Change),
        Err(error) => Err(error),
    }
}
