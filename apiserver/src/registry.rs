//! The resources that are served, found by group, version and plural name.
//!
//! Keeps: a [`Resource`] is all that the pipeline knows of a kind in one served version; it is built from a
//! [`Kind`], and storage keys, heads and names are derived here once.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::custom::Custom;
use crate::discovery::{Catalog, Documents, Served};
use crate::kind::{Kind, Version};
use crate::kinds;
use crate::schema::{self, Schema, StructId};
use crate::status::Error;
use crate::storage::Revision;
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
    /// `PodList`
    pub list_kind: String,
    /// A small number of its own, for keys of caches.
    pub id: u32,
    /// What a custom resource has beyond its kind.
    pub custom: Option<Custom>,
}

/// Every resource that is served.
pub struct Registry {
    id: u64,
    by_plural: FxHashMap<&'static str, Vec<Arc<Resource>>>,
    group_versions: Vec<(&'static str, &'static str)>,
    ordered: Vec<Arc<Resource>>,
    catalog: Catalog,
    documents: Documents,
}

impl Resource {
    fn builtin(kind: &'static Kind, version: &'static Version) -> Option<Resource> {
        let find = |version: &Version| schema::builtin().find(version.schema);
        let schemas = (find(version)?, find(kind.storage_version())?);
        let list_kind = format!("{}List", kind.names.kind);
        Some(Resource::new(kind, version, schemas, list_kind, None))
    }

    /// A custom resource in one version.
    pub(crate) fn custom(
        kind: &'static Kind,
        version: &'static Version,
        list_kind: &str,
        custom: Custom,
    ) -> Resource {
        let id = schema::custom_object();
        Resource::new(kind, version, (id, id), list_kind.to_owned(), Some(custom))
    }

    fn new(
        kind: &'static Kind,
        version: &'static Version,
        (schema, storage_schema): (StructId, StructId),
        list_kind: String,
        custom: Option<Custom>,
    ) -> Resource {
        static IDS: AtomicU32 = AtomicU32::new(0);
        let names = &kind.names;
        let api_version = if version.group.is_empty() {
            version.version.to_owned()
        } else {
            format!("{}/{}", version.group, version.version)
        };
        Resource {
            kind,
            version,
            schema,
            storage_schema,
            bucket: bucket(names.group, names.plural),
            head: Bytes::from(format!("{{\"kind\":\"{}\",\"apiVersion\":\"{api_version}\",", names.kind)),
            group_resource: if version.group.is_empty() {
                names.plural.to_owned()
            } else {
                format!("{}.{}", names.plural, version.group)
            },
            api_version,
            list_kind,
            id: IDS.fetch_add(1, Ordering::Relaxed),
            custom,
        }
    }

