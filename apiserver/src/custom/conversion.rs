//! Objects in other versions than the one they are stored in, as a webhook of their definition's makes them.
//!
//! Keeps: what a webhook makes is pruned to the schema of its version, and of its metadata only labels and annotations
//! are taken; an entry is converted once for all who list or watch it, and anew for those who get it alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tokio::time::Instant;

use self::review::{Failure, Review};
use super::Custom;
use crate::admission::Operation;
use crate::admission::subject::Body;
use crate::endpoints::delete_options::DeleteOptions;
use crate::facts::FactsView;
use crate::forms::{self, Place, Stored};
use crate::kind::Version;
use crate::managed_fields::{self, Changes};
use crate::metrics::ConversionLabels;
use crate::negotiation::{Form, Transform};
use crate::pipeline::Server;
use crate::registry::{Registry, Resource};
use crate::remote;
use crate::schema;
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::{self, Entry, Event, Key, NewValue, View};
use crate::tree::Map;
use crate::write::Stage;

mod review;

/// How long a webhook may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A webhook is asked about so much at once: objects, and bytes of them.
const OBJECTS_MAX: usize = 250;
const BYTES_MAX: usize = 1 << 20;

/// Questions about one list that are open at once.
const QUESTIONS_MAX: usize = 4;

/// What is kept of converted objects, for each version of a definition.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// `spec.conversion` of a definition that names a webhook.
pub struct Conversion {
    definition: String,
    place: Result<remote::Place, String>,
    /// Of the reviews: the first that both sides know.
    review_version: Option<&'static str>,
    /// Of the definition: with whatever changes of it, what was converted before counts no more.
    pub(super) spec: Map,
}

impl Conversion {
    /// That of a definition, if it is by a webhook.
    pub(super) fn of(definition: &Map) -> Option<Conversion> {
        let spec = definition.map("spec")?;
        if spec.str_at(&["conversion", "strategy"]) != "Webhook" {
            return None;
        }
        let webhook = spec.map_at(&["conversion", "webhook"]).cloned().unwrap_or_default();
        let known = |version| ["v1", "v1beta1"].into_iter().find(|known| *known == version);
        Some(Conversion {
            definition: definition.name().to_owned(),
            place: remote::Place::of(&webhook.map("clientConfig").cloned().unwrap_or_default()),
            review_version: webhook.texts("conversionReviewVersions").find_map(known),
            spec: spec.clone(),
        })
    }
}

/// Objects that were converted to one version.
#[derive(Default)]
pub(super) struct Converted {
    kept: Mutex<Kept>,
    /// Held by the watcher that has events converted, for all others as well.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    /// Of each object the newest two: the events of a change have both.
    entries: FxHashMap<Key, SmallVec<[Arc<Entry>; 2]>>,
    bytes: usize,
}

impl Converted {
    fn find(&self, entry: &Entry) -> Option<Arc<Entry>> {
        let kept = self.kept.lock();
        kept.entries.get(&entry.key)?.iter().find(|found| found.modified == entry.modified).cloned()
    }

    fn keep(&self, entry: &Arc<Entry>) {
        let mut kept = self.kept.lock();
        if kept.bytes > KEPT_BYTES_MAX {
            *kept = Kept::default();
        }
        let Kept { entries, bytes } = &mut *kept;
        let versions = entries.entry(entry.key.clone()).or_default();
        let weight = |entry: &Arc<Entry>| entry.bytes().len() + entry.facts().len();
        *bytes -= versions.iter().map(weight).sum::<usize>();
        versions.retain(|before| before.modified != entry.modified);
        versions.push(entry.clone());
        versions.sort_unstable_by_key(|version| std::cmp::Reverse(version.modified));
        versions.truncate(2);
        *bytes += versions.iter().map(weight).sum::<usize>();
    }
}

impl Resource {
    /// How objects that are stored in other versions are converted, if that is by a webhook.
    fn conversion(&self) -> Option<(&Custom, &Conversion)> {
        let custom = self.custom.as_ref()?;
        Some((custom, custom.conversion.as_ref()?))
    }

