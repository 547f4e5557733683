//! Reflectors: keep a sink equal to a resource by a list and the watch after it.
//!
//! Keeps: every change reaches the sink in order; a watch that ended goes on where it ended, and only one whose history
//! is gone lists again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use crate::api::{Api, ApiError, ListOptions, Object, Resource, Version, WatchEvent};
use crate::clock::Clock;
use crate::runtime::backoff;

/// Events handed on at once at most.
const BATCH_EVENTS_MAX: usize = 256;
/// Objects per page of the first list.
const PAGE_OBJECTS_MAX: usize = 2_000;
/// No reflector waits longer between two attempts.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// After so many failures in a row the failure doubles no more than once a reflector's longest delay.
const FAILURES_BEFORE_WARNING: u32 = 3;

/// What a reflector fills.
pub trait Sink: Send + Sync {
    /// What the pages of a list become until it is whole.
    type Gathered: Default + Send;

    /// Takes in a page.
    fn gather(&self, gathered: &mut Self::Gathered, items: Vec<Object>);

    /// The whole list, as of a version.
    fn replace(&self, gathered: Self::Gathered, version: Version);

    /// Changes in order.
    fn apply(&self, events: Vec<WatchEvent>);
}

/// Reflects a resource until it is dropped.
pub async fn reflect<S: Sink>(
    api: Arc<dyn Api>,
    resource: Resource,
    options: ListOptions,
    clock: Arc<dyn Clock>,
    sink: Arc<S>,
) {
    let reflector = Reflector { api, resource, options, clock, sink };
    let mut failures = 0;
    let mut from = None;
    loop {
        let ended = match from {
            None => reflector.list().await.map(Some),
            Some(version) => reflector.watch(version).await,
        };
        match ended {
            Ok(next) => {
                failures = 0;
                from = next;
            }
            Err(error) => {
                if error.is_expired() {
                    from = None;
                }
                let delay = backoff::delay(failures).min(DELAY_MAX);
                failures = failures.saturating_add(1);
                if failures >= FAILURES_BEFORE_WARNING {
                    tracing::warn!(resource = %reflector.resource, %error, "a watch cannot go on yet");
                }
                reflector.clock.sleep(delay).await;
            }
        }
    }
}

struct Reflector<S> {
    api: Arc<dyn Api>,
    resource: Resource,
    options: ListOptions,
    clock: Arc<dyn Clock>,
    sink: Arc<S>,
}

impl<S: Sink> Reflector<S> {
    async fn list(&self) -> Result<Version, ApiError> {
        let mut gathered = S::Gathered::default();
        let mut options = ListOptions { limit: PAGE_OBJECTS_MAX, ..self.options.clone() };
        loop {
            let page = self.api.list(&self.resource, "", &options).await?;
            self.sink.gather(&mut gathered, page.items);
            if page.next.is_empty() {
                self.sink.replace(gathered, page.version);
                return Ok(page.version);
            }
            options.next = page.next;
        }
    }

    /// Follows the changes; answers where to go on, or nothing when the list has to be made again.
    async fn watch(&self, from: Version) -> Result<Option<Version>, ApiError> {
        let changes = self.api.watch(&self.resource, "", from, &self.options).await?;
        let mut batches = changes.ready_chunks(BATCH_EVENTS_MAX);
        let mut version = from;
        while let Some(batch) = batches.next().await {
            let mut events = Vec::with_capacity(batch.len());
            let mut failure = None;
            let mut expired = false;
            for event in batch {
                match event {
                    Ok(WatchEvent::Expired) => {
                        expired = true;
                        break;
                    }
                    Ok(event) => {
                        version = version.max(version_of(&event));
                        events.push(event);
                    }
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            self.sink.apply(events);
            if expired {
                return Ok(None);
            }
            if let Some(error) = failure {
                // What came before the failure is not asked for again.
                if version > from && !error.is_expired() {
                    return Ok(Some(version));
                }
                return Err(error);
            }
        }
        Ok(Some(version))
    }
}

fn version_of(event: &WatchEvent) -> Version {
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => {
            object.meta.version
        }
        WatchEvent::Bookmark(version) => *version,
        WatchEvent::Expired => 0,
    }
}
