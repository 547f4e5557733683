//! The HTTP adapter: TLS connections to requests, replies to responses.
//!
//! Keeps: every connection, header and body that is read here has a limit; before authentication nothing of a body is read; a
//! client that goes away or is slow costs only its own connection.

use std::convert::Infallible;
use std::io::Read as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request as HttpRequest, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::audit::{self, AUDIT_ID, Arrival, Recording};
use crate::authentication::{Connection, Credentials};
use crate::clock::Clock;
use crate::closing::Closing;
use crate::encode::{self, Recipient};
use crate::keep_alive;
use crate::metrics::{Kind, RequestLabels, ResourceLabels};
use crate::negotiation::{self, Form, Offer};
use crate::pipeline::{Answer, Server};
use crate::reply::{Relayed, Reply};
use crate::request::{Attributes, Origin, Query, Request};
use crate::reviews;
use crate::status::Error;
use crate::stream::Watching;
use crate::warning;
use crate::warning::Warnings;

mod corked;
mod relayed;
mod streams;
mod tunnel;

use corked::Corked;
use relayed::{Counted, RelayedBody};
use streams::Streams;
use tunnel::Tunnel;

/// Largest body, compressed or not.
pub const BODY_BYTES_MAX: usize = 3 << 20;
/// How much of a body that nobody wants is read before the refusal: a client whose stream is reset while it sends may
/// not see why (curl 7.88 does not).
const UNWANTED_BYTES_MAX: usize = 64 << 10;
/// How long it may take to come.
const UNWANTED_TIMEOUT: Duration = Duration::from_secs(1);
/// How much of a body that is too large is read before the connection is given up.
const DISCARDED_BYTES_MAX: usize = 16 << 20;
/// Largest header block.
const HEADER_BYTES_MAX: u32 = 1 << 20;
/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// Connections at once.
const CONNECTIONS_MAX: usize = 20_000;
/// Handshakes at once.
const HANDSHAKES_MAX: usize = 512;
/// Reads that are not watches at once.
const READS_MAX: usize = 1_000;
/// Writes at once.
const WRITES_MAX: usize = 500;
/// How long TLS may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(32);
/// How long a request that is not a watch may take, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an idle HTTP/2 connection goes without a ping, and how long the pong may take.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long every connection goes on when the server closes: what has just come may still ask.
const CLOSING_DELAY: Duration = Duration::from_millis(100);
/// Connections are closed one after the other, so far apart but all within the longest delay: their clients come to the
/// other servers at once, and a thousand handshakes together would keep those from everything else.
const CLOSING_INTERVAL: Duration = Duration::from_millis(2);
const CLOSING_DELAY_MAX: Duration = Duration::from_secs(3);
/// How long connections may take to finish at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

struct Shared {
    server: Arc<Server>,
    /// Tells which client certificates are to be believed.
    clients: Arc<dyn ClientCertVerifier>,
    reads: Semaphore,
    writes: Semaphore,
    closing: watch::Receiver<bool>,
    /// How many connections were told to close.
    closed: AtomicU32,
}

/// Serves connections until `closing` turns true, then lets requests in flight finish and sends clients away one after
/// the other.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    clients: Arc<dyn ClientCertVerifier>,
    server: Arc<Server>,
    mut closing: watch::Receiver<bool>,
) {
    let shared = Arc::new(Shared {
        server,
        clients,
        reads: Semaphore::new(READS_MAX),
        writes: Semaphore::new(WRITES_MAX),
        closing: closing.clone(),
        closed: AtomicU32::new(0),
    });
    let acceptor = TlsAcceptor::from(tls);
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let serve = |stream, permit| {
        let (acceptor, handshakes, shared) = (acceptor.clone(), handshakes.clone(), shared.clone());
        tokio::spawn(async move {
            serve_connection(stream, acceptor, handshakes, shared, Arc::new(permit)).await;
        });
    };
    loop {
        let permit = tokio::select! {
            permit = connections.clone().acquire_owned() => permit.expect("the semaphore is never closed"),
            () = closed(&mut closing) => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or a client that left before it was accepted.
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
            () = closed(&mut closing) => break,
        };
        serve(stream, permit);
    }
    // What the system has taken already would be reset, and its clients would be told nothing.
    while let Ok(permit) = connections.clone().try_acquire_owned()
        && let Some(Ok((stream, _))) = tokio::task::unconstrained(listener.accept()).now_or_never()
    {
        serve(stream, permit);
    }
    drop(listener);
    let all = connections.acquire_many(CONNECTIONS_MAX as u32);
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, all).await.is_err() {
        tracing::warn!("connections were still open at the end of the shutdown");
    }
}