    /// Whether a webhook makes the other versions of its objects.
    pub fn is_converted(&self) -> bool {
        self.conversion().is_some()
    }

    /// Whether an object is stored in the version that is the storage version now.
    pub fn is_stored_as_now(&self, entry: &Entry) -> bool {
        self.stored_version(entry) == self.kind.storage_version().version
    }

    /// The version that an object is stored in.
    pub(crate) fn stored_version<'a>(&self, entry: &'a Entry) -> &'a str {
        FactsView::new(entry.facts()).version().unwrap_or(self.kind.storage_version().version)
    }
}

impl Scope<'_> {
    /// A stored object as it is in the request's version.
    pub(crate) async fn shown(&self, entry: Arc<Entry>) -> Result<Arc<Entry>, Error> {
        match self.resource.is_converted() {
            true => Box::pin(self.server.shown_alone(&self.resource, entry)).await,
            false => Ok(entry),
        }
    }

    /// The answer about an object that was written. For its metadata alone no webhook is asked.
    pub(crate) async fn answered(&self, entry: Arc<Entry>) -> Result<Arc<Entry>, Error> {
        match self.form.transform {
            Transform::Metadata => Ok(entry),
            _ => self.shown(entry).await,
        }
    }

    /// What is stored of an object of the request's version, of which `value` was made.
    pub(crate) async fn kept(&self, object: &Map, value: NewValue) -> Result<NewValue, Error> {
        let storage = self.resource.custom.as_ref().and_then(|custom| custom.storage.as_ref());
        let Some(storage) = storage else { return Ok(value) };
        let mut made = Box::pin(self.server.converted_tree(&self.resource, storage, object)).await?;
        storage.set_defaults(&mut made);
        made.metadata_mut().remove("resourceVersion");
        Ok(storage::encode(storage, &made))
    }

    /// The object that a deletion begins with: as it is stored, unless somebody wants to judge it in the request's version.
    /// All else that matters is metadata, so deletions go on when the webhook is gone.
    pub(crate) async fn seen_by_deletion(
        &self,
        entry: Arc<Entry>,
        options: &DeleteOptions,
        view: &View,
    ) -> Result<Arc<Entry>, Error> {
        if self.resource.custom.is_none() {
            return Ok(entry);
        }
        if self.resource.is_converted() && (options.dry_run || self.is_judged_deleted(&entry, options, view))
        {
            return self.shown(entry).await;
        }
        let registry = self.server.registry();
        let source = match self.resource.is_converted() {
            true => stored_as(&self.resource, &entry, &registry),
            false => registry
                .storage_of(self.resource.version.group, self.resource.kind.names.plural)
                .map(|it| &**it),
        };
        Ok(match source {
            Some(source) => up_to_date(source, entry),
            None => entry,
        })
    }

    /// Whether policies or webhooks have to be asked about the deletion of an object.
    fn is_judged_deleted(&self, entry: &Entry, options: &DeleteOptions, view: &View) -> bool {
        let old = storage::decode(&self.resource, entry);
        let stage = Stage {
            old: Some(&old),
            delete_options: Some(&options.sent),
            ..Stage::new(Operation::Delete, view, options.dry_run)
        };
        let subject = self.subject(&stage, Body::Object, None, false);
        self.is_judged(&subject)
    }

    /// What is stored of an object whose metadata a deletion changes.
    pub(crate) async fn kept_by_deletion(
        &self,
        object: &Map,
        entry: &Entry,
        value: NewValue,
    ) -> Result<NewValue, Error> {
        let is_other = self.resource.stored_version(entry) != self.resource.version.version;
        match self.resource.is_converted() && is_other {
            true => Ok(storage::encode_as_stored(&self.resource, object, entry)),
            false => self.kept(object, value).await,
        }
    }

    /// Refuses what would be read or written by a definition that is no longer in force.
    pub(crate) fn check_definition(&self, view: &View) -> Result<(), Error> {
        if self.resource.custom.is_none() {
            return Ok(());
        }
        let Version { group, version, .. } = self.resource.version;
        let registry = self.server.definitions.registry(view);
        match registry.find(group, version, self.resource.kind.names.plural) {
            Some(now) if Arc::ptr_eq(now, &self.resource) => Ok(()),
            _ => Err(Error::TooManyRequests {
                message: "storage is (re)initializing".to_owned(),
                retry_after: 1,
                causes: Vec::new(),
            }),
        }
    }

    /// An object as it would come back if it was stored.
    pub(crate) async fn as_if_stored(&self, object: Map) -> Result<Map, Error> {
        let storage = self.resource.custom.as_ref().and_then(|custom| custom.storage.as_ref());
        let Some(storage) = storage else { return Ok(object) };
        let mut stored = self.server.converted_tree(&self.resource, storage, &object).await?;
        storage.set_defaults(&mut stored);
        self.server.converted_tree(storage, &self.resource, &stored).await
    }

    /// What a write changes as those versions show it in which some managers own fields.
    pub(crate) async fn elsewhere(
        &self,
        old: &Map,
        new: &Map,
        subresource: &str,
    ) -> Result<Vec<(String, Changes)>, Error> {
        let others = managed_fields::other_versions(old, &self.resource.api_version);
        let mut changes = Vec::new();
        let reset = self.never_owned(subresource);
        let (schema, id) = self.resource.ownership();
        if others.is_empty() || managed_fields::compare(old, new, schema, id, reset).is_empty() {
            return Ok(changes);
        }
        let registry = self.server.registry();
        for api_version in others {
            let Some(other) = registry.of_kind(api_version, self.resource.kind.names.kind) else {
                // In a version that is served no more nothing can be compared.
                changes.push((api_version.to_owned(), Changes::default()));
                continue;
            };
            let both = self.server.converted_trees(&self.resource, other, &[old, new]).await?;
            let [before, after] = both.try_into().unwrap_or_default();
            let (schema, id) = other.ownership();
            changes
                .push((api_version.to_owned(), managed_fields::compare(&before, &after, schema, id, reset)));
        }
        Ok(changes)
    }

    /// Whether an object has to be written again although it is as it should be.
    pub(crate) fn is_outdated(&self, view: &View, key: &Key) -> bool {
        self.resource.custom.is_some()
            && view.state().get(key).is_some_and(|entry| !self.resource.is_stored_as_now(entry))
    }
}

