//! The pod garbage collector: deletes pods that nobody will end any more.
//!
//! Keeps: a pod is deleted because its node is gone only after the node was missing for a while and a read has confirmed
//! it; a pod that is deleted forcefully was marked Failed before, with a condition that says why.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use ecow::EcoString;
use futures_util::future::BoxFuture;
use rustc_hash::FxBuildHasher;
use serde_json::{Value, json};

use crate::api::{ApiError, DeleteOptions, PatchType, Target, WriteOptions};
use crate::clock;
use crate::context::Context;
use crate::controller::{Controller, Shape};
use crate::digest::{Digest, Held};
use crate::digests::{Node, Pod};
use crate::view::View;

#[cfg(test)]
mod tests;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "pod-garbage-collector",
    watches: |watches| {
        watches.view::<Pod>();
        watches.view::<Node>();
    },
    shape: Shape::Loop(run),
    ..Controller::DEFAULT
};

/// How often everything is looked at.
const INTERVAL: Duration = Duration::from_secs(20);

/// How long a node has to be missing before its pods go.
const QUARANTINE: Duration = Duration::from_secs(40);

const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Since when nodes that pods name have been missing.
type Missing = HashMap<EcoString, Duration, FxBuildHasher>;

fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut missing = Missing::default();
        loop {
            collect(&context, &mut missing).await;
            context.clock.sleep(INTERVAL).await;
        }
    })
}

async fn collect(context: &Context, missing: &mut Missing) {
    let view = context.view();
    let terminated_max = context.settings.terminated_pods_max;
    if terminated_max > 0 {
        for pod in superfluous(&view, terminated_max) {
            delete(context, pod, None).await;
        }
    }
    for pod in out_of_service(&view) {
        delete(context, pod, None).await;
    }
    for node in vanished(context, &view, missing).await {
        for pod in view.of::<Pod>().indexed(Pod::node_term(&node)) {
            let condition = json!({
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists",
                "lastTransitionTime": clock::time(context.clock.now()),
            });
            delete(context, pod, Some(condition)).await;
        }
    }
    for pod in view.of::<Pod>().iter() {
        if pod.is_terminating() && pod.spec.node_name.is_empty() && !pod.broken {
            delete(context, pod, None).await;
        }
    }
}

/// The terminated pods beyond the threshold, oldest first.
fn superfluous(view: &View, terminated_max: usize) -> Vec<&Held<Pod>> {
    let pods = view.of::<Pod>();
    let mut terminated: Vec<&Held<Pod>> =
        pods.iter().map(AsRef::as_ref).filter(|pod| pod.is_terminated() && !pod.broken).collect();
    let count = terminated.len().saturating_sub(terminated_max);
    terminated.sort_by(|a, b| {
        let order = |pod: &Held<Pod>| (pod.metadata.creation_timestamp.clone(), pod.meta.name.clone());
        order(a).cmp(&order(b))
    });
    terminated.truncate(count);
    terminated
}

/// The terminating pods of nodes that an administrator has declared dead.
fn out_of_service(view: &View) -> Vec<&Held<Pod>> {
    let is_dead =
        |node: &Node| !node.is_ready() && node.spec.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE);
    let dead = view.of::<Node>().iter().filter(|node| !node.broken && is_dead(node));
    dead.flat_map(|node| view.of::<Pod>().indexed(Pod::node_term(&node.meta.name)))
        .map(AsRef::as_ref)
        .filter(|pod| pod.is_terminating())
        .collect()
}

/// The nodes that pods name and that have been missing long enough; a read confirms it.
async fn vanished(context: &Context, view: &View, missing: &mut Missing) -> Vec<EcoString> {
    let now = context.clock.elapsed();
    let mut seen = Missing::default();
    for pod in view.of::<Pod>().iter().filter(|pod| !pod.spec.node_name.is_empty()) {
        let node = &pod.spec.node_name;
        if view.of::<Node>().get("", node).is_none() {
            let since = missing.get(node).copied().unwrap_or(now);
            seen.insert(node.clone(), since);
        }
    }
    *missing = seen;
    let mut gone = Vec::new();
    for (node, since) in missing.iter() {
        if now.saturating_sub(*since) < QUARANTINE {
            continue;
        }
        match context.api.fetch(Target::new(Node::RESOURCE, "", node)).await {
            Err(error) if error.is_not_found() => gone.push(node.clone()),
            Err(error) => tracing::warn!(%node, %error, "a missing node could not be looked for"),
            Ok(_) => {}
        }
    }
    gone
}

/// Marks a pod as Failed if it has not ended, with a condition if there is one to tell, and deletes it at once. What
/// fails is tried again in the next round.
async fn delete(context: &Context, pod: &Held<Pod>, condition: Option<Value>) {
    let target = Target::new(Pod::RESOURCE, &pod.meta.namespace, &pod.meta.name);
    if let Err(error) = try_delete(context, target, pod, condition).await
        && !error.is_not_found()
        && !error.is_conflict()
    {
        tracing::warn!(namespace = %pod.meta.namespace, pod = %pod.meta.name, %error, "a pod could not be collected");
    }
}

async fn try_delete(
    context: &Context,
    target: Target<'_>,
    pod: &Held<Pod>,
    condition: Option<Value>,
) -> Result<(), ApiError> {
    if !pod.is_terminated() {
        let mut status = json!({ "phase": "Failed" });
        if let Some(condition) = condition {
            status["conditions"] = json!([condition]);
        }
        // The uid makes sure that another pod of this name is not marked.
        let patch = json!({ "metadata": { "uid": pod.meta.uid }, "status": status });
        let options = WriteOptions::subresource("status");
        let body = Bytes::from(patch.to_string());
        context.api.patch(target, PatchType::Strategic, body, &options).await?;
    }
    let options =
        DeleteOptions { grace: Some(Duration::ZERO), ..DeleteOptions::of_uid(pod.meta.uid.as_str()) };
    context.api.delete(target, &options).await.map(drop)
}
