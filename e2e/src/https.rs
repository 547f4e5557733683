//! A server over HTTPS whose answers a test makes: what users run beside a cluster.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A request.
pub struct Received {
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

/// A running server.
pub struct HttpsServer {
    address: SocketAddr,
    certificate: String,
    _runtime: tokio::runtime::Runtime,
}

impl HttpsServer {
    /// Listens on an address, with a certificate that is its own authority and is for the address and `names`. With an
    /// authority (PEM), it answers only clients whose certificate that has signed. Answers are status code and JSON.
    pub fn start(
        address: IpAddr,
        names: &[&str],
        authority: Option<&str>,
        answer: impl Fn(Received) -> (u16, String) + Send + Sync + 'static,
    ) -> HttpsServer {
        let names = names.iter().map(|name| (*name).to_owned()).chain([address.to_string()]);
        let mut parameters =
            rcgen::CertificateParams::new(names.collect::<Vec<_>>()).expect("these are names");
        // As `openssl req -x509` has it.
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key can be made");
        let certificate = parameters.self_signed(&key).expect("it signs itself").pem();
        let acceptor = TlsAcceptor::from(tls(authority, &certificate, &key.serialize_pem()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        let listener = runtime.block_on(TcpListener::bind((address, 0))).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let answer = Arc::new(answer);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (accepting, answer) = (acceptor.accept(stream), answer.clone());
                tokio::spawn(async move {
                    let Ok(stream) = accepting.await else { return };
                    let service = hyper::service::service_fn(move |request| {
                        let answer = answer.clone();
                        async move { Ok::<_, Infallible>(respond(request, &*answer).await) }
                    });
                    let serving = hyper::server::conn::http1::Builder::new();
                    let _ = serving.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        HttpsServer { address, certificate, _runtime: runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its certificate (PEM).
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// `caBundle`: its certificate, PEM in base64.
    pub fn bundle(&self) -> String {
        STANDARD.encode(&self.certificate)
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: &(impl Fn(Received) -> (u16, String) + ?Sized),
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (code, text) = answer(Received { path, headers: parts.headers, body });
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = code.try_into().expect("it is a status code");
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// The TLS of a server with this certificate and key (PEM). With an authority, clients need a certificate of it.
pub(crate) fn tls(authority: Option<&str>, certificate: &str, key: &str) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("it was just made");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("it was just made");
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has them");
    let builder = match authority {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let authority =
                CertificateDer::from_pem_slice(authority.as_bytes()).expect("the server wrote it");
            roots.add(authority).expect("it is an authority");
            let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(clients.expect("there is an authority"))
        }
    };
    Arc::new(builder.with_single_cert(vec![certificate], key).expect("they belong together"))
}
