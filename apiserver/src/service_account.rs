//! Service account tokens: who issues them, with which keys, and what they say.
//!
//! Keeps: the private key stays with the [`Signer`]; everything here works on public keys. A token is a JSON Web
//! Token with upstream's claims, so other servers with the same keys believe it and the other way round.

use std::fmt;
use std::sync::Arc;

use crate::user::User;

pub mod claims;
pub mod discovery;
pub(crate) mod jwt;
pub(crate) mod last_use;
mod public_key;
mod verified;

pub use claims::Claims;
pub use public_key::{KeyError, PublicKey};
pub use verified::Verified;

use verified::Cache;

/// The issuer that tokens in Secrets name, the same in every cluster.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";
/// Annotation of a token's Secret: the account's name.
pub const ACCOUNT_NAME_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// Whoever has the private key.
pub trait Signer: Send + Sync {
    /// The signature of a message as JSON Web Signatures carry it (ES256, ES384 or RS256).
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String>;
}

/// The tokens of a cluster's service accounts.
pub struct Tokens {
    /// Who issues tokens: the first in new ones, all in those that are believed.
    issuers: Vec<String>,
    /// Whose signatures are believed; the signer's is the first.
    keys: Vec<PublicKey>,
    signer: Box<dyn Signer>,
    cache: Cache,
    /// Uses of tokens in Secrets that are to be written down.
    pub(crate) uses: last_use::Uses,
}

impl Tokens {
    /// Tokens of `issuers`, signed by `signer`, whose public key is the first of `keys` (DER of a SubjectPublicKeyInfo).
    pub fn new(
        issuers: Vec<String>,
        keys: &[Vec<u8>],
        signer: impl Signer + 'static,
    ) -> Result<Tokens, KeyError> {
        let keys = keys.iter().map(|der| PublicKey::read(der)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(KeyError::Missing);
        }
        Ok(Tokens {
            issuers,
            keys,
            signer: Box::new(signer),
            cache: Cache::default(),
            uses: last_use::Uses::default(),
        })
    }

    /// The issuer of new tokens.
    pub fn issuer(&self) -> &str {
        self.issuers.first().map_or("", String::as_str)
    }

    /// Whether tokens of `issuer` are issued here.
    pub fn is_issuer(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|own| own == issuer)
    }

    /// The keys that are believed.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// A token that says `claims`.
    pub fn issue(&self, claims: &Claims) -> Result<String, String> {
        let key = self.keys.first().ok_or("there is no key")?;
        jwt::sign(key, &*self.signer, claims)
    }

    /// What a token says, when one of the keys has signed it. `None` when it is no token that this cluster could have
    /// issued.
    pub fn verify(&self, token: &str) -> Option<Result<Arc<Verified>, String>> {
        if let Some(verified) = self.cache.find(token) {
            return Some(Ok(verified));
        }
        let parts = jwt::Parts::split(token)?;
        let claims = parts.claims()?;
        if !self.is_issuer(&claims.iss) && claims.iss != LEGACY_ISSUER {
            return None;
        }
        if let Err(why) = parts.verify(&self.keys) {
            return Some(Err(why));
        }
        let verified = Arc::new(Verified::new(claims));
        self.cache.keep(token, verified.clone());
        Some(Ok(verified))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// The user that a service account is.
pub fn user(namespace: &str, name: &str, uid: &str) -> User {
    User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: uid.to_owned(),
        groups: vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
        ..User::default()
    }
}

#[cfg(test)]
pub(crate) mod tests;
