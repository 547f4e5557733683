//! The write loop: one path for create, update, patch, apply and their subresources.
//!
//! Keeps: an attempt is a pure function of a view and the request; it runs again whenever what it read has
//! changed by the time it commits, and a refusal that rests on stored state is decided behind a barrier before
//! it is sent. A write that changes nothing is not written.

use std::sync::Arc;

use ecow::EcoString;

use crate::admission::policies::Policy;
use crate::admission::subject::{Body, Subject};
use crate::admission::webhooks::{self, Hook, Reinvocation, Sort};
use crate::admission::{self, Companions, Operation, Plugin};
use crate::clock::Clock;
use crate::field::{FieldErrors, Path};
use crate::kind::{Context, Generation, View as SubresourceView};
use crate::managed_fields;
use crate::metadata;
use crate::registry::Resource;
use crate::reply::{ObjectReply, Reply, TreeReply};
use crate::schema;
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::{self, Compare, Entry, Key, Op, Outcome, Txn, View};
use crate::tree::{List, Map, Node};
use crate::warning::Warnings;

/// How often a write that keeps losing races is tried before the client is told.
const ATTEMPTS_MAX: usize = 64;

/// Names tried for a `generateName` before giving up.
const GENERATED_NAMES_MAX: usize = 8;

/// What an attempt wants to commit.
#[allow(clippy::large_enum_variant, reason = "an intent is consumed where it was made")]
pub enum Intent {
    /// Nothing changes: the object as it is.
    Unchanged(Arc<Entry>),
    /// A transaction whose first operation is on the object; `object` is its tree of the storage version.
    Commit {
        /// Compares and operations; the object's own come first.
        txn: Txn,
        /// The object as it will be (or was, for a removal).
        object: Map,
        /// It did not exist.
        created: bool,
        /// It is removed rather than written.
        removed: bool,
        /// The client stated what it expects, so a lost race is final.
        exact: bool,
    },
}

/// What became of a write.
pub enum Written {
    /// The object as stored (or the one removed).
    Stored {
        /// The entry.
        entry: Arc<Entry>,
        /// It did not exist before.
        created: bool,
        /// It is gone.
        removed: bool,
    },
    /// An update that took the last finalizer of an object that was being deleted, and the object with it.
    Finished {
        /// The object as the update would have left it, in the storage version.
        object: Map,
    },
    /// A dry run: the tree of the storage version.
    Dry {
        /// The object.
        object: Map,
        /// It did not exist before.
        created: bool,
        /// It would be gone.
        removed: bool,
    },
}

/// A write that can be tried again, on another view.
pub trait Attempt: Send {
    /// From a view and the request to a transaction. Only webhooks, of admission and of conversion, may be waited for.
    fn run(
        &mut self,
        scope: &mut Scope<'_>,
        view: &View,
    ) -> impl Future<Output = Result<Intent, Error>> + Send;
}

/// What of an attempt decides how its lost race ends.
struct Attempted {
    name: EcoString,
    /// The version that the client stated.
    version: EcoString,
    created: bool,
    exact: bool,
}

