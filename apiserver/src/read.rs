//! Reads: one object, a list, the start of a watch.
//!
//! Keeps: no read is answered from a state older than the last write acknowledged before it, unless the client
//! asked for "any"; a list is one consistent state; nothing here parses an object, but what a webhook converts.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::continuation::Token;
use crate::negotiation::Form;
use crate::options::{ListOptions, VersionMatch};
use crate::pipeline::Server;
use crate::registry::Resource;
use crate::reply::{ListReply, ObjectReply, Reply, WatchReply};
use crate::selector::Selection;
use crate::status::Error;
use crate::storage::{self, AtError, Entry, Key, Prefix, Revision, State, Store};

/// The read side of the server.
pub struct Reader<'a> {
    /// Where objects are.
    pub store: &'a Store,
    /// Time and randomness.
    pub clock: &'a dyn Clock,
    /// Who converts objects of custom resources, if they are to be in the version asked for.
    pub converter: Option<&'a Server>,
}

/// Shortest life of a watch without a timeout of its own; the longest is twice this.
const WATCH_TIMEOUT_MIN: Duration = Duration::from_secs(30 * 60);

impl Reader<'_> {
    /// The newest state, after a barrier.
    pub async fn latest(&self) -> Result<Arc<State>, Error> {
        self.store
            .read_barrier()
            .await
            .map_err(|_| Error::Unavailable("there is no leader to confirm the read".to_owned()))
    }

    /// A state at or after `revision`; waits a moment for one that is not here yet.
    async fn not_older_than(&self, revision: Revision) -> Result<Arc<State>, Error> {
        if self.store.state().revision >= revision {
            return self.latest().await;
        }
        self.store
            .state_at_least(revision, storage::FUTURE_REVISION_WAIT)
            .await
            .map_err(|error| Error::TooLargeResourceVersion { asked: revision, current: error.current })
    }

    /// GET of one object.
    pub async fn get(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        revision: Option<Revision>,
    ) -> Result<Reply, Error> {
        let state = match revision {
            Some(revision) if revision > 0 => self.not_older_than(revision).await?,
            _ => self.latest().await?,
        };
        let entry = state
            .get(&Key::new(resource.key(namespace, name)))
            .ok_or_else(|| Error::not_found(resource.group_resource.as_str(), name))?
            .clone();
        let entry = match self.converter {
            Some(server) => {
                let shown = Box::pin(server.shown_alone(resource, entry)).await;
                // Upstream says of a list that it failed, and of an object that the server did.
                shown.map_err(|error| match error {
                    Error::Plain(why) => Error::Internal(why),
                    error => error,
                })?
            }
            None => entry,
        };
        Ok(Reply::Entry(ObjectReply { resource: resource.clone(), entry, created: false, removed: false }))
    }

    /// LIST.
    pub async fn list(
        &self,
        resource: &Arc<Resource>,
        selection: &Selection,
        options: &ListOptions,
    ) -> Result<ListReply, Error> {
        let (state, after) = self.list_state(resource, options).await?;
        let page = match self.converter {
            Some(server) => {
                Box::pin(converted(server, &state, resource, selection, after.as_deref(), options.limit))
                    .await?
            }
            None => select(&state, resource, selection, after.as_deref(), options.limit),
        };
        let token = |last: &Arc<Entry>| {
            let after = last.key.as_str()[resource.bucket.len()..].to_owned();
            Token { revision: Some(state.revision), after }.encode()
        };
        let continue_token = match (page.more, page.entries.last()) {
            (true, Some(last)) => token(last),
            _ => String::new(),
        };
        let remaining = match page.entries.last() {
            Some(last) if page.more && !selection.has_selector() => {
                Some(remaining(&state, resource, selection, last))
            }
            _ => None,
        };
        Ok(ListReply {
            resource: resource.clone(),
            revision: state.revision,
            entries: page.entries,
            continue_token,
            remaining,
        })
    }

    async fn list_state(
        &self,
        resource: &Resource,
        options: &ListOptions,
    ) -> Result<(Arc<State>, Option<String>), Error> {
        if !options.continue_token.is_empty() {
            if options.resource_version.is_some_and(|revision| revision > 0) {
                return Err(Error::BadRequest(
                    "specifying resource version is not allowed when using continue".to_owned(),
                ));
            }
            let token = Token::decode(&options.continue_token)?;
            let state = match token.revision {
                None => self.latest().await?,
                Some(revision) => {
                    let prefix = Prefix::new(resource.bucket.as_str());
                    self.store
                        .state_at(prefix.bucket(), revision)
                        .await
                        .map_err(|error| expired_token(error, &token))?
                }
            };
            return Ok((state, Some(format!("{}{}", resource.bucket, token.after))));
        }
        let exact = options.version_match == Some(VersionMatch::Exact)
            || options.version_match.is_none() && options.limit > 0;
        let state = match options.resource_version {
            None | Some(0) => self.latest().await?,
            Some(revision) if exact => {
                if self.store.state().revision < revision {
                    self.not_older_than(revision).await?;
                }
                self.store.state_at(&resource.bucket, revision).await.map_err(|error| match error {
                    AtError::Compacted { .. } => Error::Expired {
                        message: "The resourceVersion for the provided list is too old.".to_owned(),
                        continue_token: None,
                    },
                    AtError::TooNew(error) => {
                        Error::TooLargeResourceVersion { asked: revision, current: error.current }
                    }
                })?
            }
            Some(revision) => self.not_older_than(revision).await?,
        };
        Ok((state, None))
    }

    /// The start of a watch.
    pub async fn watch(
        &self,
        resource: &Arc<Resource>,
        selection: Selection,
        options: &ListOptions,
        form: Form,
    ) -> Result<Reply, Error> {
        let version = options.resource_version.filter(|revision| *revision > 0);
        let synthetic = options.initial_events.unwrap_or(version.is_none());
        let (initial, from, end) = match version {
            Some(revision) if !synthetic => {
                // A revision of the future is waited for, so that no older event is sent.
                if self.store.state().revision < revision {
                    self.not_older_than(revision).await?;
                }
                (Vec::new(), revision, None)
            }
            _ => {
                let state = match version {
                    Some(revision) => self.not_older_than(revision).await?,
                    None => self.latest().await?,
                };
                let entries = match (synthetic, self.converter) {
                    (true, Some(server)) => {
                        Box::pin(converted(server, &state, resource, &selection, None, 0)).await?.entries
                    }
                    (true, None) => select(&state, resource, &selection, None, 0).entries,
                    (false, _) => Vec::new(),
                };
                (entries, state.revision, (synthetic && options.bookmarks).then_some(state.revision))
            }
        };
        let prefix = Prefix::new(resource.prefix(&selection.namespace));
        let cursor = self
            .store
            .watch(&resource.bucket, prefix, from, selection.interest(resource))
            .map_err(|compacted| too_old(from, compacted.floor));
        Ok(Reply::Watch(Box::new(WatchReply {
            resource: resource.clone(),
            selection,
            initial,
            initial_end: end,
            cursor,
            bookmarks: options.bookmarks,
            timeout: options.timeout.unwrap_or_else(|| self.watch_timeout()),
            form,
        })))
    }

    fn watch_timeout(&self) -> Duration {
        let mut bytes = [0; 4];
        self.clock.random(&mut bytes);
        let share = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
        WATCH_TIMEOUT_MIN.mul_f64(1.0 + share)
    }
}

