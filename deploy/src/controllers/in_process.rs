//! The API inside the process: through the same pipeline as everybody else, as the controller's service account, and
//! fenced by the leader's term.
//!
//! Keeps: no write of a deposed leader's controllers is applied.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::HeaderValue;
use pintle_apiserver::{
    Server,
    audit::Recording,
    document,
    forms::{self, Place, Stored},
    negotiation::{Form, Transform},
    registry::Resource as Served,
    reply::{ListReply, Reply, WatchReply},
    status::Status,
    storage::{Cursor, Entry, Event},
    user::User,
};
use pintle_controllers::api::{
    Api, ApiError, Call, Cause, Changes, Connect, DeleteOptions, Deleted, Discovery, ListOptions, Meta,
    Object, Page, PatchType, Resource, Target, Version, WatchEvent, WriteOptions,
};
use pintle_controllers::settings::Settings;

use super::discovery;
use super::rest::Rest;
use crate::own_request::{self, OwnRequest};

/// Events taken from a cursor at once.
const EVENTS_MAX: usize = 256;

/// Hands every controller its own user, in one term of leadership.
pub(super) struct InProcess {
    server: Arc<Server>,
    term: u64,
    settings: Settings,
}

impl InProcess {
    pub(super) fn new(server: Arc<Server>, term: u64, settings: Settings) -> InProcess {
        InProcess { server, term, settings }
    }

    fn connection(&self, user: User, agent: &str) -> Arc<dyn Api> {
        let agent = HeaderValue::from_str(agent).unwrap_or(HeaderValue::from_static("pintle"));
        Arc::new(Connection { server: self.server.clone(), user, term: self.term, agent })
    }
}

impl Connect for InProcess {
    fn controller(&self, name: &str) -> Arc<dyn Api> {
        let user = User {
            name: format!("system:serviceaccount:kube-system:{name}"),
            groups: ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]
                .map(str::to_owned)
                .to_vec(),
            ..User::default()
        };
        self.connection(user, name)
    }

    fn shared(&self) -> Arc<dyn Api> {
        let name = "system:kube-controller-manager".to_owned();
        let user = User { name, groups: vec!["system:authenticated".to_owned()], ..User::default() };
        self.connection(user, "pintle-controllers")
    }

    fn settings(&self) -> Settings {
        self.settings.clone()
    }
}

struct Connection {
    server: Arc<Server>,
    user: User,
    term: u64,
    agent: HeaderValue,
}

impl Connection {
    async fn call(&self, rest: Rest) -> Result<Reply, ApiError> {
        self.call_recorded(rest).await.map(|(reply, _)| reply)
    }

    /// The same, with what is recorded of it as long as it lasts.
    async fn call_recorded(&self, rest: Rest) -> Result<(Reply, Option<Arc<Recording>>), ApiError> {
        let transform = if rest.wants_metadata() { Transform::Metadata } else { Transform::None };
        let form = Ok(Form { transform, ..Form::JSON });
        let request = OwnRequest {
            method: rest.method,
            path: &rest.path,
            query: &rest.query,
            content_type: rest.content_type,
            accept: rest.accept,
            agent: self.agent.clone(),
            body: rest.body,
            fence: Some(self.term),
        };
        let (answer, recording) = own_request::ask(&self.server, &self.user, request, form).await;
        let reply = answer.reply.map_err(|error| error_of(&error.status()))?;
        Ok((reply, recording))
    }

    /// A call that answers an object.
    async fn object(&self, rest: Rest) -> Result<Object, ApiError> {
        match self.call(rest).await? {
            Reply::Entry(reply) => object(&reply.resource, reply.entry.bytes(), false),
            Reply::Tree(reply) => {
                let mut json = Vec::new();
                let (version, kind) = (&reply.api_version, &reply.kind);
                forms::append_tree_json(&reply.object, reply.schema, Place::Alone, version, kind, &mut json);
                Object::parse(json.into())
            }
            Reply::Status(status) if status.success => Ok(Object::default()),
            _ => Err(ApiError::malformed("another answer than an object")),
        }
    }

    async fn document(&self, path: &str) -> Result<Bytes, ApiError> {
        match self.call(Rest::discovery(path)).await? {
            Reply::Document(document::Answer::Found(document)) => Ok(document.body),
            _ => Err(ApiError::malformed("another answer than a document")),
        }
    }
}