impl Scope<'_> {
    /// Takes back what an attempt had to say that is made again.
    fn forget_attempt(&mut self, warnings: usize, annotations: usize) {
        self.warnings.truncate(warnings);
        if let Some(recording) = &self.request.recording {
            recording.forget_annotations(annotations);
        }
    }

    /// Runs attempts until one commits or is refused for good.
    pub async fn commit(&mut self, dry_run: bool, mut attempt: impl Attempt) -> Result<Written, Error> {
        let mut view = View::new(self.server.store.state());
        let mut confirmed = false;
        let mut generated = 0;
        for _ in 0..ATTEMPTS_MAX {
            let warnings = self.warnings.len();
            let annotations = self.request.recording.as_ref().map_or(0, |recording| recording.annotations());
            self.check_definition(&view)?;
            let intent = match attempt.run(self, &view).await {
                Ok(intent) => intent,
                // The local view may lag behind what was acknowledged elsewhere: decide again behind a barrier.
                Err(error) if !confirmed && rests_on_state(&error) => {
                    self.forget_attempt(warnings, annotations);
                    view = View::new(self.server.reader().latest().await?);
                    confirmed = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let (mut txn, object, created, removed, exact) = match intent {
                Intent::Unchanged(entry) => {
                    let entry = self.answered(entry).await?;
                    return Ok(Written::Stored { entry, created: false, removed: false });
                }
                Intent::Commit { txn, object, created, removed, exact } => {
                    (txn, object, created, removed, exact)
                }
            };
            if dry_run {
                let object = self.as_if_stored(object).await?;
                return Ok(Written::Dry { object, created, removed });
            }
            let attempted = Attempted {
                name: object.name().into(),
                version: object.str_at(&["metadata", "resourceVersion"]).into(),
                created,
                exact,
            };
            txn.fence = self.request.fence;
            let updates = matches!(self.attributes().verb.as_str(), "update" | "patch");
            let finished = (removed && updates).then(|| object.clone());
            // Whoever goes on after the wait may be another thread: what is done with is freed where it was made.
            drop((object, view));
            match self.server.store.txn(txn).await {
                Outcome::Applied { entries, .. } => {
                    let entry = entries.into_iter().next().flatten();
                    let entry =
                        entry.ok_or_else(|| Error::Internal("the store answered no entry".to_owned()))?;
                    return Ok(match finished {
                        Some(object) => Written::Finished { object },
                        None if removed => Written::Stored { entry, created, removed },
                        None => match self.answered(entry.clone()).await {
                            Ok(entry) => Written::Stored { entry, created, removed },
                            // It is done, and the answer need not show the object.
                            Err(_) if self.is_deletion() => Written::Stored { entry, created, removed: true },
                            Err(error) => return Err(error),
                        },
                    });
                }
                Outcome::Failed { current, revision } => {
                    self.forget_attempt(warnings, annotations);
                    let own = current.first().cloned().flatten();
                    self.lost_race(&attempted, own.as_deref(), &mut generated)?;
                    view = View::new(self.server.reader().at_least(revision).await?);
                    confirmed = true;
                }
                Outcome::NotProposed(why) => return Err(storage::refused(why)),
                Outcome::Unknown => return Err(Error::Timeout),
            }
        }
        Err(Error::ServerTimeout { action: "update", resource: self.resource.group_resource.clone() })
    }

    fn is_deletion(&self) -> bool {
        matches!(self.attributes().verb.as_str(), "delete" | "deletecollection")
    }

    /// Decides whether a failed compare is the client's to see or the loop's to repeat.
    fn lost_race(
        &self,
        attempted: &Attempted,
        own: Option<&Entry>,
        generated: &mut usize,
    ) -> Result<(), Error> {
        let resource = self.resource.group_resource.clone();
        match own {
            Some(entry) if attempted.created => {
                *generated += 1;
                let was_generated = self.generates_name();
                if was_generated && *generated < GENERATED_NAMES_MAX {
                    return Ok(());
                }
                let deleting = crate::facts::FactsView::new(entry.facts()).deleting();
                Err(Error::AlreadyExists {
                    resource,
                    name: attempted.name.to_string(),
                    deleting,
                    generated: was_generated,
                })
            }
            Some(entry) if attempted.exact && attempted.version != entry.modified.to_string() => {
                Err(Error::modified(resource, attempted.name.as_str()))
            }
            _ => Ok(()),
        }
    }

    /// Turns what was written into the answer.
    pub fn written(&self, written: Written) -> Reply {
        match written {
            Written::Stored { entry, created, removed } => {
                Reply::Entry(ObjectReply { resource: self.resource.clone(), entry, created, removed })
            }
            Written::Finished { object } => self.tree_reply(object, false),
            Written::Dry { object, created, .. } => self.tree_reply(object, created),
        }
    }

    /// An answer of a tree of the storage version.
    pub fn tree_reply(&self, mut object: Map, created: bool) -> Reply {
        self.resource.from_storage(&mut object);
        Reply::Tree(TreeReply {
            resource: Some(self.resource.clone()),
            api_version: self.resource.api_version.clone(),
            kind: self.resource.kind.names.kind.to_owned(),
            schema: self.resource.schema,
            object,
            created,
        })
    }

    /// The whole way of a new object (a tree of the served version) to its transaction.
    pub async fn prepare_create(&mut self, body: Map, view: &View, dry_run: bool) -> Result<Intent, Error> {
        let resource = self.resource.clone();
        let kind = resource.kind;
        let mut object = body;
        if !object.str_at(&["metadata", "resourceVersion"]).is_empty() {
            return Err(Error::Plain(
                "resourceVersion should not be set on objects to be created".to_owned(),
            ));
        }
        self.system_metadata_for_create(&mut object);
        self.warnings.extend(metadata::unite_owner_references(&mut object));
        self.default_and_own(&mut object);
        self.to_storage(&mut object);
        let mut companions = Companions::default();
        let stage = Stage::new(Operation::Create, view, dry_run).showing(Body::Object);
        if self.admit(&stage, &mut object, &mut companions).await? {
            self.check_namespace(&object)?;
            self.system_metadata_for_create(&mut object);
            self.warnings.extend(metadata::unite_owner_references(&mut object));
        }
        let context = Context { now: &self.now, user: self.user };
        (kind.prepare_for_create)(&mut object, &context);
        if !matches!(kind.generation, Generation::None) {
            object.metadata_mut().set("generation", 1_i64);
        }
        let template = self.template.as_deref();
        // What is known of an earlier object that had the same in all but its metadata.
        let judged = template.and_then(|template| template.recognize(&mut object));
        let mut errors = FieldErrors::new();
        metadata::validate(kind, &object, &mut errors);
        (kind.validate_metadata)(&object, &mut errors);
        if judged.is_none() {
            (kind.validate)(&object, &mut errors);
        }
        (kind.validate_request)(resource.version, &object, None, &mut errors);
        let same = judged.as_ref().map(|judged| &judged.rest);
        validate_schema(&resource, &object, same, &mut errors, &mut self.warnings);
        self.check(errors, object.name(), object.str_at(&["metadata", "generateName"]))?;
        (kind.metadata_warnings)(&object, &mut self.warnings);
        let advice = match judged {
            Some(judged) => judged.advice,
            None => {
                let mut advice = Warnings::new();
                (kind.warnings)(&object, None, &mut advice);
                if let Some(template) = template {
                    template.learn(&resource, &object, &advice);
                }
                advice
            }
        };
        self.warnings.extend(advice.iter().cloned());
        self.validate_admission(&stage, Some(&object), &mut companions).await?;
        let key = Key::new(resource.key(object.namespace(), object.name()));
        if let Some(entry) = view.state().get(&key)
            && !self.generates_name()
        {
            return Err(Error::AlreadyExists {
                resource: resource.group_resource.clone(),
                name: object.name().to_owned(),
                deleting: crate::facts::FactsView::new(entry.facts()).deleting(),
                generated: false,
            });
        }
        let value = storage::encode(&resource, &object);
        let value = self.kept(&object, value).await?;
        let own = (Compare::Absent(key.clone()), Op::Put { key, value });
        let txn = companions.transaction(Some(own), None);
        Ok(Intent::Commit { txn, object, created: true, removed: false, exact: false })
    }

    fn system_metadata_for_create(&mut self, object: &mut Map) {
        let namespace = self.namespace();
        let clock = &self.server.clock;
        let uid = self.new_uid.get_or_insert_with(|| clock.uuid()).as_str();
        let name = create_name(object, &**clock);
        let metadata = object.metadata_mut();
        for field in
            ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "resourceVersion"]
        {
            metadata.remove(field);
        }
        if let Some(name) = name {
            metadata.set("name", name);
        }
        if self.resource.namespaced() {
            metadata.set("namespace", namespace);
        } else {
            metadata.remove("namespace");
        }
        metadata.set("uid", uid);
        metadata.set("creationTimestamp", self.now.as_str());
    }

    /// The whole way of a changed object to its transaction.
    ///
    /// `old` is the tree of `entry`, `new` one of the served version; `ownership` says whether managed fields still have to be computed
    /// (apply has done it).
    pub async fn prepare_update(
        &mut self,
        entry: &Arc<Entry>,
        old: Map,
        new: Map,
        endpoint: Endpoint<'_>,
        view: &View,
        dry_run: bool,
    ) -> Result<Intent, Error> {
        let resource = self.resource.clone();
        let kind = resource.kind;
        let mut object = new;
        let exact = self.preconditions(&object, &old, entry)?;
        let stated = object.str_at(&["metadata", "resourceVersion"]).to_owned();
        carry_metadata(&mut object, &old);
        self.warnings.extend(metadata::unite_owner_references(&mut object));
        if resource.is_storage() {
            share_equal_parts(&mut object, &old);
        }
        if !kind.ignores_metadata || !differs_in_metadata_alone(&object, &old) {
            resource.default_served(&mut object);
        }
        self.to_storage(&mut object);
        self.restore(&mut object, &old, endpoint);
        if endpoint.owns {
            self.own_update(&old, &mut object, endpoint.name).await?;
        }
        let mut companions = Companions::default();
        let stage = Stage::new(Operation::Update, view, dry_run)
            .through(endpoint.name)
            .showing(webhooks::shown(&resource, endpoint.name))
            .changing(&old, &stated);
        if self.admit(&stage, &mut object, &mut companions).await? {
            carry_metadata(&mut object, &old);
            self.warnings.extend(metadata::unite_owner_references(&mut object));
            self.restore(&mut object, &old, endpoint);
        }
        self.count_generation(&mut object, &old);
        object.metadata_mut().remove("resourceVersion");
        let value = if differs_in_metadata_alone(&object, &old) {
            storage::encode_changed_metadata(&resource, &object, entry)
        } else {
            storage::encode(&resource, &object)
        };
        let current = entry.modified.to_string();
        let stage = stage.changing(&old, &current);
        let is_same = companions.ops.is_empty() && storage::same_bytes(entry, &value);
        if is_same && !self.is_outdated(view, &entry.key) {
            (kind.warnings)(&object, Some(&old), &mut self.warnings);
            if let Some(body) = stage.shown {
                self.validate_by_users(body, &stage, Some(&object)).await?;
            }
            return Ok(Intent::Unchanged(entry.clone()));
        }
        let mut errors = FieldErrors::new();
        metadata::validate_update(kind, &object, &old, &mut errors);
        match endpoint.view {
            Some(view) => (view.validate)(&object, &old, &mut errors),
            None => {
                (kind.validate_metadata)(&object, &mut errors);
                if kind.changes_first {
                    (kind.validate_update)(&object, &old, &mut errors);
                }
                if !kind.ignores_metadata || !differs_in_metadata_alone(&object, &old) {
                    (kind.validate)(&object, &mut errors);
                }
                if !kind.changes_first {
                    (kind.validate_update)(&object, &old, &mut errors);
                }
                (kind.validate_request)(resource.version, &object, Some(&old), &mut errors);
            }
        }
        validate_schema(&resource, &object, Some(&old), &mut errors, &mut self.warnings);
        self.check(errors, object.name(), "")?;
        (kind.warnings)(&object, Some(&old), &mut self.warnings);
        let removed = finished(&object, kind.grace_period.is_some());
        let stage = Stage { removes: removed, ..stage };
        self.validate_admission(&stage, Some(&object), &mut companions).await?;
        let compare = Compare::Modified(entry.key.clone(), entry.modified);
        let op = if removed {
            Op::Delete { key: entry.key.clone() }
        } else {
            Op::Put { key: entry.key.clone(), value: self.kept(&object, value).await? }
        };
        let mut reported = object;
        reported.metadata_mut().set("resourceVersion", entry.modified.to_string());
        Ok(Intent::Commit {
            txn: companions.transaction(Some((compare, op)), None),
            object: reported,
            created: false,
            removed,
            exact,
        })
    }

    /// uid and resourceVersion as the client stated them; answers whether it surely stated a version. What a patch makes
    /// of an object has the object's own, so another attempt has to find out.
    fn preconditions(&self, new: &Map, old: &Map, entry: &Entry) -> Result<bool, Error> {
        let name = old.name();
        let conflict = |cause: String| Error::Conflict {
            resource: self.resource.group_resource.clone(),
            name: name.to_owned(),
            cause,
        };
        let uid = new.str_at(&["metadata", "uid"]);
        let current = old.str_at(&["metadata", "uid"]);
        if !uid.is_empty() && uid != current {
            if !self.is_put() {
                let mut errors = FieldErrors::new();
                errors.invalid(&Path::new("metadata").child("uid"), uid, "field is immutable");
                return Err(self.invalid(errors, name));
            }
            return Err(conflict(format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {current}"
            )));
        }
        let version = new.str_at(&["metadata", "resourceVersion"]);
        if version.is_empty() || version == "0" {
            if !self.resource.kind.unconditional_update
                && self.is_put()
                && (self.attributes().subresource.is_empty()
                    || self.resource.custom.is_some() && self.attributes().subresource == "status")
            {
                let mut errors = FieldErrors::new();
                errors.invalid(
                    &Path::new("metadata").child("resourceVersion"),
                    0_i64,
                    "must be specified for an update",
                );
                // Upstream names the resource here, not the kind.
                let names = &self.resource.kind.names;
                return Err(Error::Invalid {
                    group: names.group.to_owned(),
                    kind: names.plural.to_owned(),
                    name: name.to_owned(),
                    errors,
                });
            }
            return Ok(false);
        }
        if version != entry.modified.to_string() {
            if version.parse::<u64>().is_err() {
                let mut errors = FieldErrors::new();
                errors.invalid(
                    &Path::new("metadata").child("resourceVersion"),
                    version,
                    format!("strconv.ParseUint: parsing {version:?}: invalid syntax"),
                );
                return Err(self.invalid(errors, name));
            }
            return Err(Error::modified(self.resource.group_resource.as_str(), name));
        }
        Ok(self.is_put())
    }

    /// Puts back what the endpoint does not write.
    fn restore(&self, object: &mut Map, old: &Map, endpoint: Endpoint<'_>) {
        let context = Context { now: &self.now, user: self.user };
        match endpoint.view {
            Some(view) => (view.prepare)(object, old, &context),
            None => {
                if self.resource.kind.subresource("status").is_some() {
                    match old.get("status") {
                        Some(status) => object.set("status", status.clone()),
                        None => {
                            object.remove("status");
                        }
                    }
                }
                (self.resource.kind.prepare_for_update)(object, old, &context);
            }
        }
    }

    fn count_generation(&self, object: &mut Map, old: &Map) {
        let changed = match self.resource.kind.generation {
            Generation::None => return,
            Generation::Spec => object.get("spec") != old.get("spec"),
            Generation::When(changed) => changed(object, old),
        };
        let generation = old.map("metadata").and_then(|metadata| metadata.int("generation")).unwrap_or(0);
        object.metadata_mut().set("generation", generation + i64::from(changed));
    }

    /// Defaults, then the managed fields of a create.
    fn default_and_own(&mut self, object: &mut Map) {
        if !self.template.as_ref().is_some_and(|template| template.set_defaults(object)) {
            self.template = None;
            self.resource.default_served(object);
        }
        if self.skip_ownership {
            return;
        }
        let known = self.template.as_ref().and_then(|template| template.owned());
        let context = managed_fields::Context { known, ..self.ownership("") };
        let (schema, id) = self.resource.ownership();
        managed_fields::update(None, object, schema, id, &context);
    }

    async fn own_update(&mut self, old: &Map, object: &mut Map, subresource: &str) -> Result<(), Error> {
        let (schema, id) = self.resource.ownership();
        let mut elsewhere = Vec::new();
        if self.resource.is_converted() {
            elsewhere = self.elsewhere(old, object, subresource).await?;
        }
        let context = managed_fields::Context { elsewhere: &elsewhere, ..self.ownership(subresource) };
        if self.resource.is_storage() {
            managed_fields::update(Some(old), object, schema, id, &context);
        } else {
            let mut old = old.clone();
            self.resource.from_storage(&mut old);
            self.resource.from_storage(object);
            managed_fields::update(Some(&old), object, schema, id, &context);
            self.resource.to_storage(object);
        }
        Ok(())
    }

    fn to_storage(&self, object: &mut Map) {
        self.resource.to_storage(object);
    }

    fn check(&self, errors: FieldErrors, name: &str, generate_name: &str) -> Result<(), Error> {
        if errors.is_empty() {
            return Ok(());
        }
        Err(self.invalid(errors, if name.is_empty() { generate_name } else { name }))
    }

    /// 422 for an object of the resource.
    pub fn invalid(&self, errors: FieldErrors, name: &str) -> Error {
        Error::Invalid {
            group: self.resource.kind.names.group.to_owned(),
            kind: self.resource.kind.names.kind.to_owned(),
            name: name.to_owned(),
            errors,
        }
    }

    /// Runs the mutating half of admission. Answers whether a webhook changed the object.
    pub async fn admit(
        &mut self,
        stage: &Stage<'_>,
        object: &mut Map,
        companions: &mut Companions,
    ) -> Result<bool, Error> {
        self.run_admit(admission::PLUGINS, stage, object, companions)?;
        let users = self.users(Sort::Mutating, stage.view);
        let is_changed = match stage.shown {
            Some(body) if !users.is_empty() => {
                Box::pin(self.admit_by_users(&users, body, stage, object, companions)).await?
            }
            _ => false,
        };
        self.run_admit(admission::LAST_PLUGINS, stage, object, companions)?;
        Ok(is_changed)
    }

    fn run_admit(
        &mut self,
        plugins: &[&dyn Plugin],
        stage: &Stage<'_>,
        object: &mut Map,
        companions: &mut Companions,
    ) -> Result<(), Error> {
        let name = object.name().to_owned();
        let mut warnings = std::mem::take(&mut self.warnings);
        let mut attributes = self.admission(stage, &name, &mut warnings, companions);
        let outcome = plugins.iter().try_for_each(|plugin| plugin.admit(&mut attributes, object));
        self.warnings = warnings;
        outcome
    }

    /// Whether users have policies or webhooks that want to see a request.
    pub(crate) fn is_judged(&self, subject: &Subject<'_>) -> bool {
        [Sort::Mutating, Sort::Validating].into_iter().any(|sort| {
            let Users { policies, hooks } = self.users(sort, subject.stage.view);
            let mut all =
                policies.iter().map(|policy| &policy.matching).chain(hooks.iter().map(|it| &it.matching));
            all.any(|matching| !matches!(matching.resource_for(subject, self), Ok(None)))
        })
    }

    fn users(&self, sort: Sort, view: &View) -> Users {
        Users { policies: self.policies(sort, view), hooks: self.hooks(sort, view) }
    }

    /// Lets policies and webhooks change the object. What they change is shown to the plug-ins again and, once more, to
    /// those of them that want to see it.
    async fn admit_by_users(
        &mut self,
        Users { policies, hooks }: &Users,
        body: Body,
        stage: &Stage<'_>,
        object: &mut Map,
        companions: &mut Companions,
    ) -> Result<bool, Error> {
        let (mut of_policies, mut of_hooks) = (Reinvocation::default(), Reinvocation::default());
        let fields = managed_fields::managed_fields(object).cloned();
        let mut subject = self.subject(stage, body, Some(std::mem::take(object)), true);
        let mut is_changed = self.mutate(policies, &mut subject, &mut of_policies, false).await?;
        let after_policies = subject.object.clone();
        is_changed |= self.ask_mutating(hooks, &mut subject, &mut of_hooks, false).await?;
        if is_changed {
            let after_hooks = subject.object.clone();
            let mut changed = subject.object.take().unwrap_or_default();
            self.run_admit(admission::PLUGINS, stage, &mut changed, companions)?;
            subject.set_object(Some(changed));
            if subject.object != after_policies {
                of_policies.changed();
            }
            self.mutate(policies, &mut subject, &mut of_policies, true).await?;
            if subject.object != after_hooks {
                of_hooks.changed();
            }
            self.ask_mutating(hooks, &mut subject, &mut of_hooks, true).await?;
        }
        *object = subject.object.take().unwrap_or_default();
        if is_changed {
            self.keep_readable_managed_fields(object, fields);
        }
        Ok(is_changed)
    }

    /// Puts back the managed fields that a webhook has made unreadable.
    fn keep_readable_managed_fields(&mut self, object: &mut Map, before: Option<List>) {
        let changed = object.metadata().map(|metadata| metadata.list("managedFields")).unwrap_or_default();
        let Err(why) = managed_fields::read_sent(changed) else { return };
        managed_fields::set_managed_fields(object, before.map(Node::List));
        self.warnings.push(format!(
            ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: {why}"
        ));
    }

    /// Runs the validating half of admission.
    pub async fn validate_admission(
        &mut self,
        stage: &Stage<'_>,
        object: Option<&Map>,
        companions: &mut Companions,
    ) -> Result<(), Error> {
        self.run_validate(admission::PLUGINS, stage, object, companions)?;
        if let Some(body) = stage.shown {
            self.validate_by_users(body, stage, object).await?;
        }
        self.run_validate(admission::LAST_PLUGINS, stage, object, companions)
    }

    /// What users have to say: first their policies, then their webhooks.
    async fn validate_by_users(
        &mut self,
        body: Body,
        stage: &Stage<'_>,
        object: Option<&Map>,
    ) -> Result<(), Error> {
        let users = self.users(Sort::Validating, stage.view);
        if users.is_empty() {
            return Ok(());
        }
        let subject = self.subject(stage, body, object.cloned(), false);
        Box::pin(self.obey(&users.policies, &subject)).await?;
        Box::pin(self.ask_validating(&users.hooks, &subject)).await
    }

    fn run_validate(
        &mut self,
        plugins: &[&dyn Plugin],
        stage: &Stage<'_>,
        object: Option<&Map>,
        companions: &mut Companions,
    ) -> Result<(), Error> {
        let name = object.or(stage.old).map_or("", Map::name).to_owned();
        let mut warnings = std::mem::take(&mut self.warnings);
        let mut attributes = self.admission(stage, &name, &mut warnings, companions);
        let outcome = plugins.iter().try_for_each(|plugin| plugin.validate(&mut attributes, object));
        self.warnings = warnings;
        outcome
    }

    /// Shows webhooks what no plug-in sees: the deletion of an object, or the body of a subresource, which they may
    /// change.
    pub async fn review(&mut self, stage: &Stage<'_>, object: Option<&mut Map>) -> Result<(), Error> {
        let Some(body) = stage.shown else { return Ok(()) };
        let users = self.users(Sort::Mutating, stage.view);
        let mut object = object;
        if !users.is_empty() {
            let mut subject = self.subject(stage, body, object.as_deref().cloned(), true);
            Box::pin(self.mutate(&users.policies, &mut subject, &mut Reinvocation::default(), false)).await?;
            let mut reinvocation = Reinvocation::default();
            Box::pin(self.ask_mutating(&users.hooks, &mut subject, &mut reinvocation, false)).await?;
            if let (Some(object), Some(changed)) = (object.as_deref_mut(), subject.object) {
                *object = changed;
            }
        }
        match stage.operation {
            // Plug-ins come first.
            Operation::Delete => Ok(()),
            _ => self.validate_by_users(body, stage, object.as_deref()).await,
        }
    }

    fn admission<'a>(
        &'a self,
        stage: &Stage<'a>,
        name: &'a str,
        warnings: &'a mut Warnings,
        companions: &'a mut Companions,
    ) -> admission::Attributes<'a> {
        admission::Attributes {
            operation: stage.operation,
            resource: &self.resource,
            subresource: stage.subresource,
            namespace: self.namespace(),
            name,
            user: self.user,
            dry_run: stage.dry_run,
            now: &self.now,
            old: stage.old,
            removes: stage.removes,
            view: stage.view,
            authorizer: &self.server.authorizer,
            cluster: &self.server.cluster,
            clock: &*self.server.clock,
            warnings,
            companions,
            recording: self.request.recording.as_deref(),
        }
    }
}

