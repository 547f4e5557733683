//! An API in memory: versions, conflicts, finalizers, watches, and faults on demand.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use crate::api::{
    Api, ApiError, Call, Changes, Connect, DeleteOptions, Deleted, Discovery, ListOptions, Object, Page,
    PatchType, Resource, ServedResource, Target, Version, WatchEvent, WriteOptions,
};
use crate::settings::Settings;

use super::store::{Change, State, not_found, object, place, place_of, refuse, selected};

/// What a call is to fail with.
pub(crate) struct Fault {
    /// `create configmaps`, `update namespaces/finalize` …
    pub(crate) call: &'static str,
    /// The refusal.
    pub(crate) error: ApiError,
    /// The write happens all the same; only its answer is lost.
    pub(crate) after: bool,
}

impl Fault {
    /// Somebody else was faster.
    pub(crate) fn conflict(call: &'static str) -> Fault {
        Fault { call, error: refuse(409, "Conflict", ""), after: false }
    }

    /// The server fails, and nothing is written.
    pub(crate) fn failure(call: &'static str) -> Fault {
        Fault { call, error: refuse(500, "InternalError", ""), after: false }
    }

    /// The write happens, and the server fails to say so.
    pub(crate) fn lost_answer(call: &'static str) -> Fault {
        Fault { after: true, ..Fault::failure(call) }
    }
}

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
