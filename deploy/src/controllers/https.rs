//! The API over HTTPS: one user of a kubeconfig, for all controllers.
//!
//! Keeps: watches have connections of their own, so that a server's limit of streams never makes a call wait for them; a
//! dead connection is noticed by pings and replaced by the next request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::stream;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pintle_controllers::api::{
    Api, ApiError, Call, Changes, Connect, DeleteOptions, Deleted, Discovery, ListOptions, Object, Page,
    PatchType, Resource, Target, Version, WatchEvent, WriteOptions,
};
use pintle_controllers::settings::Settings;
use rustls::{ClientConfig, pki_types::ServerName};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{net::TcpStream, sync::Mutex, time::timeout};
use tokio_rustls::TlsConnector;

use super::rest::Rest;
use super::{discovery, status::error_of};
use crate::{address::HostPort, error::Error, kubeconfig_file::KubeconfigFile};

/// How long connecting may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take; servers give up before.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(65);
/// How often a connection is probed, and how long the answer may take.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// No answer that is read as a whole is larger.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// No event of a watch is larger.
const EVENT_BYTES_MAX: usize = 16 << 20;
/// Connections that the watches are spread over.
const WATCH_CONNECTIONS: usize = 4;

type Sender = http2::SendRequest<Full<Bytes>>;

/// The controllers' connections to a server.
#[derive(Clone)]
pub(super) struct Https {
    inner: Arc<Inner>,
}

struct Inner {
    address: HostPort,
    tls: Arc<ClientConfig>,
    token: Option<String>,
    calls: Mutex<Option<Sender>>,
    watches: [Mutex<Option<Sender>>; WATCH_CONNECTIONS],
    turn: AtomicUsize,
    settings: Settings,
}

impl Https {
    /// The server and the user of a kubeconfig.
    pub(super) fn of(file: &KubeconfigFile, settings: Settings) -> Result<Https, Error> {
        let mut tls = (*file.tls()?).clone();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let inner = Inner {
            address: file.server.clone(),
            tls: Arc::new(tls),
            token: file.token.clone(),
            calls: Mutex::default(),
            watches: Default::default(),
            turn: AtomicUsize::new(0),
            settings,
        };
        Ok(Https { inner: Arc::new(inner) })
    }
}

impl Connect for Https {
    fn controller(&self, _: &str) -> Arc<dyn Api> {
        Arc::new(self.clone())
    }

    fn shared(&self) -> Arc<dyn Api> {
        Arc::new(self.clone())
    }

    fn settings(&self) -> Settings {
        self.inner.settings.clone()
    }
}

fn unanswered(why: &impl ToString) -> ApiError {
    ApiError::unanswered(why.to_string())
}