/// Reports what the schema does not allow. What the kind has said of a field in its own words is not said again.
fn validate_schema(
    resource: &Resource,
    object: &Map,
    old: Option<&Map>,
    errors: &mut FieldErrors,
    warnings: &mut Warnings,
) {
    match &resource.custom {
        Some(custom) => {
            let names = (resource.api_version.as_str(), resource.kind.names.kind);
            custom.validate(object, old, names, errors, warnings);
        }
        None => schema::validate(object, old, schema::builtin(), resource.storage_schema, errors),
    }
}

/// The policies and webhooks that may have something to say.
struct Users {
    policies: Arc<[Arc<Policy>]>,
    hooks: Arc<[Arc<Hook>]>,
}

impl Users {
    fn is_empty(&self) -> bool {
        self.policies.is_empty() && self.hooks.is_empty()
    }
}

/// Where in its life a write is, as admission sees it.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// What is done.
    pub operation: Operation,
    /// Through which endpoint.
    pub subresource: &'a str,
    /// On which state.
    pub view: &'a View,
    /// The stored object.
    pub old: Option<&'a Map>,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// The object is gone once this commits.
    pub removes: bool,
    /// What webhooks are shown; nothing when the endpoint asks them itself.
    pub(crate) shown: Option<Body>,
    /// The version that a changed object is shown with; empty for none.
    pub version: &'a str,
    /// What a delete asks for.
    pub delete_options: Option<&'a Map>,
}

