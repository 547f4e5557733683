//! One HTTP/2 connection over TLS, as client-go opens it: one per host, many streams, large windows.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header, response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Error, Result};
use crate::kubeconfig::Kubeconfig;

const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;
/// Bodies up to this size are kept for the scenario to look at; longer ones are only counted.
const KEPT_BODY_BYTES_MAX: usize = 64 << 10;

/// What is needed to open connections to one server as one user.
#[derive(Clone)]
pub struct Endpoint {
    server: String,
    address: String,
    name: ServerName<'static>,
    tls: TlsConnector,
    authorization: Option<String>,
}

/// An open connection. Cloning shares it.
#[derive(Clone)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    endpoint: Arc<Endpoint>,
}

/// One request, without what is the same for all.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Media type of the body.
    pub content_type: &'static str,
    /// Media type asked for.
    pub accept: &'static str,
    /// Whether a compressed answer is welcome.
    pub gzip: bool,
    /// The body.
    pub body: Bytes,
}

/// An answer that was read to its end.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Bytes of the body as sent.
    pub length: usize,
    /// The body if it is small, otherwise its beginning.
    pub body: Vec<u8>,
}

/// An answer of whatever code.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The code.
    pub status: StatusCode,
    /// Texts of Warning headers.
    pub warnings: Vec<String>,
    /// The whole body.
    pub body: Bytes,
}

impl Call {
    /// A GET for JSON.
    pub fn get(path: impl Into<String>) -> Call {
        Call {
            method: Method::GET,
            path: path.into(),
            content_type: "",
            accept: "application/json",
            gzip: false,
            body: Bytes::new(),
        }
    }

    /// A POST, PUT or PATCH.
    pub fn send(
        method: Method,
        path: impl Into<String>,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Call {
        Call { method, content_type, body: body.into(), ..Call::get(path) }
    }
}

impl Endpoint {
    /// The server and user of a kubeconfig.
    pub fn new(kubeconfig: &Kubeconfig) -> Result<Endpoint> {
        let unusable = |what: &str| Error::Kubeconfig(what.to_owned());
        let authority =
            kubeconfig.server.strip_prefix("https://").ok_or_else(|| unusable("no https server"))?;
        let authority = authority.split('/').next().unwrap_or(authority);
        let (host, address) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => {
                (host, authority.to_owned())
            }
            _ => (authority, format!("{authority}:443")),
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(kubeconfig.authority.as_bytes()) {
            let certificate = certificate.map_err(|error| Error::Kubeconfig(error.to_string()))?;
            roots.add(certificate).map_err(|error| Error::Kubeconfig(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Kubeconfig(error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match &kubeconfig.client {
            Some((chain, key)) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
                let chain = chain.map_err(|error| Error::Kubeconfig(error.to_string()))?;
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                    .map_err(|error| Error::Kubeconfig(error.to_string()))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| Error::Kubeconfig(error.to_string()))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
        Ok(Endpoint {
            server: kubeconfig.server.clone(),
            address,
            name: name.map_err(|_| unusable("its server has no valid host name"))?,
            tls: TlsConnector::from(Arc::new(config)),
            authorization: kubeconfig.token.as_ref().map(|token| format!("Bearer {token}")),
        })
    }

    /// `HOST:PORT` that connections go to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Opens a connection.
    pub async fn connect(self: &Arc<Endpoint>) -> Result<Connection> {
        let failed = || Error::io(format!("connecting to {}", self.address));
        let stream = TcpStream::connect(&self.address).await.map_err(failed())?;
        stream.set_nodelay(true).map_err(failed())?;
        let stream = self.tls.connect(self.name.clone(), stream).await.map_err(failed())?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        // Its error reaches every request that is under way on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { sender, endpoint: self.clone() })
    }
}

impl Connection {
    /// Sends a request and reads the answer to its end; anything but success is an error.
    pub async fn call(&mut self, call: &Call) -> Result<Answer> {
        let (head, mut incoming) = self.send(call).await?;
        let status = head.status;
        let mut answer = Answer::default();
        while let Some(frame) = incoming.frame().await {
            let frame = frame?;
            if let Some(data) = frame.data_ref() {
                answer.length += data.len();
                if answer.body.len() < KEPT_BODY_BYTES_MAX {
                    answer.body.extend_from_slice(data);
                }
            }
        }
        if status.is_success() {
            return Ok(answer);
        }
        let body: String = String::from_utf8_lossy(&answer.body).chars().take(400).collect();
        Err(Error::Answer { request: format!("{} {}", call.method, call.path), status, body })
    }

    /// Sends a request whose answer goes on, and hands over its body once it began with success.
    pub async fn stream(&mut self, call: &Call) -> Result<Incoming> {
        let (head, incoming) = self.send(call).await?;
        let status = head.status;
        if status.is_success() {
            return Ok(incoming);
        }
        let body = incoming.collect().await?.to_bytes();
        let body: String = String::from_utf8_lossy(&body).chars().take(400).collect();
        Err(Error::Answer { request: format!("{} {}", call.method, call.path), status, body })
    }

    /// Sends a request and reads the answer to its end, whatever it is.
    pub async fn exchange(&mut self, call: &Call) -> Result<Exchange> {
        let (head, incoming) = self.send(call).await?;
        let warnings = head.headers.get_all(header::WARNING).iter();
        let warnings = warnings.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()).collect();
        Ok(Exchange { status: head.status, warnings, body: incoming.collect().await?.to_bytes() })
    }

    async fn send(&mut self, call: &Call) -> Result<(response::Parts, Incoming)> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.endpoint.server, call.path))
            .header(header::ACCEPT, call.accept)
            .header(header::USER_AGENT, "pintle-load");
        if !call.content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, call.content_type);
        }
        if call.gzip {
            request = request.header(header::ACCEPT_ENCODING, "gzip");
        }
        if let Some(authorization) = &self.endpoint.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(call.body.clone()));
        let request = request.map_err(|error| Error::Kubeconfig(error.to_string()))?;
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        Ok((head, body))
    }
}
