//! The HTTPS port of a kubelet whose containers are made up: logs, exec, attach, port-forward, and a page.
//!
//! Keeps: it answers nobody who does not prove to be the API server; what it does follows from the request alone:
//! `echo TEXT…` prints, `fail CODE` complains and ends with that code, `wait` does nothing for ever, and everything else repeats
//! its input.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Notify, broadcast},
};
use tokio_rustls::TlsAcceptor;

use crate::https;

mod channels;

/// Lines that a follower may be behind.
const LINES_MAX: usize = 64;

type Body = BoxBody<Bytes, Infallible>;

/// A running port.
pub struct KubeletPort {
    address: SocketAddr,
    pod: SocketAddr,
    certificate: String,
    port: Arc<Port>,
    runtime: tokio::runtime::Runtime,
}

struct Port {
    said: broadcast::Sender<String>,
    /// Somebody follows since it was last looked at.
    followed: Notify,
}

impl KubeletPort {
    /// Listens on an address, for an API server whose client certificate the authority (PEM) has signed.
    pub fn start(address: IpAddr, authority: &str) -> KubeletPort {
        let made = rcgen::generate_simple_self_signed([address.to_string()]).expect("an address is a name");
        let certificate = made.cert.pem();
        let tls = https::tls(Some(authority), &certificate, &made.signing_key.serialize_pem());
        let (said, _) = broadcast::channel(LINES_MAX);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        let bind = || runtime.block_on(TcpListener::bind((address, 0))).expect("a port is free");
        let (listener, of_pod) = (bind(), bind());
        let [address, pod] = [&listener, &of_pod].map(|bound| bound.local_addr().expect("it is bound"));
        let port = Arc::new(Port { said, followed: Notify::new() });
        let (same, started) = (port.clone(), port.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = of_pod.accept().await {
                tokio::spawn(serve(stream, same.clone()));
            }
        });
        runtime.spawn(async move {
            let acceptor = TlsAcceptor::from(tls);
            while let Ok((stream, _)) = listener.accept().await {
                let (accepting, port) = (acceptor.accept(stream), port.clone());
                tokio::spawn(async move {
                    // Who does not prove to be the API server is shown the door here.
                    if let Ok(stream) = accepting.await {
                        serve(stream, port).await;
                    }
                });
            }
        });
        KubeletPort { address, pod, certificate, port: started, runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a pod answers the same, to everybody and in plain HTTP.
    pub fn pod(&self) -> SocketAddr {
        self.pod
    }

    /// Its certificate, in PEM form, signed by itself.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Has every container print a line; answers how many followers hear it.
    pub fn say(&self, line: &str) -> usize {
        self.port.said.send(format!("{line}\n")).unwrap_or(0)
    }

    /// Waits until somebody follows a log.
    pub fn await_follower(&self) {
        while self.port.said.receiver_count() == 0 {
            self.runtime.block_on(self.port.followed.notified());
        }
    }

    /// Waits until nobody follows a log any more.
    pub fn await_no_follower(&self) {
        self.runtime.block_on(self.port.said.closed());
    }
}

/// An address of this machine that others may be led to, if it has one: not the loopback's.
pub fn own_address() -> Option<IpAddr> {
    // Nothing is sent: the system only looks for the way.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, port: Arc<Port>) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let port = port.clone();
        async move { Ok::<_, Infallible>(port.answer(request).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = connection.with_upgrades().await;
}

impl Port {
    async fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let parameters = parameters(request.uri().query().unwrap_or(""));
        let has = |name: &str| parameters.iter().any(|(key, _)| key == name);
        if let Some(protocol) = request.headers().get(header::UPGRADE).cloned() {
            return match protocol.as_bytes() {
                b"websocket" => channels::open(&mut request, parameters),
                b"SPDY/3.1" => channels::repeat(&mut request),
                _ => text(StatusCode::BAD_REQUEST, "this protocol is not spoken here"),
            };
        }
        match path.split('/').nth(1).unwrap_or("") {
            "containerLogs" if path.ends_with("/broken") => text(
                StatusCode::BAD_REQUEST,
                "container \"broken\" in pod \"web\" is waiting to start: ContainerCreating",
            ),
            "containerLogs" if has("follow") => self.follow(),
            "containerLogs" => text(StatusCode::OK, &format!("{path} {parameters:?}\n")),
            "leave" => {
                let mut response = text(StatusCode::FOUND, "");
                response.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/page"));
                response
            }
            "page" => text(StatusCode::OK, "a page\n"),
            "seen" => seen(request).await,
            _ => text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }

    /// What is said from now on.
    fn follow(&self) -> Response<Body> {
        let said = self.said.subscribe();
        self.followed.notify_one();
        let lines = futures_util::stream::unfold(said, |mut said| async move {
            let line = said.recv().await.ok()?;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(line))), said))
        });
        Response::new(BodyExt::boxed(StreamBody::new(lines)))
    }
}

/// Tells what came in.
async fn seen(request: Request<Incoming>) -> Response<Body> {
    let method: Method = request.method().clone();
    let uri = request.uri().to_string();
    let headers: HeaderMap = request.headers().clone();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut names: Vec<&str> = headers.keys().map(header::HeaderName::as_str).collect();
    names.sort_unstable();
    text(StatusCode::OK, &format!("{method} {uri} {} {}\n", body.len(), names.join(",")))
}

fn text(code: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(BodyExt::boxed(Full::new(Bytes::copy_from_slice(text.as_bytes()))));
    *response.status_mut() = code;
    response
}

/// The decoded parameters of a query.
fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or("").replace('+', " ").into_bytes();
    for piece in pieces {
        let (code, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).expect("two digits follow a percent sign"));
        bytes.extend(rest.replace('+', " ").bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