impl<'a> Stage<'a> {
    /// Of an object itself, about which webhooks are not asked.
    pub fn new(operation: Operation, view: &'a View, dry_run: bool) -> Stage<'a> {
        Stage {
            operation,
            subresource: "",
            view,
            old: None,
            dry_run,
            removes: false,
            shown: None,
            version: "",
            delete_options: None,
        }
    }

    /// Through a subresource.
    pub fn through(self, subresource: &'a str) -> Stage<'a> {
        Stage { subresource, ..self }
    }

    /// Webhooks are shown this.
    pub(crate) fn showing(self, body: Body) -> Stage<'a> {
        Stage { shown: Some(body), ..self }
    }

    /// From a stored object to one that is shown with `version`.
    pub fn changing(self, old: &'a Map, version: &'a str) -> Stage<'a> {
        Stage { old: Some(old), version, ..self }
    }
}

/// Which endpoint an update came through.
#[derive(Clone, Copy)]
pub struct Endpoint<'a> {
    /// Subresource; empty for the object itself.
    pub name: &'a str,
    /// Its rules, when it is a view.
    pub view: Option<&'a SubresourceView>,
    /// Managed fields are computed here (an apply has done it already).
    pub owns: bool,
}

/// A name made from `generateName`, when there is no name.
fn create_name(object: &Map, clock: &dyn Clock) -> Option<String> {
    const PREFIX_BYTES_MAX: usize = 58;
    let prefix = object.str_at(&["metadata", "generateName"]);
    if !object.name().is_empty() || prefix.is_empty() {
        return None;
    }
    let prefix: String = prefix.chars().take(PREFIX_BYTES_MAX).collect();
    Some(format!("{prefix}{}", clock.suffix(5)))
}