impl Inner {
    async fn connect(&self) -> Result<Sender, ApiError> {
        let HostPort { host, port } = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| unanswered(&error))?;
        // Requests are small and wait for answers.
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(host.clone()).map_err(|error| unanswered(&error))?;
        let tls = TlsConnector::from(self.tls.clone());
        let tls = tls.connect(name, stream).await.map_err(|error| unanswered(&error))?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_INTERVAL)
            .handshake(TokioIo::new(tls))
            .await
            .map_err(|error| unanswered(&error))?;
        // It ends when every sender and stream has; what goes wrong is seen by whoever waits for an answer.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// A sender of a connection that lives, as far as is known.
    async fn sender(&self, slot: &Mutex<Option<Sender>>) -> Result<Sender, ApiError> {
        let mut slot = slot.lock().await;
        if let Some(sender) = slot.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let sender = timeout(CONNECT_TIMEOUT, self.connect())
            .await
            .map_err(|_| ApiError::unanswered("the server cannot be reached in time"))??;
        *slot = Some(sender.clone());
        Ok(sender)
    }

    async fn send(&self, slot: &Mutex<Option<Sender>>, rest: Rest) -> Result<Response<Incoming>, ApiError> {
        let mut sender = self.sender(slot).await?;
        let question = if rest.query.is_empty() { "" } else { "?" };
        let uri = format!("https://{}{}{question}{}", self.address, rest.path, rest.query);
        let mut request = Request::builder()
            .method(rest.method)
            .uri(uri)
            .header(ACCEPT, rest.accept)
            .header(CONTENT_TYPE, rest.content_type)
            .header(USER_AGENT, concat!("pintle-controllers/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(rest.body)).map_err(|error| unanswered(&error))?;
        let answer = timeout(ANSWER_TIMEOUT, sender.send_request(request))
            .await
            .map_err(|_| ApiError::unanswered("the server does not answer in time"))?
            .map_err(|error| unanswered(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let code = answer.status().as_u16();
        Err(error_of(code, &read(answer).await?))
    }

    async fn call(&self, rest: Rest) -> Result<Bytes, ApiError> {
        read(self.send(&self.calls, rest).await?).await
    }

    async fn object(&self, rest: Rest) -> Result<Object, ApiError> {
        let body = self.call(rest).await?;
        let answer: Answer = decode(&body)?;
        if answer.kind == "Status" { Ok(Object::default()) } else { Object::parse(body) }
    }
}

async fn read(answer: Response<Incoming>) -> Result<Bytes, ApiError> {
    let reading = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
    let read = timeout(ANSWER_TIMEOUT, reading).await;
    let read = read.map_err(|_| ApiError::unanswered("the answer does not end in time"))?;
    read.map(http_body_util::Collected::to_bytes).map_err(|error| unanswered(&error))
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed(format!("an answer could not be read: {error}")))
}

/// What an answer says of itself.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Answer {
    kind: String,
    metadata: Deletion,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Deletion {
    deletion_timestamp: Option<String>,
    deletion_grace_period_seconds: Option<i64>,
    finalizers: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    metadata: ListMeta,
    #[serde(default)]
    items: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

impl Api for Https {
    fn discover(&self) -> Call<'_, Discovery> {
        Box::pin(async {
            let mut found = Discovery::default();
            for path in ["/api", "/apis"] {
                discovery::read(&self.inner.call(Rest::discovery(path)).await?, &mut found)?;
            }
            Ok(found)
        })
    }

    fn fetch<'a>(&'a self, target: Target<'a>) -> Call<'a, Object> {
        Box::pin(self.inner.object(Rest::fetch(target)))
    }

    fn list<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        options: &'a ListOptions,
    ) -> Call<'a, Page> {
        Box::pin(async move {
            let body = self.inner.call(Rest::list(resource, namespace, options)).await?;
            let list: List = decode(&body)?;
            let items =
                list.items.iter().map(|item| Object::parse(Bytes::copy_from_slice(item.get().as_bytes())));
            let version = list
                .metadata
                .resource_version
                .parse()
                .map_err(|_| ApiError::malformed("the list has no version"))?;
            Ok(Page { items: items.collect::<Result<_, _>>()?, version, next: list.metadata.next })
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
            let turn = self.inner.turn.fetch_add(1, Ordering::Relaxed) % WATCH_CONNECTIONS;
            let rest = Rest::watch(resource, namespace, from, options);
            let answer = self.inner.send(&self.inner.watches[turn], rest).await?;
            let lines = Lines { body: answer.into_body(), text: BytesMut::new(), over: false };
            let changes: Changes = Box::pin(stream::unfold(lines, Lines::next));
            Ok(changes)
        })
    }

    fn create<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object> {
        Box::pin(self.inner.object(Rest::create(target, body, options)))
    }

    fn update<'a>(&'a self, target: Target<'a>, body: Bytes, options: &'a WriteOptions) -> Call<'a, Object> {
        Box::pin(self.inner.object(Rest::update(target, body, options)))
    }

    fn patch<'a>(
        &'a self,
        target: Target<'a>,
        kind: PatchType,
        body: Bytes,
        options: &'a WriteOptions,
    ) -> Call<'a, Object> {
        Box::pin(self.inner.object(Rest::patch(target, kind, body, options)))
    }

    fn delete<'a>(&'a self, target: Target<'a>, options: &'a DeleteOptions) -> Call<'a, Deleted> {
        Box::pin(async move {
            let body = self.inner.call(Rest::delete(target, options)).await?;
            let Answer { kind, metadata } = decode(&body)?;
            // Some kinds answer the object also when it is gone: then nothing in it holds it.
            let held = metadata.deletion_timestamp.is_some()
                && (!metadata.finalizers.is_empty()
                    || metadata.deletion_grace_period_seconds.unwrap_or(0) > 0);
            if kind == "Status" || !held { Ok(Deleted::Gone) } else { Object::parse(body).map(Deleted::Held) }
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
            self.inner.call(Rest::delete_collection(resource, namespace, selected, options)).await.map(drop)
        })
    }
}

/// A watch's body, line by line.
struct Lines {
    body: Incoming,
    text: BytesMut,
    over: bool,
}

impl Lines {
    async fn next(mut self) -> Option<(Result<WatchEvent, ApiError>, Lines)> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line = self.text.split_to(end).freeze();
                self.text.advance(1);
                return Some((event_of(&line), self));
            }
            if self.over || self.text.len() > EVENT_BYTES_MAX {
                return None;
            }
            match self.body.frame().await {
                None => return None,
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.text.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    self.over = true;
                    self.text.clear();
                    return Some((Err(unanswered(&error)), self));
                }
            }
        }
    }
}

/// The event of a line.
fn event_of(line: &[u8]) -> Result<WatchEvent, ApiError> {
    let event: Event<'_> = decode(line)?;
    let object = || Object::parse(Bytes::copy_from_slice(event.object.get().as_bytes()));
    match event.kind.as_str() {
        "ADDED" => object().map(WatchEvent::Added),
        "MODIFIED" => object().map(WatchEvent::Modified),
        "DELETED" => object().map(WatchEvent::Deleted),
        "BOOKMARK" => object().map(|object| WatchEvent::Bookmark(object.meta.version)),
        _ => {
            let error = error_of(500, event.object.get().as_bytes());
            if error.is_expired() { Ok(WatchEvent::Expired) } else { Err(error) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_events() {
        let line = br#"{"type":"DELETED","object":{"kind":"Pod","metadata":{"name":"p","namespace":"a","uid":"u","resourceVersion":"7"}}}"#;
        let Ok(WatchEvent::Deleted(object)) = event_of(line) else { panic!("a deletion") };
        assert_eq!((object.meta.name.as_str(), object.meta.version), ("p", 7));
        let line = br#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"9"}}}"#;
        assert!(matches!(event_of(line), Ok(WatchEvent::Bookmark(9))));
        let line = br#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
        assert!(matches!(event_of(line), Ok(WatchEvent::Expired)));
        let line = br#"{"type":"ERROR","object":{"kind":"Status","code":500,"message":"no"}}"#;
        assert!(event_of(line).is_err());
    }
}
