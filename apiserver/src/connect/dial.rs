//! Connections to others: TCP, TLS if they speak it, and one HTTP/1.1 exchange, since only that can go on in another protocol.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Outbound;
use crate::keep_alive;

/// How long it may take until a connection is open, TLS included.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Who is at the other end, which says what is shown to it and believed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Somebody who speaks plainly.
    None,
    /// A kubelet.
    Kubelets,
    /// A kubelet, whatever its certificate says.
    UncheckedKubelets,
    /// Anybody else.
    Others,
}

/// Where somebody listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A host name or an IP address.
    pub(super) host: String,
    /// As it was said; it may be none.
    pub(super) port: String,
    pub(super) tls: Tls,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Why there was no answer, as Go says it: people search for these words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("dial tcp: lookup tcp/{0}: unknown port")]
    Port(String),
    #[error("dial tcp: lookup {host}: {source}")]
    Lookup { host: String, source: io::Error },
    #[error("dial tcp {address}: {}", words(source))]
    Dial { address: String, source: io::Error },
    #[error("{}", words(.0))]
    Tls(io::Error),
    #[error("{}", cause(.0))]
    Http(hyper::Error),
}

/// What is behind the general words.
pub(crate) fn cause(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) => words(source),
        None if error.is_incomplete_message() => "EOF".to_owned(),
        None => error.to_string(),
    }
}

/// What went wrong below.
pub(crate) fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "read: connection reset by peer".to_owned(),
        io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        _ => error.to_string(),
    }
}

impl Address {
    /// The addresses behind the name.
    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let port: u16 = self.port.parse().map_err(|_| Failure::Port(self.port.clone()))?;
        let found = lookup_host((self.host.as_str(), port)).await;
        let found = found.map_err(|source| Failure::Lookup { host: self.host.clone(), source })?;
        Ok(found.collect())
    }

    /// Sends a request over a connection of its own. What is left of the connection belongs to the answer.
    pub(super) async fn send(
        &self,
        outbound: &Outbound,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Failure> {
        let timed_out =
            |_| Failure::Dial { address: self.to_string(), source: io::ErrorKind::TimedOut.into() };
        let opening = async {
            let stream = self.open().await?;
            let tls = match self.tls {
                Tls::None => return handshake(stream).await,
                Tls::Kubelets => &outbound.configurations.kubelets,
                Tls::UncheckedKubelets => &outbound.configurations.unchecked_kubelets,
                Tls::Others => &outbound.configurations.others,
            };
            let unnamed = |error| Failure::Tls(io::Error::new(io::ErrorKind::InvalidInput, error));
            let name = ServerName::try_from(self.host.clone()).map_err(unnamed)?;
            let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
            handshake(stream.map_err(Failure::Tls)?).await
        };
        let mut sender = timeout(OPEN_TIMEOUT, opening).await.map_err(timed_out)??;
        sender.send_request(request).await.map_err(Failure::Http)
    }

    async fn open(&self) -> Result<TcpStream, Failure> {
        let addresses = self.resolve().await?;
        let failed = |source| Failure::Dial { address: self.to_string(), source };
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(failed)?;
        // Keys are pressed one by one.
        let _ = stream.set_nodelay(true);
        // A node without power says nothing.
        keep_alive::ask_often(&stream);
        Ok(stream)
    }
}

async fn handshake<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
) -> Result<http1::SendRequest<Body>, Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Http)?;
    // It ends when what is sent and what is answered have; what goes wrong is seen by whoever waits for the answer.
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}
