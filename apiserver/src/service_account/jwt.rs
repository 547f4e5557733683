//! The compact form of JSON Web Signatures: header, payload and signature with dots between them.
//!
//! Keeps: nothing of a token is believed before its signature was verified by a key whose kind decides the
//! algorithm; what the header says of algorithms is only compared.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Claims, PublicKey, Signer};

/// Longer tokens are not read.
const TOKEN_BYTES_MAX: usize = 64 << 10;

/// How a token is signed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    /// `ES256` …
    pub(crate) alg: String,
    /// The key's id; may be empty.
    #[serde(default)]
    pub(crate) kid: String,
    /// What whoever reads it must know of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crit: Option<serde_json::Value>,
}

/// A token taken apart.
pub(crate) struct Parts<'a> {
    /// How it is signed.
    pub(crate) header: Header,
    /// What it says, as JSON.
    pub(crate) payload: Vec<u8>,
    /// What is signed.
    pub(crate) signed: &'a str,
    /// The signature.
    pub(crate) signature: Vec<u8>,
}

impl Parts<'_> {
    /// Takes apart what looks like a token.
    pub(crate) fn split(token: &str) -> Option<Parts<'_>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        Some(Parts {
            header: serde_json::from_slice(&decode(header)?).ok()?,
            payload: decode(payload)?,
            signed,
            signature: decode(signature)?,
        })
    }

    /// What it says, whoever says so.
    pub(super) fn claims(&self) -> Option<Claims> {
        serde_json::from_slice(&self.payload).ok()
    }

    /// Whether one of the keys has signed it: the one that the header names, or any of them.
    pub(super) fn verify(&self, keys: &[PublicKey]) -> Result<(), String> {
        let named = keys.iter().filter(|key| self.header.kid.is_empty() || key.id() == self.header.kid);
        let signed = |key: &PublicKey| {
            key.algorithm() == self.header.alg && key.has_signed(self.signed.as_bytes(), &self.signature)
        };
        let others = keys.iter().filter(|key| !self.header.kid.is_empty() && key.id() != self.header.kid);
        if named.chain(others).any(signed) {
            return Ok(());
        }
        Err("the token is not signed by a key of this cluster".to_owned())
    }
}

/// A signed token.
pub(super) fn sign(key: &PublicKey, signer: &dyn Signer, claims: &Claims) -> Result<String, String> {
    let header = Header { alg: key.algorithm().to_owned(), kid: key.id().to_owned(), crit: None };
    let encode = |json: serde_json::Result<Vec<u8>>| {
        json.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).map_err(|error| error.to_string())
    };
    let mut token = encode(serde_json::to_vec(&header))?;
    token.push('.');
    token.push_str(&encode(serde_json::to_vec(claims))?);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}
