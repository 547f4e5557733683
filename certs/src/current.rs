//! The certificate that a TLS configuration uses, exchanged while it is in use.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{Error, Result, leaf::Issued};

/// The certificate in use, for both directions.
#[derive(Debug)]
pub(crate) struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    pub(crate) fn new(issued: &Issued, provider: &CryptoProvider) -> Result<Current> {
        Ok(Current(RwLock::new(certified_key(issued, provider)?)))
    }

    /// Connections that are open keep what they began with.
    pub(crate) fn replace(&self, issued: &Issued, provider: &CryptoProvider) -> Result<()> {
        let key = certified_key(issued, provider)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }

    fn key(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certified_key(issued: &Issued, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>> {
    let unreadable = |_| Error::Crypto("the certificate that this node shows cannot be read".to_owned());
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).map_err(unreadable)?;
    Ok(Arc::new(CertifiedKey::from_der(vec![certificate], key, provider)?))
}
