//! TLS of the API server: the serving certificate, exchanged while running, and the authority that client
//! certificates are checked against. Keeps: the handshake succeeds with any certificate whose key the client has, and
//! without one; who the certificate proves is decided afterwards by [`ServerTls::clients`], so that a client with the
//! wrong one is told so in HTTP (401), as Kubernetes does, and not by a broken connection.

use std::sync::Arc;

use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::ring,
    server::{
        NoServerSessionStorage, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{Error, Result, authority::Authority, current::Current, leaf::Issued};

/// The TLS side of the API server's listener.
#[derive(Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    clients: Arc<dyn ClientCertVerifier>,
}

impl ServerTls {
    pub(crate) fn new(issued: &Issued, clients: &Authority) -> Result<ServerTls> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current::new(issued, &provider)?);
        let mut roots = RootCertStore::empty();
        roots.add(clients.der().clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| Error::Crypto(error.to_string()))?;
        let anybody = Arc::new(Anybody { clients: verifier.clone() });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(anybody)
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // client-go does not resume sessions, and a resumed one would outlive the client's certificate.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(ServerTls { config: Arc::new(config), current, clients: verifier })
    }

    /// Tells which client certificates are to be believed.
    pub fn clients(&self) -> Arc<dyn ClientCertVerifier> {
        self.clients.clone()
    }

    /// The configuration for the listener. It stays the same when the certificate is renewed.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    pub(crate) fn replace(&self, issued: &Issued) -> Result<()> {
        self.current.replace(issued, self.config.crypto_provider())
    }
}

/// Lets every certificate through the handshake, but nobody without its key.
#[derive(Debug)]
struct Anybody {
    clients: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.clients.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}