impl Server {
    /// A stored object in the version of `resource`, whatever it was converted to before.
    pub(crate) async fn shown_alone(
        &self,
        resource: &Resource,
        entry: Arc<Entry>,
    ) -> Result<Arc<Entry>, Error> {
        let mut shown = self.shown(resource, vec![entry], true).await?;
        shown.pop().ok_or_else(|| Error::Internal("an object was lost in its conversion".to_owned()))
    }

    /// Stored objects in the version of `resource`; `anew` whatever they were converted to before.
    pub(crate) async fn shown(
        &self,
        resource: &Resource,
        mut entries: Vec<Arc<Entry>>,
        anew: bool,
    ) -> Result<Vec<Arc<Entry>>, Error> {
        let Some((custom, conversion)) = resource.conversion() else { return Ok(entries) };
        let mut due: Vec<usize> = Vec::new();
        for (at, entry) in entries.iter_mut().enumerate() {
            if resource.stored_version(entry) == resource.version.version {
                *entry = up_to_date(resource, entry.clone());
                continue;
            }
            match custom.converted.find(entry).filter(|_| !anew) {
                Some(known) => *entry = known,
                None => due.push(at),
            }
        }
        let questions = in_portions(&due, |at| entries[*at].bytes().len());
        let answers: Vec<Vec<Arc<Entry>>> = stream::iter(questions)
            .map(|portion| {
                let stored: Vec<Arc<Entry>> = portion.iter().map(|at| entries[*at].clone()).collect();
                async move { self.converted_entries(resource, conversion, &stored).await }
            })
            .buffered(QUESTIONS_MAX)
            .try_collect()
            .await?;
        for (at, entry) in due.into_iter().zip(answers.into_iter().flatten()) {
            custom.converted.keep(&entry);
            entries[at] = entry;
        }
        Ok(entries)
    }

