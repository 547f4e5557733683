//! What controllers look at of a Secret. Keeps: no secret data but the expiration of a bootstrap token is held.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecow::{EcoString, eco_format};
use jiff::Timestamp;
use serde::Deserialize;

use crate::api::Resource;
use crate::digest::{Digest, Index, Term};

/// A Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Stored")]
pub struct Secret {
    /// `kubernetes.io/service-account-token` …
    pub kind: EcoString,
    /// The service account that a token's Secret names, as `namespace/name`.
    pub account: Option<EcoString>,
    /// The uid of that account, when the Secret says it.
    pub account_uid: EcoString,
    /// When a bootstrap token ends; none when it never does.
    pub expiration: Option<Expiration>,
}

/// The expiration of a bootstrap token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// It ends then.
    At(Timestamp),
    /// It says something that is no time.
    Malformed,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    metadata: Metadata,
    #[serde(rename = "type")]
    kind: EcoString,
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    namespace: EcoString,
    annotations: BTreeMap<EcoString, EcoString>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    expiration: Option<EcoString>,
}

impl Secret {
    const BY_ACCOUNT: Index = Index(1);
    /// The type of Secrets that hold tokens of service accounts.
    pub const SERVICE_ACCOUNT_TOKEN: &'static str = "kubernetes.io/service-account-token";
    /// The type of Secrets that hold bootstrap tokens.
    pub const BOOTSTRAP_TOKEN: &'static str = "bootstrap.kubernetes.io/token";

    /// The term of the tokens of a service account, `namespace/name`.
    pub fn account_term(account: &str) -> Term {
        Secret::BY_ACCOUNT.term(&[account])
    }
}

impl From<Stored> for Secret {
    fn from(stored: Stored) -> Secret {
        let annotation = |key: &str| stored.metadata.annotations.get(key).cloned().unwrap_or_default();
        let mut secret = Secret { kind: stored.kind, ..Secret::default() };
        match secret.kind.as_str() {
            Secret::SERVICE_ACCOUNT_TOKEN => {
                let name = annotation("kubernetes.io/service-account.name");
                secret.account = Some(eco_format!("{}/{name}", stored.metadata.namespace));
                secret.account_uid = annotation("kubernetes.io/service-account.uid");
            }
            Secret::BOOTSTRAP_TOKEN => {
                secret.expiration = stored
                    .data
                    .expiration
                    .filter(|text| !text.is_empty())
                    .map(|text| Expiration::read(&text));
            }
            _ => {}
        }
        secret
    }
}

impl Expiration {
    fn read(encoded: &str) -> Expiration {
        let text = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        text.and_then(|text| text.parse().ok()).map_or(Expiration::Malformed, Expiration::At)
    }
}

impl Digest for Secret {
    const RESOURCE: &'static Resource = &Resource::namespaced("", "v1", "secrets", "Secret");

    fn index(&self, put: &mut dyn FnMut(Term)) {
        if let Some(account) = &self.account {
            put(Secret::account_term(account));
        }
    }
}
