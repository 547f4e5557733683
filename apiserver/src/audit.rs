//! Audit: who asked for what and what came of it, a line for every stage of every request that the administrator's
//! policy names.
//!
//! Keeps: a request that was recorded when it came is recorded when it ended, also if its client went away (a panic ends
//! the process, and with it the record); what a client sends is recorded as the server reads it, whatever it is; a record is handed to
//! the sink before the answer is sent; without a policy nothing is looked at.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::body;
use crate::clock::Clock;
use crate::codec;
use crate::document;
use crate::forms::{self, Stored};
use crate::negotiation::Form;
use crate::reply::{ListReply, Reply};
use crate::request::{Attributes, Request};
use crate::status::{Error, Status};
use crate::stream::ListWriter;
use crate::tree::{Map, Node};
use crate::user::User;

mod event;
pub mod policy;

use event::{Event, ObjectReference, Record, UserInfo};
use policy::{Extent, Level, Stage};
pub use policy::{Policy, PolicyError};

/// The header that carries a request's id, both ways.
pub const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// What clients call themselves is cut after so many bytes.
const USER_AGENT_BYTES_MAX: usize = 1024;
const CUT: &str = "...TRUNCATED";

/// Where records go.
pub trait Sink: Send + Sync {
    /// Takes one line, its newline included.
    fn write(&self, line: &[u8]);
}

/// Records requests.
pub struct Audit {
    policy: Policy,
    sink: Box<dyn Sink>,
    clock: Arc<dyn Clock>,
}

/// A request as it has come.
pub struct Arrival<'a> {
    /// What it asks for.
    pub attributes: &'a Attributes,
    /// Its headers, which get an id if they have none.
    pub headers: &'a mut HeaderMap,
    /// Path and query as they were sent.
    pub uri: String,
    /// The other end of its connection.
    pub client: Option<IpAddr>,
}

/// What is recorded of one request. The last holder that drops it ends the request.
pub struct Recording {
    audit: Arc<Audit>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    event: Event,
    extent: Extent,
    /// By key, in the order in which they came.
    annotations: Vec<(Cow<'static, str>, String)>,
    /// Nothing more is recorded.
    is_over: bool,
}

impl Audit {
    /// Records what a policy names.
    pub fn new(policy: Policy, sink: Box<dyn Sink>, clock: Arc<dyn Clock>) -> Audit {
        Audit { policy, sink, clock }
    }

    /// Begins with a request whose user is not known yet.
    pub fn receive(self: &Arc<Audit>, arrival: Arrival<'_>) -> Arc<Recording> {
        let Arrival { attributes, headers, uri, client } = arrival;
        if headers.get(AUDIT_ID).is_none_or(|id| id.is_empty() || id.to_str().is_err()) {
            headers.insert(AUDIT_ID, new_id(&*self.clock));
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let agent = text(header::USER_AGENT);
        let object_ref = attributes.is_resource.then(|| ObjectReference {
            resource: attributes.resource.clone(),
            namespace: attributes.namespace.clone(),
            name: attributes.name.clone(),
            api_group: attributes.group.clone(),
            api_version: attributes.version.clone(),
            subresource: attributes.subresource.clone(),
            ..ObjectReference::default()
        });
        let event = Event {
            audit_id: text(AUDIT_ID).to_owned(),
            request_uri: uri,
            verb: attributes.verb.clone(),
            source_ips: source_ips(headers, client),
            user_agent: match agent.len() > USER_AGENT_BYTES_MAX {
                // A header that can be read is ASCII.
                true => [&agent[..USER_AGENT_BYTES_MAX], CUT].concat(),
                false => agent.to_owned(),
            },
            object_ref,
            request_received_timestamp: self.clock.now_in_microseconds(),
            ..Event::default()
        };
        let inner = Inner { event, is_over: true, ..Inner::default() };
        Arc::new(Recording { audit: self.clone(), inner: Mutex::new(inner) })
    }
}

/// An id for a request that has none.
pub(crate) fn new_id(clock: &dyn Clock) -> HeaderValue {
    let mut id = HeaderValue::try_from(clock.uuid()).expect("a UUID is a valid header");
    // It never comes again: HTTP/2 shall not put it into its table of headers.
    id.set_sensitive(true);
    id
}

/// Whoever sent a request, as far as its headers tell, and last who handed it in here.
fn source_ips(headers: &HeaderMap, client: Option<IpAddr>) -> Vec<IpAddr> {
    let listed = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let forwarded = listed(HeaderName::from_static("x-forwarded-for")).flat_map(|list| list.split(','));
    let mut sources: Vec<IpAddr> = forwarded.filter_map(|text| text.trim().parse().ok()).collect();
    let real = listed(HeaderName::from_static("x-real-ip")).find_map(|text| text.trim().parse().ok());
    sources.extend(real.filter(|real| !sources.contains(real)));
    sources.extend(client.filter(|client| sources.last() != Some(client)));
    sources
}

impl Recording {
    /// Now that its user is known, the policy decides. Answers whether anything is recorded.
    pub fn identified(&self, attributes: &Attributes, user: &User) -> bool {
        let mut inner = self.inner.lock();
        inner.extent = self.audit.policy.extent(attributes, Some(user));
        inner.is_over = inner.extent.level == Level::None;
        inner.event.user = UserInfo::from(user);
        self.record(&inner, Stage::RequestReceived);
        !inner.is_over
    }