async fn serve_connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    handshakes: Arc<Semaphore>,
    shared: Arc<Shared>,
    permit: Arc<OwnedSemaphorePermit>,
) {
    let metrics = &shared.server.metrics;
    let (close, closing) = watch::channel(false);
    let _ = stream.set_nodelay(true);
    let client = stream.peer_addr().ok().map(|address| address.ip().to_canonical());
    keep_alive::ask_often(&stream);
    let Ok(handshake) = handshakes.acquire().await else { return };
    let tls = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(Corked::new(stream))).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            metrics.handshake_failed();
            return;
        }
        Err(_) => {
            metrics.handshake_failed();
            return;
        }
    };
    drop(handshake);
    let cork = tls.get_ref().0.cork();
    let certificates = tls.get_ref().1.peer_certificates().unwrap_or_default();
    let caller = Arc::new(Caller { connection: shared.identify(certificates), closing, client, permit });
    let answering = shared.clone();
    let corked = cork.clone();
    let service = hyper::service::service_fn(move |request: HttpRequest<Incoming>| {
        if request.version() == http::Version::HTTP_11 && request.headers().contains_key(header::UPGRADE) {
            // Nobody ends the turns of what comes after the answer.
            corked.uncork();
        }
        let handling = handle(answering.clone(), caller.clone(), request.map(Body::new));
        async move { Ok::<_, Infallible>(handling.await) }
    });
    let streams = Streams::default();
    let mut builder = auto::Builder::new(streams.clone());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(1 << 20)
        .max_send_buf_size(256 << 10)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(tls), service);
    let ended = streams
        .drive(serving, &cork, shared.turn_to_close(), |serving| {
            // Watches end, and then the connection does.
            close.send_replace(true);
            serving.graceful_shutdown();
        })
        .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

impl Shared {
    /// Begins to record a request, which gets an id for it.
    fn record(
        &self,
        parts: &mut Parts,
        attributes: &Attributes,
        client: Option<IpAddr>,
    ) -> Option<Arc<Recording>> {
        let audit = self.server.audit.as_ref()?;
        let uri = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
        Some(audit.receive(Arrival { attributes, headers: &mut parts.headers, uri, client }))
    }

    /// Waits until the server closes and it is this connection's turn.
    async fn turn_to_close(&self) {
        closed(&mut self.closing.clone()).await;
        let turn = self.closed.fetch_add(1, Ordering::Relaxed);
        let delay = (CLOSING_DELAY + CLOSING_INTERVAL * turn).min(CLOSING_DELAY_MAX);
        tokio::time::sleep(delay).await;
    }

    /// What a client proves by the certificates it presented; the first is its own.
    fn identify(&self, certificates: &[CertificateDer<'_>]) -> Connection {
        let Some((own, intermediates)) = certificates.split_first() else {
            return Connection::default();
        };
        let seconds = u64::try_from(self.server.clock.unix_seconds()).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        match self.clients.verify_client_cert(own, intermediates, now) {
            Ok(_) => Connection::new(Some(own)),
            Err(error) => {
                tracing::debug!(%error, "a client certificate is not believed");
                Connection::unbelieved()
            }
        }
    }
}

/// Waits for the server to stop.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // A sender that is gone has stopped, too.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Who is at the other end of a connection.
struct Caller {
    connection: Connection,
    closing: watch::Receiver<bool>,
    client: Option<IpAddr>,
    permit: Arc<OwnedSemaphorePermit>,
}

async fn handle(shared: Arc<Shared>, caller: Arc<Caller>, request: HttpRequest<Body>) -> Response<Body> {
    let (mut parts, mut body) = request.into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    let attributes = Attributes::parse(&parts.method, parts.uri.path(), &query);
    let recording = shared.record(&mut parts, &attributes, caller.client);
    let (mut origin, mut tunnel) = (None, None);
    if shared.server.passes_on(&attributes) {
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        tunnel = upgrade.map(|upgrade| Tunnel::new(upgrade, caller.permit.clone()));
        let body = Mutex::new(std::mem::take(&mut body));
        origin = Some(Arc::new(Origin { uri: parts.uri, client: caller.client, body }));
    }
    let request = Request {
        attributes,
        method: parts.method,
        query,
        headers: parts.headers,
        body: Bytes::new(),
        fence: None,
        origin,
        recording,
    };
    let waits = request.origin.is_some() || matches!(request.attributes.verb.as_str(), "get" | "watch");
    if request.attributes.is_resource && waits {
        // A watch outlives its answer by far: what that needed is given back.
        return Box::pin(answer(shared, caller, request, body, tunnel)).await;
    }
    // What computes for a while must not hold up the connection's other streams, nor end halfway with it.
    // In a box of its own it is moved once; the runtime's is aligned, and filled by moves.
    let answering = tokio::spawn(Box::pin(answer(shared, caller, request, body, tunnel)));
    answering.await.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => encode::error(&Error::Unavailable("the server is stopping".to_owned()), &Form::JSON),
    })
}