    /// Events in the version of `resource`. With `needs_old`, the objects before a change are looked at, too.
    pub(crate) async fn shown_events(
        &self,
        resource: &Resource,
        events: Vec<Arc<Event>>,
        needs_old: bool,
    ) -> Result<Vec<Arc<Event>>, Error> {
        let Some((custom, _)) = resource.conversion() else { return Ok(events) };
        let turn = tokio::time::timeout(TIMEOUT, custom.converted.turn.lock()).await;
        let _turn = turn.map_err(|_| Error::Plain("a conversion webhook takes too long".to_owned()))?;
        let looks_at_old = |event: &Event| needs_old || event.new.is_none();
        let old = |event: &Event| event.old.clone().filter(|_| looks_at_old(event));
        let entries = events.iter().flat_map(|event| [old(event), event.new.clone()]).flatten().collect();
        let mut shown = self.shown(resource, entries, false).await?.into_iter();
        let is_same = |before: &Option<Arc<Entry>>, after: &Option<Arc<Entry>>| match (before, after) {
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            (before, after) => before.is_none() && after.is_none(),
        };
        let events = events.into_iter().map(|event| {
            let old = match old(&event) {
                Some(_) => shown.next(),
                // It only matters that there was one.
                None => event.old.clone(),
            };
            let new = event.new.as_ref().and_then(|_| shown.next());
            match is_same(&event.old, &old) && is_same(&event.new, &new) {
                true => event,
                false => Arc::new(event.with_entries(old, new)),
            }
        });
        Ok(events.collect())
    }

    /// An object of one version in another one.
    pub(crate) async fn converted_tree(
        &self,
        from: &Resource,
        to: &Resource,
        object: &Map,
    ) -> Result<Map, Error> {
        let mut made = self.converted_trees(from, to, &[object]).await?;
        made.pop().ok_or_else(|| Error::Internal("an object was lost in its conversion".to_owned()))
    }

    /// Several objects of one version in another one.
    async fn converted_trees(
        &self,
        from: &Resource,
        to: &Resource,
        objects: &[&Map],
    ) -> Result<Vec<Map>, Error> {
        let Some((_, conversion)) = from.conversion() else {
            return Ok(objects.iter().map(|object| (*object).clone()).collect());
        };
        let originals = objects.iter().map(|object| {
            let mut json = Vec::new();
            let (api_version, kind) = (&from.api_version, from.kind.names.kind);
            forms::append_tree_json(object, from.schema, Place::Alone, api_version, kind, &mut json);
            Original { version: from.version.version, json: json.into() }
        });
        self.convert(conversion, to, &originals.collect::<Vec<_>>()).await
    }