    /// Nobody knows its user: this is all that is recorded.
    pub fn unauthenticated(&self, attributes: &Attributes) {
        let mut inner = self.inner.lock();
        inner.extent = self.audit.policy.extent(attributes, None);
        inner.is_over = inner.extent.level == Level::None;
        inner.event.response_status = Some(status_of(&Error::Unauthorized.status()));
        self.record(&inner, Stage::ResponseStarted);
        inner.is_over = true;
    }

    /// Its user acts as another one.
    pub fn impersonates(&self, user: &User) {
        self.inner.lock().event.impersonated_user = Some(UserInfo::from(user));
    }

    /// Its body was read.
    pub fn sent(&self, request: &Request) {
        let mut inner = self.inner.lock();
        if inner.is_over || request.body.is_empty() {
            return;
        }
        let object = body::as_sent(request);
        if let Some(reference) = &mut inner.event.object_ref {
            let metadata = object.as_map().and_then(Map::metadata);
            let complete = |field: &mut String, name: &str| {
                if let Some(said) = metadata.map(|metadata| metadata.str(name)).filter(|_| field.is_empty()) {
                    said.clone_into(field);
                }
            };
            complete(&mut reference.namespace, "namespace");
            complete(&mut reference.name, "name");
            complete(&mut reference.uid, "uid");
            complete(&mut reference.resource_version, "resourceVersion");
        }
        if inner.extent.level >= Level::Request {
            inner.event.request_object = Some(written(object, inner.extent.omits_managed_fields));
        }
    }

    /// Adds what somebody who looked at the request has to say; the first with a key counts.
    pub fn annotate(&self, key: impl Into<Cow<'static, str>>, value: impl FnOnce() -> String) {
        let (mut inner, key) = (self.inner.lock(), key.into());
        if !inner.is_over && inner.annotations.iter().all(|(known, _)| *known != key) {
            inner.annotations.push((key, value()));
        }
    }

    /// How much was added so far, to go back there.
    pub fn annotations(&self) -> usize {
        self.inner.lock().annotations.len()
    }

    /// Forgets what was added since: what was looked at turned out to be old.
    pub fn forget_annotations(&self, since: usize) {
        self.inner.lock().annotations.truncate(since);
    }

    /// Whether changes that somebody makes to the request's object are recorded.
    pub fn shows_objects(&self) -> bool {
        let inner = self.inner.lock();
        !inner.is_over && inner.extent.level >= Level::Request
    }