impl Api for Connection {
    fn discover(&self) -> Call<'_, Discovery> {
        Box::pin(async {
            let mut found = Discovery::default();
            for path in ["/api", "/apis"] {
                discovery::read(&self.document(path).await?, &mut found)?;
            }
            Ok(found)
        })
    }

    fn fetch<'a>(&'a self, target: Target<'a>) -> Call<'a, Object> {
        Box::pin(self.object(Rest::fetch(target)))
    }

    fn list<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        options: &'a ListOptions,
    ) -> Call<'a, Page> {
        Box::pin(async move {
            match self.call(Rest::list(resource, namespace, options)).await? {
                Reply::List(list) => page(&list, options.metadata_only),
                _ => Err(ApiError::malformed("another answer than a list")),
            }
        })
    }

    fn watch<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        from: Version,
        options: &'a ListOptions,
    ) -> Call<'a, Changes> {
        Box::pin(async move {
            let rest = Rest::watch(resource, namespace, from, options);
            let (Reply::Watch(watch), recording) = self.call_recorded(rest).await? else {
                return Err(ApiError::malformed("another answer than a watch"));
            };
            let WatchReply { resource, selection, cursor, .. } = *watch;
            let cursor = cursor.map_err(|error| error_of(&error.status()))?;
            let metadata_only = options.metadata_only;
            let watching = Watching {
                resource,
                selection,
                cursor,
                metadata_only,
                waiting: VecDeque::new(),
                over: false,
                _recording: recording,
            };
            let changes: Changes = Box::pin(stream::unfold(watching, Watching::next));
            Ok(changes)
        })
    }

    fn create<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object> {
        Box::pin(self.object(Rest::create(target, body, options)))
    }

    fn update<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object> {
        Box::pin(self.object(Rest::update(target, body, options)))
    }

    fn patch<'a>(
        &'a self,
        target: Target<'a>,
        kind: PatchType,
        body: Bytes,
        options: &'a WriteOptions,
    ) -> Call<'a, Object> {
        Box::pin(self.object(Rest::patch(target, kind, body, options)))
    }

    fn delete<'a>(&'a self, target: Target<'a>, options: &'a DeleteOptions) -> Call<'a, Deleted> {
        Box::pin(async move {
            match self.call(Rest::delete(target, options)).await? {
                Reply::Entry(reply) if reply.removed => Ok(Deleted::Gone),
                Reply::Entry(reply) => object(&reply.resource, reply.entry.bytes(), false).map(Deleted::Held),
                Reply::Status(_) => Ok(Deleted::Gone),
                _ => Err(ApiError::malformed("another answer than the deleted object")),
            }
        })
    }

    fn delete_collection<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        selected: &'a ListOptions,
        options: &'a DeleteOptions,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            self.call(Rest::delete_collection(resource, namespace, selected, options)).await.map(drop)
        })
    }
}

fn error_of(status: &Status) -> ApiError {
    let details = status.details.as_ref();
    let retry_after = details.map_or(0, |details| details.retry_after_seconds);
    let causes = details.map(|details| details.causes.as_slice()).unwrap_or_default();
    ApiError {
        code: status.code,
        reason: status.reason.clone(),
        message: status.message.clone(),
        retry_after: (retry_after > 0).then(|| std::time::Duration::from_secs(u64::from(retry_after))),
        causes: causes
            .iter()
            .map(|cause| Cause {
                reason: cause.reason.clone(),
                message: cause.message.clone(),
                field: cause.field.clone(),
            })
            .collect(),
    }
}

/// An object of stored bytes, without its managed fields.
fn object(resource: &Served, bytes: &[u8], metadata_only: bool) -> Result<Object, ApiError> {
    let stored = Stored::new(bytes);
    if !metadata_only && !resource.is_storage() {
        let mut json = Vec::new();
        forms::append(resource, &stored, &Form::JSON, Place::Alone, &mut json);
        return Object::parse(json.into());
    }
    let mut json = Vec::new();
    let metadata = forms::append_unmanaged(resource, &stored, metadata_only, &mut json);
    let meta: Meta = serde_json::from_slice(&json[metadata])
        .map_err(|error| ApiError::malformed(format!("metadata could not be read: {error}")))?;
    Ok(Object { meta, json: json.into() })
}

fn page(list: &ListReply, metadata_only: bool) -> Result<Page, ApiError> {
    let items = list.entries.iter().map(|it| object(&list.resource, it.bytes(), metadata_only));
    Ok(Page {
        items: items.collect::<Result<_, _>>()?,
        version: list.revision,
        next: list.continue_token.clone(),
    })
}

/// A watch that is being read.
struct Watching {
    resource: Arc<Served>,
    selection: pintle_apiserver::selector::Selection,
    cursor: Cursor,
    metadata_only: bool,
    waiting: VecDeque<Result<WatchEvent, ApiError>>,
    over: bool,
    /// It ends with the watch.
    _recording: Option<Arc<Recording>>,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<WatchEvent, ApiError>, Watching)> {
        let mut events = Vec::new();
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((event, self));
            }
            if self.over {
                return None;
            }
            events.clear();
            match self.cursor.next(EVENTS_MAX, &mut events).await {
                Ok(_) => {
                    for event in &events {
                        let change = self.change(event);
                        self.waiting.extend(change);
                    }
                }
                Err(_) => {
                    self.over = true;
                    self.waiting.push_back(Ok(WatchEvent::Expired));
                }
            }
        }
    }

    fn change(&self, event: &Event) -> Option<Result<WatchEvent, ApiError>> {
        let selected = |entry: &Arc<Entry>| self.selection.matches(entry);
        let old = event.old.as_ref().filter(|entry| selected(entry));
        let new = event.new.as_ref().filter(|entry| selected(entry));
        let object = |bytes: &[u8]| object(&self.resource, bytes, self.metadata_only);
        match (old, new) {
            (None, Some(new)) => Some(object(new.bytes()).map(WatchEvent::Added)),
            (Some(_), Some(new)) => Some(object(new.bytes()).map(WatchEvent::Modified)),
            (Some(old), None) => Some(object(&old.restamped(event.revision)).map(WatchEvent::Deleted)),
            (None, None) => None,
        }
    }
}
