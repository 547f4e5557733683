//! Discovery of groups that other API servers serve, beside this server's own.
//!
//! Keeps: what is known without others is said without this; a version that an API server has not spoken of yet is stale.

use std::cmp::Reverse;
use std::sync::Arc;

use super::aggregated::{self, Aggregated};
use super::groups::{Priority, stability};
use super::{Catalog, legacy};
use crate::aggregation::Others;
use crate::document::Document;
use crate::registry::Registry;
use crate::tree::{List, Map, Node};

/// The groups of this server and of others.
pub struct Merged {
    groups: Vec<MergedGroup>,
    document: Aggregated,
}

struct MergedGroup {
    name: String,
    priority: i64,
    versions: Vec<MergedVersion>,
}

struct MergedVersion {
    name: String,
    priority: i64,
    /// `version` of aggregated discovery.
    document: Map,
}

impl Merged {
    /// Of a registry and others, made once.
    pub(super) fn of(registry: &Registry, others: &Others) -> Arc<Merged> {
        let mut kept = others.merged.lock();
        if let Some((known, merged)) = &*kept
            && *known == registry.id()
        {
            return merged.clone();
        }
        let merged = Arc::new(Merged::new(registry.catalog(), others));
        *kept = Some((registry.id(), merged.clone()));
        merged
    }

    fn new(catalog: &Catalog, others: &Others) -> Merged {
        let mut groups: Vec<MergedGroup> = catalog
            .named_groups()
            .map(|group| {
                let priority = Priority::of(group.name);
                let versions = group.versions.iter().map(|served| MergedVersion {
                    name: served.version.to_owned(),
                    priority: priority.version(served.version),
                    document: aggregated::version(served),
                });
                let versions = versions.collect();
                MergedGroup { name: group.name.to_owned(), priority: priority.minimum, versions }
            })
            .collect();
        for (remote, said) in others.iter() {
            let at = groups.iter().position(|group| group.name == remote.group).unwrap_or_else(|| {
                groups.push(MergedGroup { name: remote.group.clone(), priority: 0, versions: Vec::new() });
                groups.len() - 1
            });
            let group = &mut groups[at];
            group.priority = group.priority.max(remote.group_priority);
            let document = said.cloned().unwrap_or_else(|| {
                Map::from([
                    ("version", Node::from(remote.version.as_str())),
                    ("resources", Node::List(List::new())),
                    ("freshness", Node::from("Stale")),
                ])
            });
            let (name, priority) = (remote.version.clone(), remote.version_priority);
            group.versions.retain(|version| version.name != name);
            group.versions.push(MergedVersion { name, priority, document });
        }
        groups.sort_by(|a, b| (Reverse(a.priority), &a.name).cmp(&(Reverse(b.priority), &b.name)));
        for group in &mut groups {
            group.versions.sort_by_key(|version| Reverse((version.priority, stability(&version.name))));
        }
        let items = groups.iter().map(|group| {
            aggregated::item(&group.name, group.versions.iter().map(|version| version.document.clone()))
        });
        let document = Aggregated::new(items);
        Merged { groups, document }
    }

    pub(super) fn document(&self) -> &Aggregated {
        &self.document
    }

    /// `/apis`
    pub(super) fn list(&self) -> Document {
        legacy::list(self.groups.iter().map(|group| (group.name.as_str(), group.names())))
    }

    /// `/apis/G`
    pub(super) fn group(&self, name: &str) -> Option<Document> {
        let group = self.groups.iter().find(|group| group.name == name)?;
        Some(legacy::named(name, group.names()))
    }

    /// `/apis/G` and `/apis/G/V` of what others serve alone.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        self.groups.iter().flat_map(|group| {
            let versions = group.names().map(|version| format!("/apis/{}/{version}", group.name));
            std::iter::once(format!("/apis/{}", group.name)).chain(versions)
        })
    }
}

impl MergedGroup {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.versions.iter().map(|version| version.name.as_str())
    }
}
