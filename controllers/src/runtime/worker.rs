//! Workers: take keys from a queue, decide, and carry out.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::api::{Api, ApiError, Meta, Target, WriteOptions};
use crate::context::Context;
use crate::controller::{Controller, Next, Shape};
use crate::event::{Event, Regarding};
use crate::key::Key;
use crate::plan::{Action, Plan};
use crate::runtime::queue::Queue;
use crate::runtime::tracked::Tracked;

/// The workers of one controller.
pub(crate) struct Worker {
    controller: &'static Controller,
    queue: Arc<Queue>,
    context: Context,
    /// Why the last run of a key failed.
    failures: Mutex<FxHashMap<Key, ApiError>>,
}

impl Worker {
    pub(crate) fn new(controller: &'static Controller, queue: Arc<Queue>, context: Context) -> Arc<Worker> {
        Arc::new(Worker { controller, queue, context, failures: Mutex::default() })
    }

    pub(crate) fn start(self: Arc<Self>, tasks: &mut JoinSet<()>) {
        for _ in 0..self.controller.workers {
            tasks.spawn(self.clone().work());
        }
        tasks.spawn(self.resync());
    }

    async fn work(self: Arc<Self>) {
        self.context.viewer.synced().await;
        loop {
            let key = self.queue.next().await;
            self.run(&key).await;
        }
    }

    /// The periodic look at everything takes the same way as a change.
    async fn resync(self: Arc<Self>) {
        loop {
            self.context.clock.sleep(self.controller.resync).await;
            if let Some(primary) = self.context.viewer.primary() {
                self.queue.add_all(primary.keys());
            }
        }
    }

    async fn run(&self, key: &Key) {
        let tracked = Arc::new(Tracked::new(self.context.api.clone(), self.context.viewer.clone()));
        if let Some(broken) = self.broken(key) {
            self.context.events.record(broken);
            self.succeeded(key);
        } else {
            match self.reconcile(key, &tracked).await {
                Ok(next) => {
                    self.succeeded(key);
                    match next {
                        Next::Change => {}
                        Next::After(delay) => self.queue.add_after(key.clone(), delay),
                        Next::Backoff => self.queue.retry(key.clone(), None),
                    }
                }
                // Nothing can be made there any more; the namespace's end will clean up.
                Err(error) if error.is_namespace_terminating() => self.succeeded(key),
                Err(error) => self.failed(key, error),
            }
        }
        self.queue.done(key, tracked.take_holds());
    }

    /// The event about the key's own object when it cannot be understood; then nothing is decided about it.
    fn broken(&self, key: &Key) -> Option<Event> {
        let primary = self.context.viewer.primary()?;
        let (uid, broken) = primary.find(key)?;
        let meta = Meta { namespace: key.namespace.clone(), name: key.name.clone(), uid, version: 0 };
        let regarding = Regarding::object(primary.resource(), &meta);
        let message = "the object cannot be understood and is left alone until it changes";
        broken.then(|| Event::warning(regarding, "NotUnderstood", message))
    }

    async fn reconcile(&self, key: &Key, tracked: &Arc<Tracked>) -> Result<Next, ApiError> {
        match self.controller.shape {
            Shape::Plan(plan) => {
                let failure = self.failures.lock().get(key).cloned();
                let view = self.context.view().with_failure(failure);
                let Plan { actions, requeue_after } = plan(key, &view, self.context.clock.now());
                drop(view);
                for action in actions {
                    self.carry_out(action, &**tracked).await?;
                }
                Ok(requeue_after.map_or(Next::Change, Next::After))
            }
            Shape::Reconcile(reconcile) => {
                let context = Context { api: tracked.clone(), ..self.context.clone() };
                reconcile(&context, key).await
            }
            Shape::Loop(_) => Ok(Next::Change),
        }
    }

    async fn carry_out(&self, action: Action, api: &dyn Api) -> Result<(), ApiError> {
        match action {
            Action::Create { resource, object } => {
                let (namespace, name) = names(&object);
                let target = Target::new(resource, namespace, name);
                api.create(target, bytes(&object), &WriteOptions::default()).await.map(drop)
            }
            Action::Update { resource, subresource, object } => {
                let (namespace, name) = names(&object);
                let target = Target::new(resource, namespace, name);
                api.update(target, bytes(&object), &WriteOptions::subresource(subresource)).await.map(drop)
            }
            Action::Patch { resource, namespace, name, kind, patch, options } => {
                let target = Target::new(resource, &namespace, &name);
                api.patch(target, kind, bytes(&patch), &options).await.map(drop)
            }
            Action::Delete { resource, namespace, name, options } => {
                let target = Target::new(resource, &namespace, &name);
                match api.delete(target, &options).await {
                    Ok(_) => Ok(()),
                    Err(error) if error.is_not_found() => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Action::Record(event) => {
                self.context.events.record(event);
                Ok(())
            }
        }
    }

    fn succeeded(&self, key: &Key) {
        self.failures.lock().remove(key);
        self.queue.forget(key);
    }

    fn failed(&self, key: &Key, error: ApiError) {
        let controller = self.controller.name;
        if error.is_conflict() || error.already_exists() {
            tracing::debug!(controller, %key, %error, "the view was behind");
        } else {
            tracing::warn!(controller, %key, %error, "a run failed and will be tried again");
        }
        self.queue.retry(key.clone(), error.retry_after);
        self.failures.lock().insert(key.clone(), error);
    }
}

fn names(object: &Value) -> (&str, &str) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or("");
    (text("namespace"), text("name"))
}

fn bytes(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}