    /// The answer is known, and the form in which it is sent; `lasts` if it goes on for long.
    pub fn answered(&self, reply: &Result<Reply, Error>, form: &Form, lasts: bool) {
        let mut inner = self.inner.lock();
        if inner.is_over {
            return;
        }
        let (code, said) = match reply {
            Err(Error::NoPath) => (404, None),
            Err(error) => (0, Some(error.status())),
            Ok(Reply::Status(status)) => (0, Some(status.clone())),
            Ok(Reply::Entry(object)) => (if object.created { 201 } else { 200 }, None),
            Ok(Reply::Tree(object)) => (if object.created { 201 } else { 200 }, None),
            Ok(Reply::Relayed(relayed)) => (relayed.response.status().as_u16(), None),
            Ok(Reply::Text(false, _)) => (500, None),
            Ok(Reply::Document(document::Answer::NotModified(_))) => (304, None),
            Ok(Reply::Document(document::Answer::Moved(_))) => (301, None),
            Ok(_) => (200, None),
        };
        let status = said.as_ref().map_or_else(|| json!({"metadata": {}, "code": code}), status_of);
        inner.event.response_status = Some(status);
        if inner.extent.level == Level::RequestResponse {
            let form = Form { transform: form.transform, beta: form.beta, ..Form::JSON };
            let omits = inner.extent.omits_managed_fields;
            inner.event.response_object = match (reply, said) {
                (_, Some(status)) => raw(status.to_tree().to_string().into_bytes()),
                (Ok(reply), None) => object_of(reply, &form, self.audit.clock.unix_seconds(), omits),
                (Err(_), None) => None,
            };
        }
        if lasts {
            self.record(&inner, Stage::ResponseStarted);
        }
    }

    fn record(&self, inner: &Inner, stage: Stage) {
        if inner.is_over || inner.extent.omitted.contains(&stage) {
            return;
        }
        let record = Record {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level: inner.extent.level,
            stage,
            event: &inner.event,
            stage_timestamp: self.audit.clock.now_in_microseconds(),
            annotations: inner.annotations.iter().map(|(key, value)| (&**key, value.as_str())).collect(),
        };
        let mut line = serde_json::to_vec(&record).expect("a record has only texts for keys");
        line.push(b'\n');
        self.audit.sink.write(&line);
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let mut inner = std::mem::take(self.inner.get_mut());
        let early = || json!({ "metadata": {}, "status": "Success", "message": "Connection closed early", "code": 200 });
        inner.event.response_status.get_or_insert_with(early);
        self.record(&inner, Stage::ResponseComplete);
    }
}

/// A Status without its own kind.
fn status_of(status: &Status) -> Value {
    let mut tree = status.to_tree();
    tree.remove("kind");
    tree.remove("apiVersion");
    tree.set("code", i64::from(status.http_code()));
    serde_json::from_str(&tree.to_string()).unwrap_or_default()
}

/// What is answered, as JSON; documents about the API are no objects.
fn object_of(reply: &Reply, form: &Form, now: i64, omits_managed_fields: bool) -> Option<Box<RawValue>> {
    let json: Vec<u8> = match reply {
        Reply::Entry(object) => {
            forms::alone(&object.resource, &Stored::from(&*object.entry), form, true, now).into()
        }
        Reply::Tree(object) => {
            let names = (object.api_version.as_str(), object.kind.as_str());
            let resource = object.resource.as_deref();
            forms::tree_alone(resource, &object.object, object.schema, names, form, now).into()
        }
        Reply::List(list) => {
            let list = ListReply {
                resource: list.resource.clone(),
                entries: list.entries.clone(),
                revision: list.revision,
                continue_token: list.continue_token.clone(),
                remaining: list.remaining,
            };
            ListWriter::new(list, *form, now).next_piece(usize::MAX)?
        }
        _ => return None,
    };
    match omits_managed_fields {
        true => codec::json::decode_untyped(&json).ok().map(|object| written(object, true)),
        false => raw(json),
    }
}

/// An object as a record shows it.
fn written(object: Node, omits_managed_fields: bool) -> Box<RawValue> {
    let mut object = object;
    if omits_managed_fields {
        remove_managed_fields(&mut object);
    }
    let mut json = Vec::new();
    codec::json::encode_untyped(&object, &mut json);
    raw(json).expect("what was encoded here is JSON")
}

fn raw(json: Vec<u8>) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}

/// Of an object, or of all objects of a list.
fn remove_managed_fields(object: &mut Node) {
    let Node::Map(object) = object else { return };
    if let Some(metadata) = object.existing_map_mut("metadata") {
        metadata.remove("managedFields");
    }
    if let Some(Node::List(items)) = object.get("items").cloned() {
        let items = items.iter().cloned().map(|mut item| {
            remove_managed_fields(&mut item);
            item
        });
        object.set("items", items.collect::<Node>());
    }
}

#[cfg(test)]
mod tests;
