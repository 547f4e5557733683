//! The keys of service-account tokens, from the `pki` directory to the API server. Keeps: the private key stays in `certs`.

use pintle_apiserver::service_account::{Signer, Tokens};
use pintle_certs::{Pki, ServiceAccountKeys};

use crate::error::Error;

struct Keys(ServiceAccountKeys);

impl Signer for Keys {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.sign(message).map_err(|error| error.to_string())
    }
}

/// The tokens of `issuers`, signed with the key of the directory.
pub(crate) fn tokens(issuers: &[String], pki: &Pki) -> Result<Tokens, Error> {
    let keys = pki.service_account_keys()?;
    let believed = keys.believed().to_vec();
    Tokens::new(issuers.to_vec(), &believed, Keys(keys)).map_err(Error::ServiceAccountKeys)
}
