//! The certificate that the API server shows to other API servers: whoever believes it believes what the server says of its
//! users.

use std::sync::Arc;

use rustls::{client::ResolvesClientCert, crypto::ring};

use crate::{Result, current::Current, leaf::Issued};

/// The front proxy's certificate in use. It stays the same when it is renewed.
#[derive(Debug)]
pub struct FrontProxy {
    current: Arc<Current>,
}

impl FrontProxy {
    pub(crate) fn new(issued: &Issued) -> Result<FrontProxy> {
        Ok(FrontProxy { current: Arc::new(Current::new(issued, &ring::default_provider())?) })
    }

    /// For connections to other API servers.
    pub fn proof(&self) -> Arc<dyn ResolvesClientCert> {
        self.current.clone()
    }

    pub(crate) fn replace(&self, issued: &Issued) -> Result<()> {
        self.current.replace(issued, &ring::default_provider())
    }
}