/// 410 for a watch.
pub fn too_old(from: Revision, floor: Revision) -> Error {
    Error::Expired { message: format!("too old resource version: {from} ({floor})"), continue_token: None }
}

fn expired_token(error: AtError, token: &Token) -> Error {
    match error {
        AtError::Compacted { .. } => Error::Expired {
            message: "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.".to_owned(),
            continue_token: Some(Token { revision: None, after: token.after.clone() }.encode()),
        },
        AtError::TooNew(error) => Error::TooLargeResourceVersion {
            asked: token.revision.unwrap_or_default(),
            current: error.current,
        },
    }
}

struct Page {
    entries: Vec<Arc<Entry>>,
    more: bool,
}

/// The selected entries after a key, up to a limit (0 is none).
fn select(
    state: &State,
    resource: &Resource,
    selection: &Selection,
    after: Option<&str>,
    limit: usize,
) -> Page {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let after = after.map(Key::new);
    let prefix = resource.prefix(&selection.namespace);
    if !selection.name.is_empty() && (!resource.namespaced() || !selection.namespace.is_empty()) {
        let key = Key::new(resource.key(&selection.namespace, &selection.name));
        let entry = state
            .get(&key)
            .filter(|entry| selection.matches(entry) && after.as_ref().is_none_or(|after| key > *after));
        return Page { entries: entry.cloned().into_iter().collect(), more: false };
    }
    match selection.term(resource.kind) {
        Some(term) => take(
            state
                .by_term(&resource.bucket, &term)
                .filter(|entry| entry.key.as_str().starts_with(&prefix))
                .filter(|entry| after.as_ref().is_none_or(|after| entry.key > *after)),
            selection,
            limit,
        ),
        None => take(state.range(&prefix, after.as_ref()), selection, limit),
    }
}

/// How many objects are converted before it is looked whether those that are selected suffice.
const CONVERTED_AT_ONCE: usize = 500;

/// As [`select`], of objects in the version of `resource`, which are what is selected by.
async fn converted(
    server: &Server,
    state: &State,
    resource: &Resource,
    selection: &Selection,
    after: Option<&str>,
    limit: usize,
) -> Result<Page, Error> {
    if !selection.has_selector() {
        let page = select(state, resource, selection, after, limit);
        return Ok(Page { entries: server.shown(resource, page.entries, false).await?, ..page });
    }
    let all = select(state, resource, &selection.without_selectors(), after, 0).entries;
    let mut page = Page { entries: Vec::new(), more: false };
    for portion in all.chunks(CONVERTED_AT_ONCE) {
        let shown = server.shown(resource, portion.to_vec(), false).await?;
        let wanted = if limit == 0 { usize::MAX } else { limit - page.entries.len() };
        let next = take(shown.iter(), selection, wanted);
        page.entries.extend(next.entries);
        if next.more {
            page.more = true;
            break;
        }
    }
    Ok(page)
}

fn take<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>, selection: &Selection, limit: usize) -> Page {
    let mut page = Page { entries: Vec::new(), more: false };
    for entry in entries.filter(|entry| selection.matches(entry)) {
        if page.entries.len() == limit {
            page.more = true;
            break;
        }
        page.entries.push(entry.clone());
    }
    page
}

fn remaining(state: &State, resource: &Resource, selection: &Selection, last: &Arc<Entry>) -> u64 {
    state.range(&resource.prefix(&selection.namespace), Some(&last.key)).count() as u64
}
