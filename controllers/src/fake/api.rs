//! An API in memory: versions, conflicts, finalizers, watches, and faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::api::{
    Api, ApiError, Call, Changes, Connect, DeleteOptions, Deleted, Discovery, ListOptions, Object, Page,
    PatchType, Propagation, Resource, ServedResource, Target, Version, WatchEvent, WriteOptions,
};
use crate::settings::Settings;

use super::patch;

/// Seconds of grace that a scheduled pod gets.
const GRACE_SECONDS: i64 = 30;

/// What a call is to fail with.
pub(crate) struct Fault {
    /// `create configmaps`, `update namespaces/finalize` …
    pub(crate) call: &'static str,
    /// The refusal.
    pub(crate) error: ApiError,
    /// The write happens all the same; only its answer is lost.
    pub(crate) after: bool,
}

/// A place: group, plural, namespace, name.
type Place = (String, String, String, String);

#[derive(Clone)]
pub(crate) struct FakeApi {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// The number of changes, and how many of them watches deliver.
    changes: watch::Sender<Delivery>,
}

#[derive(Clone, Copy, Default)]
struct Delivery {
    recorded: usize,
    delivered: usize,
    /// Watches that are told that their history is gone.
    generation: u64,
}

#[derive(Default)]
struct State {
    version: Version,
    uids: u64,
    objects: BTreeMap<Place, Value>,
    log: Vec<(Place, Change, Value)>,
    faults: VecDeque<Fault>,
    calls: Vec<String>,
    held: bool,
    served: Vec<ServedResource>,
    failed_groups: Vec<String>,
    activity: u64,
    now: String,
    settings: Settings,
}

#[derive(Clone, Copy)]
enum Change {
    Added,
    Modified,
    Deleted,
}

impl FakeApi {
    pub(crate) fn new() -> FakeApi {
        let state = State { now: "2027-01-15T08:00:00Z".to_owned(), ..State::default() };
        FakeApi {
            inner: Arc::new(Inner {
                state: Mutex::new(state),
                changes: watch::Sender::new(Delivery::default()),
            }),
        }
    }

    /// Adds a resource to discovery, with the verbs that most have.
    pub(crate) fn serve(&self, resource: &Resource) {
        let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        self.inner.state.lock().served.push(ServedResource { resource: resource.clone(), verbs });
    }

    /// Adds a resource to discovery with these verbs.
    pub(crate) fn serve_with(&self, resource: &Resource, verbs: &[&str]) {
        let verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        self.inner.state.lock().served.push(ServedResource { resource: resource.clone(), verbs });
    }

    /// A group version whose discovery fails, until it is empty again.
    pub(crate) fn fail_discovery_of(&self, group_versions: &[&str]) {
        self.inner.state.lock().failed_groups = group_versions.iter().map(|it| (*it).to_owned()).collect();
    }

    /// The next matching call fails.
    pub(crate) fn fail(&self, fault: Fault) {
        self.inner.state.lock().faults.push_back(fault);
    }

    /// Watches deliver nothing new until they are released: views grow stale.
    pub(crate) fn hold_watches(&self) {
        self.inner.state.lock().held = true;
    }

    /// Watches deliver again.
    pub(crate) fn release_watches(&self) {
        self.inner.state.lock().held = false;
        self.inner.changes.send_modify(|delivery| delivery.delivered = delivery.recorded);
    }

    /// Every watch learns that its history is gone.
    pub(crate) fn expire_watches(&self) {
        self.inner.changes.send_modify(|delivery| delivery.generation += 1);
    }

    /// Writes an object as a user would, status included. Creates or replaces.
    pub(crate) fn put(&self, resource: &Resource, object: Value) -> Value {
        let mut state = self.inner.state.lock();
        let place = place_of(resource, &object);
        let stored = match state.objects.get(&place) {
            Some(present) => {
                let mut object = object;
                for field in ["uid", "creationTimestamp"] {
                    object["metadata"][field] = present["metadata"][field].clone();
                }
                state.store(place, object, Change::Modified)
            }
            None => {
                let object = state.born(object);
                state.store(place, object, Change::Added)
            }
        };
        drop(state);
        self.announce();
        stored
    }

    /// Removes an object at once, whatever holds it.
    pub(crate) fn remove(&self, resource: &Resource, namespace: &str, name: &str) {
        self.inner.state.lock().erase(&place(resource, namespace, name));
        self.announce();
    }

    /// Deletes an object as a user would.
    pub(crate) fn user_deletes(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) {
        let target = Target::new(resource, namespace, name);
        self.inner.state.lock().delete(target, options).unwrap();
        self.announce();
    }

