//! Looking at one object: its owners when it may have to go, its dependents when its own deletion waits for them.
//!
//! Keeps: every decision rests on what a read has just shown, and every write names the version that it rests on.

use bytes::Bytes;
use ecow::EcoString;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::Collector;
use super::graph::{FOREGROUND, Metadata, Node, ORPHAN};
use crate::api::{
    ApiError, DeleteOptions, Object, OwnerReference, PatchType, Propagation, Target, WriteOptions,
};
use crate::key::Key;

/// Dependents that are freed at once.
const FREED_AT_ONCE: usize = 16;

/// How an owner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is there.
    Solid,
    /// It is not, or not any more.
    Dangling,
    /// It waits until its dependents are gone.
    Waiting,
}

/// Looks at an object that may have lost its owners, or waits for its dependents.
pub(super) fn delete<'a>(collector: &'a Collector, key: &'a Key) -> BoxFuture<'a, Result<(), ApiError>> {
    Box::pin(async move {
        let uid = &key.name;
        let Some(node) = collector.graph.find(uid) else { return Ok(()) };
        if node.deleting && !node.awaits_dependents {
            return Ok(());
        }
        if !node.awaits_dependents && collector.graph.is_held_by_all_owners(uid) {
            return Ok(());
        }
        let Some((object, metadata)) = collector.live(&node, uid).await? else { return Ok(()) };
        if metadata.awaits_dependents() {
            return collector.wait_for_dependents(&node, uid, &object, &metadata).await;
        }
        if metadata.owner_references.is_empty() || metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        collector.judge(&node, uid, &object, &metadata).await
    })
}

/// Frees the dependents of an object that is deleted without them, then lets it go.
pub(super) fn orphan<'a>(collector: &'a Collector, key: &'a Key) -> BoxFuture<'a, Result<(), ApiError>> {
    Box::pin(async move {
        let uid = &key.name;
        let Some(node) = collector.graph.find(uid) else { return Ok(()) };
        stream::iter(collector.graph.dependents(uid))
            .map(|(dependent, node)| async move { collector.free(&node, &dependent, uid).await })
            .buffer_unordered(FREED_AT_ONCE)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await?;
        match collector.live(&node, uid).await? {
            Some((object, metadata)) => collector.take_finalizer(&node, &object, &metadata, ORPHAN).await,
            None => Ok(()),
        }
    })
}

impl Collector {
    /// The object as it is now. One that is gone, or another one under its name, is forgotten.
    async fn live(&self, node: &Node, uid: &str) -> Result<Option<(Object, Metadata)>, ApiError> {
        let target = Target::new(&node.resource, &node.key.namespace, &node.key.name);
        match self.context.api.fetch(target).await {
            Ok(object) if object.meta.uid == uid => {
                let metadata = Metadata::of(&object)?;
                Ok(Some((object, metadata)))
            }
            Err(error) if !error.is_not_found() => Err(error),
            _ => {
                self.wake(self.graph.forget(uid));
                Ok(None)
            }
        }
    }

    /// A foreground deletion ends when nothing blocks it; until then its dependents are looked at.
    async fn wait_for_dependents(
        &self,
        node: &Node,
        uid: &str,
        object: &Object,
        metadata: &Metadata,
    ) -> Result<(), ApiError> {
        let blocking = self.graph.blocking_dependents(uid);
        if blocking.is_empty() {
            return self.take_finalizer(node, object, metadata, FOREGROUND).await;
        }
        let open = blocking.into_iter().filter(|(_, dependent)| !dependent.awaits_dependents);
        self.deletions.add_all(open.map(|(uid, dependent)| Key::new(dependent.key.namespace, uid)));
        Ok(())
    }

