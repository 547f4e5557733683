//! Custom resources: kinds that users define while the server runs.
//!
//! Keeps: a definition becomes the same [`Resource`]s as built-in kinds, beside which [`Custom`] says what its schema
//! asks; what is served follows from the definitions of one view, so every node serves what its state says.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use self::conversion::{Conversion, Converted};
use crate::codec::Findings;
use crate::field::{Cause, FieldErrors};
use crate::pipeline::Server;
use crate::registry::{Registry, Resource};
use crate::schema::{Schema, StructId};
use crate::storage::{Revision, View};
use crate::structural::rules::Rules;
use crate::structural::value::Patterns;
use crate::structural::{defaults, embedded, lists, prune, types, value};
use crate::tree::{Map, Node};
use crate::warning::Warnings;

pub mod conversion;
mod definition;
mod json_path;
mod made;

pub use json_path::JsonPath;

/// A text that lives as long as the program; equal ones are one.
pub(crate) fn kept(text: &str) -> &'static str {
    made::text(text)
}

/// The resource of the definitions themselves.
const DEFINITIONS: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");

/// What a custom resource in one version has beyond its kind.
pub struct Custom {
    /// The schema of its objects, made ready.
    pub schema: Map,
    /// That of the version that objects are stored in.
    stored: Map,
    /// What is made of the schema for the first write.
    compiled: OnceLock<Compiled>,
    /// Objects are stored in this version.
    pub is_storage: bool,
    /// How objects of other versions become such of this one, if that is not by their schemas alone.
    pub conversion: Option<Arc<Conversion>>,
    /// The resource that objects are stored as, if a webhook makes them for it.
    pub storage: Option<Arc<Resource>>,
    converted: Converted,
    /// What was written before may not be as the schema wants it.
    pub since: Revision,
    /// Told when the resource is no longer served, or not like this.
    retired: tokio::sync::watch::Sender<bool>,
}

/// A schema as writes need it. Most definitions are never written to by way of this server.
struct Compiled {
    patterns: Patterns,
    rules: Option<Rules>,
    types: Schema,
    id: StructId,
}

impl Compiled {
    fn new(schema: &Map) -> Compiled {
        let (types, id) = types::of(schema);
        let mut patterns = Patterns::default();
        value::compile_patterns(schema, &mut patterns);
        Compiled { patterns, rules: Rules::compile(schema), types, id }
    }
}

impl Custom {
    fn compiled(&self) -> &Compiled {
        self.compiled.get_or_init(|| Compiled::new(&self.schema))
    }

    /// Drops the fields that the schema does not know.
    pub fn prune(&self, object: &mut Map, findings: Option<&mut Findings>) {
        let is_wanted = findings.is_some();
        let mut unknown = Vec::new();
        let mut found = |path: &str| {
            if is_wanted {
                unknown.push(path.into());
            }
        };
        if let Some(pruned) = prune::object(object, &self.schema, &mut found) {
            *object = pruned;
        }
        unknown.sort_unstable();
        if let Some(findings) = findings {
            unknown.into_iter().for_each(|path| findings.add_unknown(path));
        }
    }

    /// Sets the schema's defaults.
    pub fn set_defaults(&self, object: &mut Map) {
        if let Some(defaulted) = defaults::object(object, &self.schema) {
            *object = defaulted;
        }
    }

    /// Sets the defaults of the version that an object is stored in.
    pub fn set_stored_defaults(&self, object: &mut Map) {
        // What a webhook converts was brought up to date on the way.
        if self.conversion.is_some() {
            return;
        }
        let schema = if self.is_storage { &self.schema } else { &self.stored };
        if let Some(defaulted) = defaults::object(object, schema) {
            *object = defaulted;
        }
    }

    /// Drops nulls that the schema does not allow.
    pub fn drop_wrong_nulls(&self, object: &mut Map) {
        if let Some(without) = defaults::without_wrong_nulls(object, &self.schema) {
            *object = without;
        }
    }

    /// Makes an object of this version one that the stored version's schema knows.
    pub fn to_storage(&self, object: &mut Map) {
        if self.is_storage || self.conversion.is_some() {
            return;
        }
        if let Some(pruned) = prune::object(object, &self.stored, &mut |_| ()) {
            *object = pruned;
        }
        if let Some(defaulted) = defaults::object(object, &self.stored) {
            *object = defaulted;
        }
    }

