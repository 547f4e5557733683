//! Emptying a namespace of one resource.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::api::{
    ApiError, DeleteOptions, ListOptions, Object, Propagation, Resource, ServedResource, Target, Verb,
};
use crate::context::Context;
use crate::digest::Digest;
use crate::digests::Pod;

/// Objects per page when what is left is counted.
const PAGE_OBJECTS_MAX: usize = 1_000;

/// What is left of a resource in a namespace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remaining {
    /// How many objects.
    pub(super) objects: usize,
    /// How many of them each finalizer holds.
    pub(super) finalizers: BTreeMap<String, usize>,
    /// How long the slowest of them may take to end by itself.
    pub(super) grace: Duration,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Finalized {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    finalizers: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Graceful {
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    termination_grace_period_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
}

/// Deletes every object of a resource in a namespace; answers what is left.
pub(super) async fn empty(
    context: &Context,
    served: &ServedResource,
    namespace: &str,
) -> Result<Remaining, ApiError> {
    let resource = &served.resource;
    let mut remaining = Remaining::default();
    if resource == Pod::RESOURCE {
        remaining.grace = grace_of_pods(context, namespace).await?;
    }
    let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    if served.has(Verb::DeleteCollection) {
        context.api.delete_collection(resource, namespace, &ListOptions::default(), &options).await?;
    } else if served.has(Verb::List) {
        delete_one_by_one(context, resource, namespace, &options).await?;
    }
    if !served.has(Verb::List) {
        return Ok(remaining);
    }
    for_each(context, resource, namespace, |object| {
        let finalized: Finalized = object.decode()?;
        remaining.objects += 1;
        for finalizer in finalized.metadata.finalizers {
            *remaining.finalizers.entry(finalizer).or_default() += 1;
        }
        Ok(())
    })
    .await?;
    if remaining.objects > 0 && remaining.finalizers.is_empty() && remaining.grace.is_zero() {
        return Err(ApiError::malformed(format!(
            "unexpected items still remain in namespace: {namespace} for gvr: {}, Resource={}",
            gvr(resource),
            resource.plural
        )));
    }
    Ok(remaining)
}

fn gvr(resource: &Resource) -> String {
    format!("{}/{}", resource.group, resource.version)
}

/// Calls `look` with the metadata of every object.
async fn for_each(
    context: &Context,
    resource: &Resource,
    namespace: &str,
    mut look: impl FnMut(&Object) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let mut options = ListOptions { limit: PAGE_OBJECTS_MAX, metadata_only: true, ..ListOptions::default() };
    loop {
        let page = context.api.list(resource, namespace, &options).await?;
        page.items.iter().try_for_each(&mut look)?;
        if page.next.is_empty() {
            return Ok(());
        }
        options.next = page.next;
    }
}

async fn delete_one_by_one(
    context: &Context,
    resource: &Resource,
    namespace: &str,
    options: &DeleteOptions,
) -> Result<(), ApiError> {
    let mut names = Vec::new();
    for_each(context, resource, namespace, |object| {
        names.push(object.meta.name.clone());
        Ok(())
    })
    .await?;
    for name in names {
        match context.api.delete(Target::new(resource, namespace, &name), options).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The longest time that a pod which still runs was given to end.
async fn grace_of_pods(context: &Context, namespace: &str) -> Result<Duration, ApiError> {
    let mut longest = 0;
    let mut options = ListOptions { limit: PAGE_OBJECTS_MAX, ..ListOptions::default() };
    loop {
        let page = context.api.list(Pod::RESOURCE, namespace, &options).await?;
        for object in &page.items {
            let pod: Graceful = object.decode()?;
            if !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
                longest = longest.max(pod.spec.termination_grace_period_seconds.unwrap_or(0));
            }
        }
        if page.next.is_empty() {
            return Ok(Duration::from_secs(longest));
        }
        options.next = page.next;
    }
}
