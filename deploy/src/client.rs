//! A small HTTPS client: one request on one connection, for commands and for nodes that join.
//!
//! Keeps: connecting and answers have limits; what the server says is wrong is passed on in its own words.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{address::HostPort, kubeconfig_file::KubeconfigFile, wire};

/// How long connecting may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the beginning of an answer may take; a server gives up before.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(65);
/// No answer that is read as a whole is larger.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Why a request was not answered as it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody answers there.
    #[error("{address} cannot be reached ({source}): is the server running, and is the address right?")]
    Unreachable { address: HostPort, source: io::Error },
    /// It took too long.
    #[error("{address} does not answer in time: is it overloaded, or without a leader?")]
    Late { address: HostPort },
    /// Its certificate is not valid yet, or no longer.
    #[error(
        "the certificate of {address} is not valid at this machine's time: set the clocks of both machines, for example with an NTP service, or renew it with `pintle certs renew`"
    )]
    Clock { address: HostPort },
    /// Its certificate is valid for other names.
    #[error("the certificate of {address} does not name {}: use another address of that server, or start it with --san {}", .address.host, .address.host)]
    Name { address: HostPort },
    /// Its certificate is of another authority.
    #[error(
        "{address} belongs to another cluster, or somebody else answers there: its certificate is not of the expected authority"
    )]
    Authority { address: HostPort },
    /// The connection failed.
    #[error("the connection with {address} failed: {why}")]
    Broken { address: HostPort, why: String },
    /// The server refuses.
    #[error("{message}")]
    Refused { code: StatusCode, message: String },
    /// The answer is none of ours.
    #[error("{address} answers something else than a pintle server of this version: {why}")]
    Strange { address: HostPort, why: String },
}

impl ClientError {
    /// Whether nothing is known of the request, so that another server may be asked.
    pub(crate) fn is_unanswered(&self) -> bool {
        use ClientError::{Broken, Late, Unreachable};
        matches!(self, Unreachable { .. } | Late { .. } | Broken { .. })
    }

    /// The HTTP status code of a refusal.
    pub(crate) fn code(&self) -> Option<StatusCode> {
        match self {
            ClientError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// Speaks to one server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: HostPort,
    tls: Arc<ClientConfig>,
    token: Option<String>,
    token_header: HeaderName,
}

impl Client {
    pub(crate) fn new(address: HostPort, tls: Arc<ClientConfig>, token: Option<String>) -> Client {
        Client { address, tls, token, token_header: header::AUTHORIZATION }
    }

    /// The same client as nobody, who asks about its token.
    pub(crate) fn about_token(&self) -> Client {
        Client { token_header: HeaderName::from_static(wire::TOKEN_HEADER), ..self.clone() }
    }

    /// The client of a kubeconfig's user.
    pub(crate) fn of(file: &KubeconfigFile) -> Result<Client, crate::error::Error> {
        Ok(Client::new(file.server.clone(), file.tls()?, file.token.clone()))
    }

    /// The same client for another server.
    pub(crate) fn at(&self, address: HostPort) -> Client {
        Client { address, ..self.clone() }
    }

    /// A request whose answer is read as JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::GET, path, Bytes::new()).await
    }

    /// A request with a body whose answer is read as JSON.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(&error))?;
        self.json(Method::POST, path, Bytes::from(body)).await
    }

    /// A deletion.
    pub(crate) async fn delete(&self, path: &str) -> Result<serde_json::Value, ClientError> {
        self.json(Method::DELETE, path, Bytes::new()).await
    }

    /// A text.
    pub(crate) async fn text(&self, path: &str) -> Result<String, ClientError> {
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        let body = self.read(answer.into_body()).await?;
        String::from_utf8(body.into()).map_err(|error| self.strange(&error))
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let answer = self.send(method, path, body).await?;
        let body = self.read(answer.into_body()).await?;
        serde_json::from_slice(&body).map_err(|error| self.strange(&error))
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, ClientError> {
        let reading = Limited::new(body, ANSWER_BYTES_MAX).collect();
        let read = tokio::time::timeout(ANSWER_TIMEOUT, reading).await.map_err(|_| self.late())?;
        read.map(http_body_util::Collected::to_bytes).map_err(|error| self.broken(&error))
    }

    /// Sends a request; the body of a good answer is still to be read.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut sender = tokio::time::timeout(CONNECT_TIMEOUT, self.connect()).await.map_err(|_| {
            let source = io::Error::from(io::ErrorKind::TimedOut);
            ClientError::Unreachable { address: self.address.clone(), source }
        })??;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::USER_AGENT, concat!("pintle/", env!("CARGO_PKG_VERSION")))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        if let Some(token) = &self.token {
            let scheme = if self.token_header == header::AUTHORIZATION { "Bearer " } else { "" };
            request = request.header(&self.token_header, format!("{scheme}{token}"));
        }
        let request = request.body(Full::new(body)).map_err(|error| self.broken(&error))?;
        let answering = sender.send_request(request);
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, answering).await.map_err(|_| self.late())?;
        let answer = answer.map_err(|error| self.broken(&error))?;
        let code = answer.status();
        if code.is_success() {
            return Ok(answer);
        }
        let body = self.read(answer.into_body()).await?;
        Err(ClientError::Refused { code, message: message_of(&body, code) })
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>, ClientError> {
        let unreachable = |source| ClientError::Unreachable { address: self.address.clone(), source };
        let HostPort { host, port } = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
        // Requests are small and alone on their connection.
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(host.clone()).map_err(|error| self.broken(&error))?;
        let tls = TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await
            .map_err(|error| self.handshake_failed(error))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(tls)).await.map_err(|error| self.broken(&error))?;
        // It ends with the answer; what goes wrong is seen by whoever waits for that.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn handshake_failed(&self, error: io::Error) -> ClientError {
        use rustls::CertificateError as Why;
        let address = self.address.clone();
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(why)) => match why {
                Why::Expired
                | Why::ExpiredContext { .. }
                | Why::NotValidYet
                | Why::NotValidYetContext { .. } => ClientError::Clock { address },
                Why::NotValidForName | Why::NotValidForNameContext { .. } => ClientError::Name { address },
                _ => ClientError::Authority { address },
            },
            Some(other) => self.broken(other),
            None => self.broken(&error),
        }
    }

    fn late(&self) -> ClientError {
        ClientError::Late { address: self.address.clone() }
    }

    fn broken(&self, why: &impl ToString) -> ClientError {
        ClientError::Broken { address: self.address.clone(), why: why.to_string() }
    }

    fn strange(&self, why: &impl ToString) -> ClientError {
        ClientError::Strange { address: self.address.clone(), why: why.to_string() }
    }
}

/// What a refusal says: the message of a Status, or the text itself.
fn message_of(body: &[u8], code: StatusCode) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = status.as_ref().and_then(|status| status["message"].as_str());
    match message {
        Some(message) => message.to_owned(),
        None => format!("the server answers {code}"),
    }
}