async fn answer(
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    mut request: Request,
    body: Body,
    tunnel: Option<Tunnel>,
) -> Response<Body> {
    let is_passed_on = request.origin.is_some();
    let is_watch = request.attributes.verb == "watch" && request.attributes.is_resource;
    let form = negotiate(&shared.server, &request);
    let started = tokio::time::Instant::now();
    let metrics = &shared.server.metrics;
    let labels = labels(&shared.server, &request);
    let lasts = is_watch || is_passed_on;
    let passing = is_passed_on.then(|| metrics.long_running(&labels));
    let watching = is_watch.then(|| {
        let resource =
            ResourceLabels { group: labels.group, version: labels.version, resource: labels.resource };
        Watching {
            ongoing: metrics.long_running(&labels),
            events: metrics.watch_events(resource),
            recording: request.recording.clone(),
        }
    });
    let kind = if is_write(&request) { Kind::Mutating } else { Kind::ReadOnly };
    let _working = (!lasts).then(|| metrics.in_flight(kind));
    let to = Recipient {
        watching,
        // An error is sent as JSON when nothing fits of what the client accepts.
        form: form.as_ref().map_or(Form::JSON, |form| *form),
        gzip: accepts_gzip(&request),
        server: shared.server.clone(),
        closing: caller.closing.clone(),
    };
    let answer = if lasts {
        carry_out(&shared, &caller.connection, &mut request, body, form).await
    } else {
        match timeout(&request) {
            Err(error) => Answer { reply: Err(error), warnings: Warnings::new() },
            Ok(limit) => {
                let work = carry_out(&shared, &caller.connection, &mut request, body, form);
                tokio::time::timeout(limit, work)
                    .await
                    .unwrap_or(Answer { reply: Err(Error::Timeout), warnings: Warnings::new() })
            }
        }
    };
    let form = to.form;
    if let Some(recording) = &request.recording {
        recording.answered(&answer.reply, &form, lasts);
    }
    let mut response = match answer.reply {
        Ok(Reply::Relayed(relayed)) => {
            let Relayed { response, upgraded, permit } = *relayed;
            let recording = request.recording.clone();
            let counted = Counted { _ongoing: passing, _recording: recording, _permit: permit };
            relay(&shared, response, tunnel.zip(upgraded), counted, to.closing)
        }
        Ok(reply) => encode::reply(reply, to),
        Err(error) => {
            let response = encode::error(&error, &form);
            if matches!(error, Error::TooManyRequests { .. } | Error::Timeout) {
                metrics.terminated(&labels, response.status().as_u16());
            }
            response
        }
    };
    let code = response.status().as_u16();
    if lasts {
        metrics.ended(&labels, code);
    } else {
        let bytes = http_body::Body::size_hint(response.body()).lower() as usize;
        metrics.answered(&labels, code, started.elapsed().as_secs_f64(), bytes);
    }
    common_headers(&mut response, &request, &answer.warnings, &*shared.server.clock);
    response
}