    pub(crate) fn object(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Value> {
        self.inner.state.lock().objects.get(&place(resource, namespace, name)).cloned()
    }

    /// The names of the objects of a namespace (empty: of all).
    pub(crate) fn names(&self, resource: &Resource, namespace: &str) -> Vec<String> {
        let state = self.inner.state.lock();
        state
            .objects
            .keys()
            .filter(|(group, plural, space, _)| {
                *group == resource.group
                    && *plural == resource.plural
                    && (namespace.is_empty() || space == namespace)
            })
            .map(|(_, _, _, name)| name.clone())
            .collect()
    }

    /// What was called since the last time, without reads: `create configmaps a/b`.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        let calls = std::mem::take(&mut self.inner.state.lock().calls);
        let reads = ["discover", "fetch", "list", "watch"];
        calls.into_iter().filter(|call| !reads.iter().any(|read| call.starts_with(read))).collect()
    }

    pub(crate) fn set_settings(&self, settings: Settings) {
        self.inner.state.lock().settings = settings;
    }

    pub(crate) fn set_now(&self, now: String) {
        self.inner.state.lock().now = now;
    }

    pub(crate) fn activity(&self) -> u64 {
        self.inner.state.lock().activity
    }

    fn announce(&self) {
        let state = self.inner.state.lock();
        let (recorded, held) = (state.log.len(), state.held);
        drop(state);
        self.inner.changes.send_modify(|delivery| {
            delivery.recorded = recorded;
            if !held {
                delivery.delivered = recorded;
            }
        });
    }

    /// Runs a call on the state, with its fault if there is one.
    fn call<T>(
        &self,
        verb: &str,
        target: Target<'_>,
        subresource: &str,
        act: impl FnOnce(&mut State) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut state = self.inner.state.lock();
        state.activity += 1;
        let slash = if subresource.is_empty() { "" } else { "/" };
        let call = format!("{verb} {}{slash}{subresource}", target.resource.plural);
        let dot = if target.namespace.is_empty() { "" } else { "/" };
        state.calls.push(format!("{call} {}{dot}{}", target.namespace, target.name));
        let fault = state.faults.iter().position(|fault| fault.call == call);
        let fault = fault.and_then(|at| state.faults.remove(at));
        if let Some(fault) = &fault
            && !fault.after
        {
            return Err(fault.error.clone());
        }
        let result = act(&mut state);
        drop(state);
        self.announce();
        match fault {
            Some(fault) => Err(fault.error),
            None => result,
        }
    }
}

fn place(resource: &Resource, namespace: &str, name: &str) -> Place {
    (resource.group.to_string(), resource.plural.to_string(), namespace.to_owned(), name.to_owned())
}

fn place_of(resource: &Resource, object: &Value) -> Place {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or("");
    place(resource, text("namespace"), text("name"))
}

fn object(value: &Value) -> Object {
    Object::parse(Bytes::from(value.to_string())).unwrap()
}

fn refuse(code: u16, reason: &str, message: &str) -> ApiError {
    ApiError { code, reason: reason.to_owned(), message: message.to_owned(), ..ApiError::default() }
}

fn not_found() -> ApiError {
    refuse(404, "NotFound", "not found")
}

fn finalizers(object: &Value) -> Vec<Value> {
    object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default()
}

