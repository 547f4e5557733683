//! The resources that are served, found by group, version and plural name.
//!
//! Keeps: a [`Resource`] is all that the pipeline knows of a kind in one served version; it is built from a
//! [`Kind`], and storage keys, heads and names are derived here once.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::kind::{Kind, Version};
use crate::kinds;
use crate::schema::{self, StructId};
use crate::tree::Map;

/// A kind in one served version.
pub struct Resource {
    /// The kind.
    pub kind: &'static Kind,
    /// The served version.
    pub version: &'static Version,
    /// Its struct.
    pub schema: StructId,
    /// The struct of the storage version.
    pub storage_schema: StructId,
    /// `/registry/pods/`: the start of every key.
    pub bucket: String,
    /// `apps/v1`, or `v1`.
    pub api_version: String,
    /// `deployments.apps`
    pub group_resource: String,
    /// `{"kind":"Pod","apiVersion":"v1",`: put in front of stored bytes.
    pub head: Bytes,
    /// A small number of its own, for keys of caches.
    pub id: u32,
}

/// Every resource that is served.
pub struct Registry {
    by_plural: FxHashMap<&'static str, Vec<Arc<Resource>>>,
    group_versions: Vec<(&'static str, &'static str)>,
    ordered: Vec<Arc<Resource>>,
}

impl Resource {
    fn new(kind: &'static Kind, version: &'static Version, id: u32) -> Option<Resource> {
        let names = &kind.names;
        let storage = kind.storage_version();
        let schema = schema::builtin();
        let api_version = if version.group.is_empty() {
            version.version.to_owned()
        } else {
            format!("{}/{}", version.group, version.version)
        };
        let dot = if names.group.is_empty() { "" } else { "." };
        Some(Resource {
            kind,
            version,
            schema: schema.find(version.schema)?,
            storage_schema: schema.find(storage.schema)?,
            bucket: format!("/registry/{}{dot}{}/", names.plural, names.group),
            head: Bytes::from(format!("{{\"kind\":\"{}\",\"apiVersion\":\"{api_version}\",", names.kind)),
            group_resource: if version.group.is_empty() {
                names.plural.to_owned()
            } else {
                format!("{}.{}", names.plural, version.group)
            },
            api_version,
            id,
        })
    }

    /// Sets declared defaults and the kind's own, on a tree of the storage version.
    pub fn set_defaults(&self, object: &mut Map) {
        schema::apply_defaults(object, schema::builtin(), self.storage_schema);
        (self.kind.set_defaults)(object);
    }

    /// Whether objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.kind.namespaced()
    }

    /// Whether this version is the one that objects are stored in.
    pub fn is_storage(&self) -> bool {
        self.version.conversion.is_none()
    }

    /// The key prefix of a namespace, or of the whole resource when `namespace` is empty.
    pub fn prefix(&self, namespace: &str) -> String {
        if namespace.is_empty() { self.bucket.clone() } else { format!("{}{namespace}/", self.bucket) }
    }

    /// The storage key of an object. Names were checked to hold no slash.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        let mut key = String::with_capacity(self.bucket.len() + namespace.len() + name.len() + 1);
        key.push_str(&self.bucket);
        if self.namespaced() {
            key.push_str(namespace);
            key.push('/');
        }
        key.push_str(name);
        key
    }
}

impl Registry {
    /// The built-in resources.
    pub fn builtin() -> &'static Registry {
        static BUILTIN: LazyLock<Registry> = LazyLock::new(|| Registry::new(kinds::ALL));
        &BUILTIN
    }

    fn new(kinds: &[&'static Kind]) -> Registry {
        let mut registry =
            Registry { by_plural: FxHashMap::default(), group_versions: Vec::new(), ordered: Vec::new() };
        for kind in kinds {
            for version in kind.versions {
                let id = registry.ordered.len() as u32;
                let resource = Resource::new(kind, version, id)
                    .unwrap_or_else(|| panic!("the schema table lacks {}", version.schema));
                let resource = Arc::new(resource);
                registry.ordered.push(resource.clone());
                if !registry.serves(version.group, version.version) {
                    registry.group_versions.push((version.group, version.version));
                }
                registry.by_plural.entry(kind.names.plural).or_default().push(resource);
            }
        }
        registry
    }

    /// The resource at group, version and plural name.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let same = |resource: &&Arc<Resource>| {
            resource.version.group == group && resource.version.version == version
        };
        self.by_plural.get(plural)?.iter().find(same)
    }

    /// Whether anything is served under group and version.
    pub fn serves(&self, group: &str, version: &str) -> bool {
        self.group_versions.contains(&(group, version))
    }

    /// Whether anything is served in the group, in whatever version.
    pub fn has_group(&self, group: &str) -> bool {
        self.group_versions.iter().any(|(served, _)| *served == group)
    }

    /// Every resource.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.ordered.iter()
    }

    /// The resource of a kind in its storage version, by group and plural (`apps`, `deployments`).
    pub fn storage_of(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.ordered.iter().find(|resource| {
            resource.version.storage
                && resource.kind.names.group == group
                && resource.kind.names.plural == plural
        })
    }

    /// The resource that a group version kind names.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.ordered
            .iter()
            .find(|resource| resource.api_version == api_version && resource.kind.names.kind == kind)
    }
}
