//! Who owns whom: per object its key, its owners' uids and how far its deletion is.
//!
//! Keeps: every change answers what has to be looked at because of it; versions never go back.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use ecow::EcoString;
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use serde::Deserialize;

use crate::api::{ApiError, Object, OwnerReference, Resource, Version};
use crate::event::{Event, Regarding};
use crate::key::Key;

pub(super) const ORPHAN: &str = "orphan";
pub(super) const FOREGROUND: &str = "foregroundDeletion";

/// The part of metadata that garbage collection is about.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) deletion_timestamp: Option<EcoString>,
    pub(super) finalizers: Vec<EcoString>,
    pub(super) owner_references: Vec<OwnerReference>,
}

/// An object, as far as its metadata goes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    metadata: Metadata,
}

impl Metadata {
    pub(super) fn of(object: &Object) -> Result<Metadata, ApiError> {
        object.decode::<Document>().map(|document| document.metadata)
    }

    pub(super) fn has(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|it| it == finalizer)
    }

    /// The object waits until its dependents are gone.
    pub(super) fn awaits_dependents(&self) -> bool {
        self.deletion_timestamp.is_some() && self.has(FOREGROUND)
    }
}

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) resource: Arc<Resource>,
    pub(super) key: Key,
    pub(super) deleting: bool,
    pub(super) awaits_dependents: bool,
    frees_dependents: bool,
    version: Version,
    owners: Vec<Owner>,
}

/// A reference to an owner. What the reference says of it besides the uid is kept as a hash only.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    uid: EcoString,
    blocks: bool,
    coordinates: u64,
}

/// What is to be looked at.
#[derive(Debug, Default)]
pub(super) struct Wake {
    pub(super) deletions: Vec<Key>,
    pub(super) orphans: Vec<Key>,
    pub(super) events: Vec<Event>,
}

/// Every object that is seen.
#[derive(Debug, Default)]
pub(super) struct Graph {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    nodes: FxHashMap<EcoString, Node>,
    dependents: FxHashMap<EcoString, FxHashSet<EcoString>>,
}

fn coordinates(group: &str, kind: &str, name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    (group, kind, name).hash(&mut hasher);
    hasher.finish()
}

impl Node {
    fn of(resource: &Arc<Resource>, object: &Object, metadata: &Metadata) -> Node {
        let deleting = metadata.deletion_timestamp.is_some();
        let owners = metadata.owner_references.iter().map(|owner| {
            let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
            Owner {
                uid: owner.uid.clone(),
                blocks: owner.block_owner_deletion,
                coordinates: coordinates(group, &owner.kind, &owner.name),
            }
        });
        Node {
            resource: resource.clone(),
            key: Key::from(&object.meta),
            deleting,
            awaits_dependents: metadata.awaits_dependents(),
            frees_dependents: deleting && metadata.has(ORPHAN),
            version: object.meta.version,
            owners: owners.collect(),
        }
    }

    /// Whether `owner` says where this object is, from a dependent in `namespace`.
    fn is_meant_by(&self, owner: &Owner, namespace: &str) -> bool {
        let own = coordinates(&self.resource.group, &self.resource.kind, &self.key.name);
        own == owner.coordinates && (!self.resource.namespaced || self.key.namespace == namespace)
    }
}

impl Graph {
    /// Takes in an object.
    pub(super) fn observe(&self, resource: &Arc<Resource>, object: &Object) -> Result<Wake, ApiError> {
        let metadata = Metadata::of(object)?;
        let node = Node::of(resource, object, &metadata);
        let mut inner = self.inner.lock();
        Ok(inner.observe(&object.meta.uid, node, &metadata))
    }

    /// Takes note that an object is gone.
    pub(super) fn forget(&self, uid: &str) -> Wake {
        self.inner.lock().forget(uid)
    }

    /// Takes note that a resource has no other objects than these.
    pub(super) fn retain(&self, resource: &Resource, present: &FxHashSet<EcoString>) -> Vec<Wake> {
        let mut inner = self.inner.lock();
        let gone: Vec<EcoString> = inner
            .nodes
            .iter()
            .filter(|(uid, node)| *node.resource == *resource && !present.contains(*uid))
            .map(|(uid, _)| uid.clone())
            .collect();
        gone.iter().map(|uid| inner.forget(uid)).collect()
    }

    pub(super) fn find(&self, uid: &str) -> Option<Node> {
        self.inner.lock().nodes.get(uid).cloned()
    }

    /// Whether every owner of an object is here, where the object says, and stays.
    pub(super) fn is_held_by_all_owners(&self, uid: &str) -> bool {
        let inner = self.inner.lock();
        let Some(node) = inner.nodes.get(uid) else { return false };
        node.owners.iter().all(|owner| {
            inner.nodes.get(&owner.uid).is_some_and(|found| {
                found.is_meant_by(owner, &node.key.namespace) && !found.awaits_dependents
            })
        })
    }