/// Whether an object on its way out has nothing left that holds it.
fn is_finished(object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata["deletionTimestamp"].is_string()
        && finalizers(object).is_empty()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

impl State {
    fn born(&mut self, mut object: Value) -> Value {
        self.uids += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.uids));
        if object["metadata"]["creationTimestamp"].is_null() {
            object["metadata"]["creationTimestamp"] = json!(self.now);
        }
        object
    }

    fn store(&mut self, place: Place, mut object: Value, change: Change) -> Value {
        if is_finished(&object) {
            self.erase(&place);
            return object;
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(place.clone(), object.clone());
        self.log.push((place, change, object.clone()));
        object
    }

    fn erase(&mut self, place: &Place) {
        let Some(mut object) = self.objects.remove(place) else { return };
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.log.push((place.clone(), Change::Deleted, object));
    }

    fn create(&mut self, target: Target<'_>, body: &Bytes) -> Result<Object, ApiError> {
        let mut body: Value = serde_json::from_slice(body).unwrap();
        let namespace = place(NAMESPACES, "", target.namespace);
        if self.objects.get(&namespace).is_some_and(|it| it["metadata"]["deletionTimestamp"].is_string()) {
            let mut error = refuse(403, "Forbidden", "because it is being terminated");
            error.causes.push(crate::api::Cause {
                reason: "NamespaceTerminating".to_owned(),
                ..crate::api::Cause::default()
            });
            return Err(error);
        }
        if body["metadata"]["name"].is_null()
            && let Some(prefix) = body["metadata"]["generateName"].as_str()
        {
            body["metadata"]["name"] = json!(format!("{prefix}{}", self.uids + 1));
        }
        let place = place_of(target.resource, &body);
        if self.objects.contains_key(&place) {
            return Err(refuse(409, "AlreadyExists", "already exists"));
        }
        if target.resource.namespaced {
            body["metadata"]["namespace"] = json!(target.namespace);
        }
        let born = self.born(body);
        Ok(object(&self.store(place, born, Change::Added)))
    }

    fn replace(&mut self, target: Target<'_>, subresource: &str, mut new: Value) -> Result<Object, ApiError> {
        let place = place(target.resource, target.namespace, target.name);
        let Some(old) = self.objects.get(&place).cloned() else { return Err(not_found()) };
        for field in ["resourceVersion", "uid"] {
            let stated = &new["metadata"][field];
            if stated.is_string() && *stated != old["metadata"][field] {
                return Err(refuse(409, "Conflict", "the object has been modified"));
            }
        }
        for field in
            ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"]
        {
            new["metadata"][field] = old["metadata"][field].clone();
        }
        let mut merged = match subresource {
            "status" => {
                let mut merged = old.clone();
                merged["status"] = new["status"].clone();
                merged
            }
            "finalize" => {
                let mut merged = old.clone();
                merged["spec"]["finalizers"] = new["spec"]["finalizers"].clone();
                merged
            }
            _ => {
                new["status"] = old["status"].clone();
                new
            }
        };
        if let Some(metadata) = merged["metadata"].as_object_mut() {
            metadata.retain(|_, value| !value.is_null());
        }
        if merged["status"].is_null()
            && let Some(fields) = merged.as_object_mut()
        {
            fields.remove("status");
        }
        if merged == old {
            return Ok(object(&old));
        }
        Ok(object(&self.store(place, merged, Change::Modified)))
    }

    fn patch(
        &mut self,
        target: Target<'_>,
        subresource: &str,
        kind: PatchType,
        body: &Bytes,
    ) -> Result<Object, ApiError> {
        let place = place(target.resource, target.namespace, target.name);
        let Some(mut new) = self.objects.get(&place).cloned() else { return Err(not_found()) };
        let body: Value = serde_json::from_slice(body).unwrap();
        match kind {
            PatchType::Json => panic!("no controller sends JSON patches"),
            PatchType::Merge => patch::merge(&mut new, &body, false),
            PatchType::Strategic | PatchType::Apply => patch::merge(&mut new, &body, true),
        }
        self.replace(target, subresource, new)
    }

    fn delete(&mut self, target: Target<'_>, options: &DeleteOptions) -> Result<Deleted, ApiError> {
        let place = place(target.resource, target.namespace, target.name);
        let Some(old) = self.objects.get(&place).cloned() else { return Err(not_found()) };
        let metadata = &old["metadata"];
        if options.uid.as_deref().is_some_and(|uid| metadata["uid"] != uid)
            || options.version.is_some_and(|version| metadata["resourceVersion"] != *version.to_string())
        {
            return Err(refuse(409, "Conflict", "the precondition does not hold"));
        }
        let mut new = old.clone();
        if let Some(propagation) = options.propagation {
            let mut kept = finalizers(&old);
            kept.retain(|it| it != "orphan" && it != "foregroundDeletion");
            match propagation {
                Propagation::Orphan => kept.push(json!("orphan")),
                Propagation::Foreground => kept.push(json!("foregroundDeletion")),
                Propagation::Background => {}
            }
            new["metadata"]["finalizers"] = Value::Array(kept);
        }
        let scheduled = target.resource.plural == "pods"
            && old["spec"]["nodeName"].is_string()
            && !matches!(old["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let grace = match options.grace {
            Some(grace) => grace.as_secs() as i64,
            None if scheduled => GRACE_SECONDS,
            None => 0,
        };
        let grace = if scheduled { grace } else { 0 };
        if !metadata["deletionTimestamp"].is_string()
            || metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > grace
        {
            new["metadata"]["deletionTimestamp"] = json!(self.now);
            new["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            if target.resource.plural == "namespaces" {
                new["status"]["phase"] = json!("Terminating");
            }
        }
        if is_finished(&new) {
            self.erase(&place);
            return Ok(Deleted::Gone);
        }
        if new == old {
            return Ok(Deleted::Held(object(&old)));
        }
        Ok(Deleted::Held(object(&self.store(place, new, Change::Modified))))
    }

    fn list(&self, resource: &Resource, namespace: &str, options: &ListOptions) -> Page {
        let name = options.field_selector.strip_prefix("metadata.name=");
        let items = self
            .objects
            .iter()
            .filter(|(place, _)| selected(place, resource, namespace))
            .filter(|((_, _, _, at), _)| name.is_none_or(|name| name == at))
            .map(|(_, value)| object(value))
            .collect();
        Page { items, version: self.version, next: String::new() }
    }
}

const NAMESPACES: &Resource = &Resource::cluster("", "v1", "namespaces", "Namespace");

fn selected(place: &Place, resource: &Resource, namespace: &str) -> bool {
    let (group, plural, space, _) = place;
    *group == resource.group && *plural == resource.plural && (namespace.is_empty() || space == namespace)
}

/// Where a watch is.
struct Watching {
    inner: Arc<Inner>,
    changes: watch::Receiver<Delivery>,
    resource: Resource,
    namespace: String,
    from: Version,
    at: usize,
    generation: u64,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<WatchEvent, ApiError>, Watching)> {
        loop {
            let delivery = *self.changes.borrow_and_update();
            if delivery.generation > self.generation {
                self.generation = delivery.generation;
                self.inner.state.lock().activity += 1;
                return Some((Ok(WatchEvent::Expired), self));
            }
            while self.at < delivery.delivered {
                let mut state = self.inner.state.lock();
                let (place, change, value) = state.log[self.at].clone();
                self.at += 1;
                let object = object(&value);
                if object.meta.version <= self.from || !selected(&place, &self.resource, &self.namespace) {
                    continue;
                }
                state.activity += 1;
                drop(state);
                let event = match change {
                    Change::Added => WatchEvent::Added(object),
                    Change::Modified => WatchEvent::Modified(object),
                    Change::Deleted => WatchEvent::Deleted(object),
                };
                return Some((Ok(event), self));
            }
            self.changes.changed().await.ok()?;
        }
    }
}