    /// Reports what the schema does not allow. `names` are the object's apiVersion and kind.
    pub fn validate(
        &self,
        object: &Map,
        old: Option<&Map>,
        names: (&str, &str),
        errors: &mut FieldErrors,
        warnings: &mut Warnings,
    ) {
        let Compiled { patterns, rules, .. } = self.compiled();
        value::validate(object, old, &self.schema, patterns, errors);
        embedded::validate(object, &self.schema, errors);
        let mut before = FieldErrors::new();
        if let Some(old) = old {
            lists::validate(old, &self.schema, &mut before);
        }
        if before.is_empty() {
            lists::validate(object, &self.schema, errors);
        }
        let Some(rules) = rules else { return };
        let is_blocked = errors.iter().any(|error| is_blocking(error.cause));
        match is_blocked {
            true => errors.invalid(&value::NOWHERE, Node::Null, RULES_NOT_CHECKED),
            false => rules.validate(object, old, &self.schema, names, errors, warnings),
        }
    }

    /// The types by which fields are owned.
    pub fn ownership(&self) -> (&Schema, StructId) {
        let compiled = self.compiled();
        (&compiled.types, compiled.id)
    }

    /// Told once the resource is no longer served like this.
    pub fn retirement(&self) -> tokio::sync::watch::Receiver<bool> {
        self.retired.subscribe()
    }
}

const RULES_NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// Whether an object that is wrong in such a way is not what rules expect.
fn is_blocking(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::NotSupported | Cause::Required | Cause::TooLong | Cause::TooMany | Cause::TypeInvalid
    )
}

/// What is served, with the custom resources of the newest view that was asked about.
pub struct Definitions {
    served: ArcSwap<Served>,
    building: Mutex<()>,
}

/// What is served as of a revision.
struct Served {
    /// Of the newest change to any definition.
    modified: Revision,
    registry: Arc<Registry>,
    definitions: Vec<Defined>,
}

/// A definition and what it makes.
struct Defined {
    name: String,
    modified: Revision,
    resources: Vec<Arc<Resource>>,
}

impl Default for Definitions {
    fn default() -> Definitions {
        let registry = Arc::new(Registry::with(&[]));
        let served = Served { modified: 0, registry, definitions: Vec::new() };
        Definitions { served: ArcSwap::from_pointee(served), building: Mutex::new(()) }
    }
}

fn definitions() -> &'static Arc<Resource> {
    let (group, plural) = DEFINITIONS;
    Registry::builtin().storage_of(group, plural).expect("definitions are built in")
}

impl Definitions {
    /// Everything that is served as of a view, or a newer one.
    pub fn registry(&self, view: &View) -> Arc<Registry> {
        let modified = view.modified(definitions());
        let served = self.served.load();
        if served.modified >= modified {
            return served.registry.clone();
        }
        drop(served);
        let _building = self.building.lock();
        let served = self.served.load_full();
        if served.modified >= modified {
            return served.registry.clone();
        }
        let next = Arc::new(served.next(view, modified));
        self.served.store(next.clone());
        served.retire_what_is_not_in(&next);
        next.registry.clone()
    }
}

impl Served {
    /// What the definitions of a newer view make. Those that are as before stay.
    fn next(&self, view: &View, modified: Revision) -> Served {
        let known: FxHashMap<&str, &Defined> =
            self.definitions.iter().map(|defined| (defined.name.as_str(), defined)).collect();
        let definitions: Vec<Defined> = view
            .entries(definitions(), "")
            .map(|entry| {
                let name = crate::selector::split_key(&entry.key).1;
                let before = known.get(name).copied();
                let resources = match before {
                    Some(defined) if defined.modified == entry.modified => defined.resources.clone(),
                    before => {
                        let before = before.map(|defined| defined.resources.as_slice()).unwrap_or_default();
                        definition::resources(
                            &crate::storage::decode(definitions(), entry),
                            entry.modified,
                            before,
                        )
                    }
                };
                Defined { name: name.to_owned(), modified: entry.modified, resources }
            })
            .collect();
        let resources: Vec<Arc<Resource>> =
            definitions.iter().flat_map(|defined| &defined.resources).cloned().collect();
        Served { modified, registry: Arc::new(Registry::with(&resources)), definitions }
    }

    /// Ends the watches of resources that are served no more, or differently.
    fn retire_what_is_not_in(&self, next: &Served) {
        let kept: FxHashSet<u32> = next.resources().map(|resource| resource.id).collect();
        for resource in self.resources().filter(|resource| !kept.contains(&resource.id)) {
            if let Some(custom) = &resource.custom {
                custom.retired.send_replace(true);
            }
        }
    }

    fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.definitions.iter().flat_map(|defined| &defined.resources)
    }
}

/// Keeps what is served up to date although nobody asks, until the task is dropped: watches end with their definition.
pub async fn run(server: Arc<Server>) {
    loop {
        let view = server.view();
        server.definitions.registry(&view);
        server.changed(definitions(), view.revision()).await;
    }
}

#[cfg(test)]
mod tests;
