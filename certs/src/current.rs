//! The certificate that a TLS configuration uses, exchanged while it is in use.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{Result, leaf::Issued, server_tls::certified_key};

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