    /// The dependents of an object, with their uids.
    pub(super) fn dependents(&self, uid: &str) -> Vec<(EcoString, Node)> {
        let inner = self.inner.lock();
        let dependents = inner.dependents.get(uid).into_iter().flatten();
        dependents.filter_map(|uid| Some((uid.clone(), inner.nodes.get(uid)?.clone()))).collect()
    }

    /// The dependents that hold up a foreground deletion.
    pub(super) fn blocking_dependents(&self, uid: &str) -> Vec<(EcoString, Node)> {
        let mut dependents = self.dependents(uid);
        dependents.retain(|(_, node)| node.owners.iter().any(|owner| owner.uid == *uid && owner.blocks));
        dependents
    }
}

impl Inner {
    fn key(&self, uid: &EcoString) -> Option<Key> {
        self.nodes.get(uid).map(|node| Key::new(node.key.namespace.clone(), uid.clone()))
    }

    fn observe(&mut self, uid: &EcoString, node: Node, metadata: &Metadata) -> Wake {
        let mut wake = Wake::default();
        let old = self.nodes.get(uid);
        if old.is_some_and(|old| old.version >= node.version) {
            return wake;
        }
        let key = Key::new(node.key.namespace.clone(), uid.clone());
        let before: Vec<Owner> = old.map(|old| old.owners.clone()).unwrap_or_default();
        let (awaited, freed) = old.map_or((false, false), |it| (it.awaits_dependents, it.frees_dependents));
        for owner in &before {
            let now = node.owners.iter().find(|it| it.uid == owner.uid);
            if now.is_none() {
                self.unlink(owner, uid);
            }
            // A reference that held up its owner's deletion does so no more.
            if owner.blocks && now.is_none_or(|now| !now.blocks) {
                wake.deletions.extend(self.waiting(&owner.uid));
            }
        }
        let mut doubtful = false;
        for (owner, reference) in node.owners.iter().zip(&metadata.owner_references) {
            if before.contains(owner) {
                continue;
            }
            self.dependents.entry(owner.uid.clone()).or_default().insert(uid.clone());
            match self.nodes.get(&owner.uid) {
                None => doubtful = true,
                Some(found) => {
                    doubtful |= !found.is_meant_by(owner, &node.key.namespace) || found.awaits_dependents;
                    if found.resource.namespaced && found.key.namespace != node.key.namespace {
                        wake.events.push(elsewhere(&node, uid, reference));
                    }
                }
            }
        }
        if doubtful {
            wake.deletions.push(key.clone());
        }
        if node.frees_dependents && !freed {
            wake.orphans.push(key.clone());
        }
        if node.awaits_dependents && !awaited {
            let dependents = self.dependents.get(uid).into_iter().flatten();
            wake.deletions.extend(dependents.filter_map(|uid| self.key(uid)));
            wake.deletions.push(key);
        }
        self.nodes.insert(uid.clone(), node);
        wake
    }

    fn forget(&mut self, uid: &str) -> Wake {
        let mut wake = Wake::default();
        if let Some(node) = self.nodes.remove(uid) {
            for owner in &node.owners {
                self.unlink(owner, uid);
                wake.deletions.extend(self.waiting(&owner.uid));
            }
        }
        let dependents = self.dependents.get(uid).into_iter().flatten();
        wake.deletions.extend(dependents.filter_map(|uid| self.key(uid)));
        wake
    }

    fn unlink(&mut self, owner: &Owner, uid: &str) {
        if let Some(dependents) = self.dependents.get_mut(&owner.uid) {
            dependents.remove(uid);
            if dependents.is_empty() {
                self.dependents.remove(&owner.uid);
            }
        }
    }

    /// The key of an owner that waits for its dependents.
    fn waiting(&self, uid: &EcoString) -> Option<Key> {
        self.nodes.get(uid).filter(|node| node.awaits_dependents).and_then(|_| self.key(uid))
    }
}

/// The event about a reference to an owner in another namespace.
fn elsewhere(node: &Node, uid: &EcoString, owner: &OwnerReference) -> Event {
    let Key { namespace, name } = &node.key;
    let meta = crate::api::Meta {
        namespace: namespace.clone(),
        name: name.clone(),
        uid: uid.clone(),
        version: node.version,
    };
    let message = format!(
        "ownerRef [{}/{}, namespace: {namespace}, name: {}, uid: {}] does not exist in namespace {namespace:?}",
        owner.api_version, owner.kind, owner.name, owner.uid
    );
    Event::warning(Regarding::object(&node.resource, &meta), "OwnerRefInvalidNamespace", message)
}