/// System metadata that no client can change.
fn carry_metadata(object: &mut Map, old: &Map) {
    let Some(old) = old.metadata() else { return };
    let metadata = object.metadata_mut();
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
        "namespace",
    ] {
        match old.get(field) {
            Some(value) => metadata.set(field, value.clone()),
            None => {
                metadata.remove(field);
            }
        }
    }
    metadata.set_default("name", old.str("name"));
    metadata.remove("resourceVersion");
}

/// Puts the stored parts in the place of equal ones, so that nobody below walks what did not change.
fn share_equal_parts(object: &mut Map, old: &Map) {
    for (key, stored) in old.iter() {
        let equal = object.get(key).is_some_and(|node| node == stored && !node.is_shared_with(stored));
        if equal {
            object.set(key.clone(), stored.clone());
        }
    }
}

/// Whether everything but metadata is what is stored.
fn differs_in_metadata_alone(object: &Map, old: &Map) -> bool {
    object.len() == old.len()
        && object.iter().all(|(key, node)| match old.get(key) {
            Some(stored) => key.as_str() == "metadata" || node.is_shared_with(stored),
            None => false,
        })
}

/// Whether an object on its way out has nothing left that holds it.
pub fn finished(object: &Map, graceful: bool) -> bool {
    let Some(metadata) = object.metadata() else { return false };
    metadata.contains("deletionTimestamp")
        && metadata.list("finalizers").is_empty()
        && (!graceful || metadata.int("deletionGracePeriodSeconds").unwrap_or(0) == 0)
        && spec_finalizers(object) == 0
}

/// Finalizers of a Namespace's spec.
pub fn spec_finalizers(object: &Map) -> usize {
    object
        .map("spec")
        .map_or(0, |spec| spec.list("finalizers").iter().filter(|item| matches!(item, Node::Str(_))).count())
}

/// Whether a refusal could be different on a newer state.
fn rests_on_state(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { .. }
            | Error::Forbidden { .. }
            | Error::AlreadyExists { .. }
            | Error::Conflict { .. }
            | Error::ApplyConflict { .. }
            | Error::Invalid { .. }
            | Error::TooManyRequests { .. }
            // Of policies, whose answer may be another one; webhooks are not asked again.
            | Error::Foreign(_)
    )
}

#[cfg(test)]
mod tests;
