//! TLS of the API server: the serving certificate, exchanged while running, and the authority that client
//! certificates are checked against. Keeps: a client without a certificate is let in (it is anonymous), one with a
//! certificate of another authority is not.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{Error, Result, authority::Authority, leaf::Issued};

/// The TLS side of the API server's listener.
#[derive(Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    serving: Arc<Serving>,
}

impl ServerTls {
    pub(crate) fn new(issued: &Issued, clients: &Authority) -> Result<ServerTls> {
        let provider = Arc::new(ring::default_provider());
        let serving = Arc::new(Serving { current: RwLock::new(certified_key(issued, &provider)?) });
        let mut roots = RootCertStore::empty();
        roots.add(clients.der().clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| Error::Crypto(error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(serving.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // client-go does not resume sessions, and a resumed one would outlive the client's certificate.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(ServerTls { config: Arc::new(config), serving })
    }

    /// The configuration for the listener. It stays the same when the certificate is renewed.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    pub(crate) fn replace(&self, issued: &Issued) -> Result<()> {
        let key = certified_key(issued, self.config.crypto_provider())?;
        *self.serving.current.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }
}

#[derive(Debug)]
struct Serving {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn certified_key(issued: &Issued, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>> {
    let unreadable = |_| Error::Crypto("the serving certificate cannot be read".to_owned());
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).map_err(unreadable)?;
    Ok(Arc::new(CertifiedKey::from_der(vec![certificate], key, provider)?))
}