    /// Decides by how the owners stand.
    async fn judge(
        &self,
        node: &Node,
        uid: &EcoString,
        object: &Object,
        metadata: &Metadata,
    ) -> Result<(), ApiError> {
        let mut standings = Vec::with_capacity(metadata.owner_references.len());
        for owner in &metadata.owner_references {
            match self.standing(node, owner).await? {
                Some(standing) => standings.push(standing),
                // A reference that cannot be right says nothing about the object.
                None => return Ok(()),
            }
        }
        let has = |standing| standings.contains(&standing);
        if has(Standing::Solid) {
            if !has(Standing::Dangling) && !has(Standing::Waiting) {
                return Ok(());
            }
            let owners = metadata.owner_references.iter().zip(&standings);
            let kept = owners.filter(|(_, it)| **it == Standing::Solid).map(|(owner, _)| owner);
            return self.write_owners(node, object, kept.collect()).await;
        }
        let dependents = if has(Standing::Waiting) { self.graph.dependents(uid) } else { Vec::new() };
        if !dependents.is_empty() {
            // Somebody below waits, too: unless this object stops blocking, a circle would wait for itself.
            if dependents.iter().any(|(_, dependent)| dependent.awaits_dependents) {
                self.unblock(node, object).await?;
                return self.remove(node, object, Propagation::Foreground, false).await;
            }
            return self.remove(node, object, Propagation::Foreground, true).await;
        }
        let propagation = if metadata.has(ORPHAN) {
            Propagation::Orphan
        } else if metadata.has(FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        self.remove(node, object, propagation, true).await
    }

    /// How an owner stands, by a look at it. Nothing when the reference can never be right.
    async fn standing(&self, node: &Node, owner: &OwnerReference) -> Result<Option<Standing>, ApiError> {
        let namespace = &node.key.namespace;
        if self.absent.knows(namespace, owner) {
            return Ok(Some(Standing::Dangling));
        }
        let Some(resource) = self.kinds.find(&owner.api_version, &owner.kind) else {
            return Err(ApiError::malformed(format!(
                "unable to get REST mapping for {}/{}",
                owner.api_version, owner.kind
            )));
        };
        if resource.namespaced && !node.resource.namespaced {
            return Ok(None);
        }
        let place = if resource.namespaced { namespace.as_str() } else { "" };
        let found = match self.context.api.fetch(Target::new(&resource, place, &owner.name)).await {
            Ok(found) if found.meta.uid == owner.uid => found,
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {
                self.absent.remember(namespace, owner);
                return Ok(Some(Standing::Dangling));
            }
        };
        let waits = Metadata::of(&found)?.awaits_dependents();
        Ok(Some(if waits { Standing::Waiting } else { Standing::Solid }))
    }

    /// Deletes this very object, and this very version of it if `exact`.
    async fn remove(
        &self,
        node: &Node,
        object: &Object,
        propagation: Propagation,
        exact: bool,
    ) -> Result<(), ApiError> {
        let options = DeleteOptions {
            uid: Some(object.meta.uid.to_string()),
            version: exact.then_some(object.meta.version),
            propagation: Some(propagation),
            grace: None,
        };
        let target = Target::new(&node.resource, &node.key.namespace, &node.key.name);
        match self.context.api.delete(target, &options).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes a reference to an owner out of a dependent.
    async fn free(&self, node: &Node, uid: &str, owner: &str) -> Result<(), ApiError> {
        let Some((object, metadata)) = self.live(node, uid).await? else { return Ok(()) };
        let kept: Vec<&OwnerReference> =
            metadata.owner_references.iter().filter(|it| it.uid != owner).collect();
        if kept.len() == metadata.owner_references.len() {
            return Ok(());
        }
        self.write_owners(node, &object, kept).await
    }

    /// Takes a finalizer away. Without it the server lets the object go.
    async fn take_finalizer(
        &self,
        node: &Node,
        object: &Object,
        metadata: &Metadata,
        finalizer: &str,
    ) -> Result<(), ApiError> {
        if !metadata.has(finalizer) {
            return Ok(());
        }
        let kept: Vec<&EcoString> = metadata.finalizers.iter().filter(|it| *it != finalizer).collect();
        self.patch(node, object, json!({ "finalizers": kept })).await
    }

    async fn write_owners(
        &self,
        node: &Node,
        object: &Object,
        kept: Vec<&OwnerReference>,
    ) -> Result<(), ApiError> {
        let owners: Vec<_> =
            kept.into_iter().map(|owner| reference(owner, owner.block_owner_deletion)).collect();
        self.patch(node, object, json!({ "ownerReferences": owners })).await
    }

    /// Makes an object block none of its owners.
    async fn unblock(&self, node: &Node, object: &Object) -> Result<(), ApiError> {
        let metadata = Metadata::of(object)?;
        if !metadata.owner_references.iter().any(|owner| owner.block_owner_deletion) {
            return Ok(());
        }
        let owners: Vec<_> = metadata.owner_references.iter().map(|owner| reference(owner, false)).collect();
        self.patch(node, object, json!({ "ownerReferences": owners })).await
    }

    /// Changes the metadata of this very version. A lost race is decided again from the start.
    async fn patch(
        &self,
        node: &Node,
        object: &Object,
        mut metadata: serde_json::Value,
    ) -> Result<(), ApiError> {
        metadata["uid"] = json!(object.meta.uid);
        metadata["resourceVersion"] = json!(object.meta.version.to_string());
        let body = Bytes::from(json!({ "metadata": metadata }).to_string());
        let target = Target::new(&node.resource, &node.key.namespace, &node.key.name);
        let options = WriteOptions::default();
        match self.context.api.patch(target, PatchType::Merge, body, &options).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// An owner reference as it is written.
fn reference(owner: &OwnerReference, blocks: bool) -> serde_json::Value {
    let mut written = json!({
        "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
    });
    if owner.controller {
        written["controller"] = json!(true);
    }
    if blocks {
        written["blockOwnerDeletion"] = json!(true);
    }
    written
}