    /// The version that objects of a custom resource are encoded in, which they state.
    pub fn written_as(&self) -> Option<&'static str> {
        let custom = self.custom.as_ref()?;
        Some(match custom.conversion {
            Some(_) => self.version.version,
            None => self.kind.storage_version().version,
        })
    }

    /// Sets declared defaults and the kind's own, on a tree of the storage version.
    pub fn set_defaults(&self, object: &mut Map) {
        match &self.custom {
            Some(custom) => custom.set_defaults(object),
            None => {
                schema::apply_defaults(object, schema::builtin(), self.storage_schema);
                (self.kind.set_defaults)(object);
            }
        }
    }

    /// Sets declared defaults and the kind's own, on a tree of this version.
    pub fn default_served(&self, object: &mut Map) {
        let Some(conversion) = &self.version.conversion else { return self.set_defaults(object) };
        schema::apply_defaults(object, schema::builtin(), self.schema);
        (conversion.to_storage)(object);
        (self.kind.set_defaults)(object);
        (conversion.from_storage)(object);
    }

    /// The types by which fields of its objects are owned.
    pub fn ownership(&self) -> (&Schema, StructId) {
        match &self.custom {
            Some(custom) => custom.ownership(),
            None => (schema::builtin(), self.schema),
        }
    }

    /// Makes an object of this version one of the storage version.
    pub fn to_storage(&self, object: &mut Map) {
        if let Some(conversion) = &self.version.conversion {
            (conversion.to_storage)(object);
        }
        if let Some(custom) = &self.custom {
            custom.to_storage(object);
        }
    }

    /// Makes an object of the storage version one of this version.
    pub fn from_storage(&self, object: &mut Map) {
        if let Some(conversion) = &self.version.conversion {
            (conversion.from_storage)(object);
        }
        if let Some(custom) = &self.custom {
            // Defaults are those of the version that objects are stored in.
            custom.set_stored_defaults(object);
            custom.prune(object, None);
        }
    }

    /// Whether what was stored at `revision` is served as it is.
    pub fn serves_as_stored(&self, revision: Revision) -> bool {
        match &self.custom {
            // What a webhook converts was brought up to date on the way.
            Some(custom) => custom.conversion.is_some() || custom.is_storage && revision >= custom.since,
            None => self.version.conversion.is_none(),
        }
    }

    /// Whether objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.kind.namespaced()
    }

    /// Whether trees of this version and of the storage version are the same.
    pub fn is_storage(&self) -> bool {
        match &self.custom {
            Some(custom) => custom.is_storage || custom.conversion.is_some(),
            None => self.version.conversion.is_none(),
        }
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

/// `/registry/pods/`: the start of every key of a resource.
pub(crate) fn bucket(group: &str, plural: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    format!("/registry/{plural}{dot}{group}/")
}

impl Registry {
    /// The built-in resources.
    pub fn builtin() -> &'static Registry {
        static BUILTIN: LazyLock<Registry> = LazyLock::new(|| {
            let versions =
                kinds::ALL.iter().flat_map(|kind| kind.versions.iter().map(move |version| (*kind, version)));
            let resources = versions.map(|(kind, version)| {
                let resource = Resource::builtin(kind, version);
                Arc::new(resource.unwrap_or_else(|| panic!("the schema table lacks {}", version.schema)))
            });
            Registry::new(resources.collect())
        });
        &BUILTIN
    }

    /// The built-in resources and others. What is built in is not displaced.
    pub fn with(others: &[Arc<Resource>]) -> Registry {
        let builtin = Registry::builtin();
        let others = others.iter().filter(|other| {
            let Version { group, version, .. } = other.version;
            builtin.find(group, version, other.kind.names.plural).is_none()
        });
        Registry::new(builtin.ordered.iter().chain(others).cloned().collect())
    }

    fn new(ordered: Vec<Arc<Resource>>) -> Registry {
        let catalog = Catalog::new(ordered.iter().map(|resource| Served {
            kind: resource.kind,
            version: resource.version,
            is_custom: resource.custom.is_some(),
        }));
        static IDS: AtomicU64 = AtomicU64::new(0);
        let mut registry = Registry {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            by_plural: FxHashMap::default(),
            group_versions: Vec::new(),
            ordered: Vec::new(),
            catalog,
            documents: Documents::default(),
        };
        for resource in &ordered {
            let Version { group, version, .. } = resource.version;
            if !registry.serves(group, version) {
                registry.group_versions.push((group, version));
            }
            registry.by_plural.entry(resource.kind.names.plural).or_default().push(resource.clone());
        }
        registry.ordered = ordered;
        registry
    }

    /// A number of its own.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Everything by group and version, as discovery shows it.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Documents made of what is served.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The resources that are not built in.
    pub fn custom(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.ordered.iter().filter(|resource| resource.custom.is_some())
    }

    /// Those of the group version at a path: `apis/example.com/v1`.
    pub fn custom_in(&self, path: &str) -> impl Iterator<Item = &Arc<Resource>> {
        let api_version = path.strip_prefix("apis/");
        self.custom().filter(move |resource| Some(resource.api_version.as_str()) == api_version)
    }

    /// The resource at group, version and plural name.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let same = |resource: &&Arc<Resource>| {
            resource.version.group == group && resource.version.version == version
        };
        self.by_plural.get(plural)?.iter().find(same)
    }

    /// As [`Registry::find`], or what is missing.
    pub fn found(&self, group: &str, version: &str, plural: &str) -> Result<Arc<Resource>, Error> {
        match self.find(group, version, plural) {
            Some(found) => Ok(found.clone()),
            None if Registry::builtin().has_group(group) => Err(Error::NoResource),
            None => Err(Error::NoPath),
        }
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