impl Api for FakeApi {
    fn discover(&self) -> Call<'_, Discovery> {
        let mut state = self.inner.state.lock();
        state.activity += 1;
        let failed = state.failed_groups.clone();
        let mut resources = state.served.clone();
        resources.retain(|served| !failed.contains(&served.resource.api_version()));
        let group_versions = resources.iter().map(|served| served.resource.api_version()).collect();
        Box::pin(async move { Ok(Discovery { resources, group_versions, failed }) })
    }

    fn fetch<'a>(&'a self, target: Target<'a>) -> Call<'a, Object> {
        let place = place(target.resource, target.namespace, target.name);
        Box::pin(async move {
            self.call("fetch", target, "", |state| {
                state.objects.get(&place).map(object).ok_or_else(not_found)
            })
        })
    }

    fn list<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        options: &'a ListOptions,
    ) -> Call<'a, Page> {
        Box::pin(async move {
            let target = Target::new(resource, namespace, "");
            self.call("list", target, "", |state| Ok(state.list(resource, namespace, options)))
        })
    }

    fn watch<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        from: Version,
        _: &'a ListOptions,
    ) -> Call<'a, Changes> {
        Box::pin(async move {
            let target = Target::new(resource, namespace, "");
            self.call("watch", target, "", |_| Ok(()))?;
            let changes = self.inner.changes.subscribe();
            let generation = changes.borrow().generation;
            let watching = Watching {
                inner: self.inner.clone(),
                changes,
                resource: resource.clone(),
                namespace: namespace.to_owned(),
                from,
                at: 0,
                generation,
            };
            let changes: Changes = Box::pin(stream::unfold(watching, Watching::next));
            Ok(changes)
        })
    }

    fn create<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object> {
        Box::pin(async move {
            self.call("create", target, options.subresource, |state| state.create(target, &body))
        })
    }

    fn update<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object> {
        Box::pin(async move {
            let body = serde_json::from_slice(&body).unwrap();
            self.call("update", target, options.subresource, |state| {
                state.replace(target, options.subresource, body)
            })
        })
    }

    fn patch<'a>(
        &'a self,
        target: Target<'a>,
        kind: PatchType,
        body: Bytes,
        options: &'a WriteOptions,
    ) -> Call<'a, Object> {
        Box::pin(async move {
            self.call("patch", target, options.subresource, |state| {
                state.patch(target, options.subresource, kind, &body)
            })
        })
    }

    fn delete<'a>(&'a self, target: Target<'a>, options: &'a DeleteOptions) -> Call<'a, Deleted> {
        Box::pin(async move { self.call("delete", target, "", |state| state.delete(target, options)) })
    }

    fn delete_collection<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        selected: &'a ListOptions,
        options: &'a DeleteOptions,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            self.call("deletecollection", Target::new(resource, namespace, ""), "", |state| {
                for item in state.list(resource, namespace, selected).items {
                    state.delete(Target::new(resource, namespace, &item.meta.name), options)?;
                }
                Ok(())
            })
        })
    }
}

impl Connect for FakeApi {
    fn controller(&self, _: &str) -> Arc<dyn Api> {
        Arc::new(self.clone())
    }

    fn shared(&self) -> Arc<dyn Api> {
        Arc::new(self.clone())
    }

    fn settings(&self) -> Settings {
        self.inner.state.lock().settings.clone()
    }
}