/// The answer of somebody else; what goes on in another protocol goes through the tunnel.
fn relay(
    shared: &Arc<Shared>,
    response: Response<Body>,
    upgraded: Option<(Tunnel, Upgraded)>,
    counted: Counted,
    closing: watch::Receiver<bool>,
) -> Response<Body> {
    match upgraded {
        Some((tunnel, other)) => {
            let shared = shared.clone();
            tunnel.open(other, counted, async move { shared.turn_to_close().await });
            response
        }
        None => {
            let closing = Closing::new(closing);
            response.map(|body| Body::new(RelayedBody { body, closing, _counted: counted }))
        }
    }
}

/// What a request counts as. Names come from the registry, so clients cannot make series.
fn labels(server: &Server, request: &Request) -> RequestLabels {
    let attributes = &request.attributes;
    let verb = if request.origin.is_some() { "connect" } else { &attributes.verb };
    let mut labels = RequestLabels::of(verb);
    if !attributes.is_resource {
        return labels;
    }
    let found = server.known(&attributes.group, &attributes.version, &attributes.resource);
    if let Some(resource) = found {
        labels.group = resource.version.group;
        labels.version = resource.version.version;
        labels.resource = resource.kind.names.plural;
        labels.subresource =
            resource.kind.subresource(&attributes.subresource).map_or("", |found| found.name);
        labels.scope = match (attributes.names_object, attributes.namespace.is_empty()) {
            (true, _) => "resource",
            (false, false) => "namespace",
            (false, true) => "cluster",
        };
    }
    labels
}

/// Authenticates, takes a permit, reads the body and calls the server.
async fn carry_out(
    shared: &Shared,
    connection: &Connection,
    request: &mut Request,
    mut body: Body,
    form: Result<Form, Error>,
) -> Answer {
    let answer = authenticate_and_call(shared, connection, request, &mut body, form).await;
    if answer.reply.is_err() && is_write(request) {
        let body = match &request.origin {
            Some(origin) => origin.take_body(),
            None => body,
        };
        let _ = tokio::time::timeout(UNWANTED_TIMEOUT, discard(body)).await;
    }
    answer
}

/// Reads what is left of a body, up to a limit.
async fn discard(mut body: Body) {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > UNWANTED_BYTES_MAX {
            return;
        }
    }
}

async fn authenticate_and_call(
    shared: &Shared,
    connection: &Connection,
    request: &mut Request,
    body: &mut Body,
    form: Result<Form, Error>,
) -> Answer {
    let refused = |error| Answer { reply: Err(error), warnings: Warnings::new() };
    let server = &shared.server;
    let recording = request.recording.clone();
    let path = &request.attributes.path;
    let credentials = Credentials { connection, headers: &request.headers, path };
    let user = match server.authenticate(&credentials).await {
        Ok(user) => user,
        Err(error) => {
            if let Some(recording) = recording {
                recording.unauthenticated(&request.attributes);
            }
            return refused(error);
        }
    };
    if let Some(recording) = &recording
        && !recording.identified(&request.attributes, &user)
    {
        request.recording = None;
    }
    let user = match server.impersonate(&request.headers, &user).await {
        Ok(Some(impersonated)) => {
            if let Some(recording) = &recording {
                recording.impersonates(&impersonated);
            }
            impersonated
        }
        Ok(None) => user,
        Err(error) => return refused(error),
    };
    let long_running = request.attributes.verb == "watch" || request.origin.is_some();
    let semaphore = if is_write(request) { &shared.writes } else { &shared.reads };
    let _permit = match (long_running, semaphore.try_acquire()) {
        (true, _) => None,
        (false, Ok(permit)) => Some(permit),
        (false, Err(_)) => {
            return refused(Error::TooManyRequests {
                message: "Too many requests, please try again later.".to_owned(),
                retry_after: 1,
                causes: Vec::new(),
            });
        }
    };
    // Strangers may do nothing that needs a body, so theirs is not read.
    if !user.in_group(crate::user::SYSTEM_UNAUTHENTICATED) && has_body(request) {
        match read_body(request, body).await {
            Ok(bytes) => request.body = bytes,
            Err(error) => return refused(error),
        }
    }
    server.call(&user, request, form).await
}

fn is_write(request: &Request) -> bool {
    !matches!(request.method, http::Method::GET | http::Method::HEAD | http::Method::OPTIONS)
}

/// Whether a body is read here.
fn has_body(request: &Request) -> bool {
    is_write(request) && request.origin.is_none()
}