    /// Entries in the version of `to`, in which none of them is stored.
    async fn converted_entries(
        &self,
        to: &Resource,
        conversion: &Conversion,
        entries: &[Arc<Entry>],
    ) -> Result<Vec<Arc<Entry>>, Error> {
        let registry = self.registry();
        let originals: Vec<Original<'_>> = entries
            .iter()
            .map(|entry| {
                let version = to.stored_version(entry);
                let mut json = Vec::with_capacity(entry.bytes().len() + 128);
                match stored_as(to, entry, &registry) {
                    Some(from) => {
                        let entry = up_to_date(from, entry.clone());
                        forms::append(from, &Stored::from(&*entry), &Form::JSON, Place::Alone, &mut json);
                    }
                    // A version that is served no more.
                    None => {
                        let (kind, group) = (to.kind.names.kind, to.version.group);
                        let head = format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{group}/{version}\",");
                        json.extend_from_slice(head.as_bytes());
                        json.extend_from_slice(entry.bytes());
                    }
                }
                Original { version, json: json.into() }
            })
            .collect();
        let made = self.convert(conversion, to, &originals).await?;
        let shown = entries.iter().zip(made).map(|(entry, mut object)| {
            object.metadata_mut().remove("resourceVersion");
            Arc::new(entry.with_value(&storage::encode(to, &object)))
        });
        Ok(shown.collect())
    }

    /// Asks the webhook for objects in the version of `to`.
    async fn convert(
        &self,
        conversion: &Conversion,
        to: &Resource,
        originals: &[Original<'_>],
    ) -> Result<Vec<Map>, Error> {
        let began = Instant::now();
        let outcome = self.asked(conversion, to, originals).await;
        let from = originals.first().map_or("", |original| original.version);
        let labels = ConversionLabels {
            crd_name: conversion.definition.clone(),
            from_version: from.to_owned(),
            to_version: to.version.version.to_owned(),
            succeeded: if outcome.is_ok() { "true" } else { "false" },
        };
        let cause = outcome.as_ref().err().map_or("", |failure| failure.kind());
        self.metrics.asked_converter(labels, cause, began.elapsed().as_secs_f64());
        outcome.map_err(|failure| {
            let kind = to.kind.names.kind;
            let why = failure.sentence(&format!("{}/{from}, Kind={kind}", to.version.group));
            tracing::warn!("{why}");
            Error::Plain(why)
        })
    }

    async fn asked(
        &self,
        conversion: &Conversion,
        to: &Resource,
        originals: &[Original<'_>],
    ) -> Result<Vec<Map>, Failure> {
        let version = conversion.review_version;
        let version = version.ok_or_else(|| Failure::call("no supported conversion review versions"))?;
        let place = conversion.place.as_ref().map_err(Failure::call)?;
        let uid = self.clock.uuid();
        let review = Review { uid: &uid, version, desired: &to.api_version };
        let question = review.question(originals.iter().map(|original| &original.json));
        let answer = self.ask(place, &self.view(), question.into(), TIMEOUT).await;
        let answer = answer.map_err(|unanswered| Failure::Call(unanswered.why))?;
        let objects = review.answered(&answer, originals.len())?;
        let made = originals.iter().zip(objects).map(|(original, object)| {
            let made = review.checked(object, to.kind.names.kind, &original.json)?;
            typed(made, to)
        });
        made.collect()
    }
}

/// An object as it is before its conversion.
struct Original<'a> {
    version: &'a str,
    json: Bytes,
}

/// The resource that an object is stored as, unless its version is one that is neither served nor the storage version.
fn stored_as<'a>(resource: &'a Resource, entry: &Entry, registry: &'a Registry) -> Option<&'a Resource> {
    let version = resource.stored_version(entry);
    let storage = resource.custom.as_ref().and_then(|custom| custom.storage.as_ref());
    let storage = storage.filter(|storage| storage.version.version == version);
    let served = || registry.find(resource.version.group, version, resource.kind.names.plural);
    storage.or_else(served).map(|found| &**found)
}

/// An object as the schema of the resource that it is stored as wants it, which may have been another one then.
fn up_to_date(resource: &Resource, entry: Arc<Entry>) -> Arc<Entry> {
    let Some(custom) = resource.custom.as_ref().filter(|custom| entry.modified < custom.since) else {
        return entry;
    };
    let mut object = storage::decode(resource, &entry);
    custom.set_defaults(&mut object);
    custom.prune(&mut object, None);
    object.metadata_mut().remove("resourceVersion");
    Arc::new(entry.with_value(&storage::encode(resource, &object)))
}

/// What a webhook made of an object, as the schema of its version wants it.
fn typed(mut made: Map, to: &Resource) -> Result<Map, Failure> {
    made.remove("apiVersion");
    made.remove("kind");
    let typed = crate::codec::json::typed(made, schema::builtin(), to.schema, None);
    let mut object = typed.map_err(|error| Failure::Invalid(format!("invalid object: {error}")))?;
    if let Some(custom) = &to.custom {
        custom.prune(&mut object, None);
        custom.drop_wrong_nulls(&mut object);
    }
    Ok(object)
}

/// Cuts a list into portions that one question is about.
fn in_portions<T: Copy>(items: &[T], bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut portions: Vec<Vec<T>> = Vec::new();
    let mut size = 0;
    for item in items {
        size += bytes(item);
        match portions.last_mut() {
            Some(last) if last.len() < OBJECTS_MAX && size <= BYTES_MAX => last.push(*item),
            _ => {
                size = bytes(item);
                portions.push(vec![*item]);
            }
        }
    }
    portions
}

#[cfg(test)]
mod tests;
