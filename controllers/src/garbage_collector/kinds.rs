//! Which resource a kind is, as discovery said last.

use std::sync::Arc;

use ecow::EcoString;
use parking_lot::RwLock;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::api::{Discovery, Resource, ServedResource, Verb};

/// Resources by kind.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By group and kind.
    resources: FxHashMap<(EcoString, EcoString), Arc<Resource>>,
    /// `apps/v1` …
    group_versions: FxHashSet<EcoString>,
}

impl Kinds {
    /// Takes over what discovery found. What could not be asked stays as it was.
    pub(super) fn learn(&self, discovery: &Discovery) {
        let mut inner = self.inner.write();
        if discovery.failed.is_empty() {
            *inner = Inner::default();
        }
        for served in &discovery.resources {
            let resource = &served.resource;
            inner.resources.insert(
                (resource.group.as_ref().into(), resource.kind.as_ref().into()),
                Arc::new(resource.clone()),
            );
        }
        inner.group_versions.extend(discovery.group_versions.iter().map(|it| EcoString::from(it.as_str())));
    }

    /// The resource of a kind, when its version is served.
    pub(super) fn find(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let inner = self.inner.read();
        if !inner.group_versions.contains(api_version) {
            return None;
        }
        inner.resources.get(&(group.into(), kind.into())).cloned()
    }
}

/// Whether objects of the resource are collected.
pub(super) fn is_collected(served: &ServedResource) -> bool {
    let listed = [Verb::Delete, Verb::List, Verb::Watch].iter().all(|verb| served.has(*verb));
    // Events are many, own nothing and expire by themselves.
    listed && served.resource.plural != "events"
}