async fn read_body(request: &Request, body: &mut Body) -> Result<Bytes, Error> {
    let stated = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    let mut bytes = Vec::with_capacity(stated.unwrap_or(0).min(BODY_BYTES_MAX));
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Error::BadRequest(format!("the body could not be read: {error}")))?;
        let Some(data) = frame.data_ref() else { continue };
        length += data.len();
        // What is too much is still read for a while, and forgotten: a client that is cut off while it sends does
        // not see why.
        if length <= BODY_BYTES_MAX {
            bytes.extend_from_slice(data);
        } else if length > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if length > BODY_BYTES_MAX {
        return Err(Error::TooLarge(BODY_BYTES_MAX));
    }
    let bytes = Bytes::from(bytes);
    match request.header(header::CONTENT_ENCODING).unwrap_or("identity") {
        "identity" | "" => Ok(bytes),
        "gzip" => inflate(&bytes),
        other => Err(Error::UnsupportedMediaType(format!(
            "the content encoding {other:?} is not supported: send gzip or none"
        ))),
    }
}

/// Undoes gzip, within the limit of a body.
fn inflate(bytes: &[u8]) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes).take(BODY_BYTES_MAX as u64 + 1);
    decoder
        .read_to_end(&mut out)
        .map_err(|error| Error::BadRequest(format!("the body is not valid gzip: {error}")))?;
    if out.len() > BODY_BYTES_MAX {
        return Err(Error::TooLarge(BODY_BYTES_MAX));
    }
    Ok(Bytes::from(out))
}

fn negotiate(server: &Server, request: &Request) -> Result<Form, Error> {
    let attributes = &request.attributes;
    let offer = Offer {
        // A review is an answer, not an object: it has no metadata and no columns.
        transforms: attributes.is_resource && !reviews::answers(&attributes.group, &attributes.resource),
        collection: matches!(attributes.verb.as_str(), "list" | "deletecollection"),
        watch: attributes.verb == "watch",
        messages: attributes.subresource == "scale"
            || server
                .known(&attributes.group, &attributes.version, &attributes.resource)
                .is_none_or(|resource| resource.custom.is_none()),
    };
    let accept = request.header(header::ACCEPT);
    let pretty = pretty(request);
    if !attributes.is_resource {
        // Documents about the API negotiate for themselves.
        return Ok(Form { pretty, ..Form::JSON });
    }
    negotiation::accept(accept, offer, request.query.get("includeObject"), pretty)
}

/// Indented when asked for, or when a person seems to read.
fn pretty(request: &Request) -> bool {
    if request.query.get("pretty").is_some() {
        return request.query.flag("pretty");
    }
    let agent = request.header(header::USER_AGENT).unwrap_or("");
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|browser| agent.starts_with(browser))
}

fn accepts_gzip(request: &Request) -> bool {
    request.header(header::ACCEPT_ENCODING).is_some_and(|encodings| {
        encodings.split(',').any(|encoding| encoding.split(';').next().unwrap_or("").trim() == "gzip")
    })
}

/// `?timeout=` may shorten the time of a request.
fn timeout(request: &Request) -> Result<Duration, Error> {
    let Some(text) = request.query.non_empty("timeout") else { return Ok(REQUEST_TIMEOUT) };
    let nanos = crate::time::parse_duration(text).map_err(|error| {
        Error::BadRequest(format!("invalid timeout specified in the request URL - {error}"))
    })?;
    match u64::try_from(nanos) {
        Ok(0) => Ok(REQUEST_TIMEOUT),
        Ok(nanos) => Ok(Duration::from_nanos(nanos).min(REQUEST_TIMEOUT)),
        Err(_) => Err(Error::BadRequest(
            "invalid timeout specified in the request URL - timeout must be positive".to_owned(),
        )),
    }
}

fn common_headers(response: &mut Response<Body>, request: &Request, warnings: &Warnings, clock: &dyn Clock) {
    let headers = response.headers_mut();
    let audit_id = request.headers.get(AUDIT_ID).cloned();
    headers.insert(AUDIT_ID, audit_id.unwrap_or_else(|| audit::new_id(clock)));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
    for value in warning::headers(warnings) {
        headers.append(header::WARNING, value);
    }
}
