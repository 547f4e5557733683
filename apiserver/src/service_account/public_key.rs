//! The public keys of tokens: verification, ids, and their published form.
//!
//! Keeps: a key has one algorithm, given by its kind; its id is upstream's hash of its DER form.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey as Parsed;

/// A key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("no key for service account tokens was given")]
    Missing,
    /// It is not of a kind that is known here.
    #[error("a key for service account tokens is neither ECDSA (P-256, P-384) nor RSA")]
    Kind,
}

/// A key that tokens are verified with.
pub struct PublicKey {
    id: String,
    kind: Kind,
    /// As `ring` takes it: the point of an elliptic curve, or the DER of an RSA key.
    raw: Vec<u8>,
    published: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Rsa,
}

impl PublicKey {
    /// Reads the DER form of a SubjectPublicKeyInfo.
    pub fn read(der: &[u8]) -> Result<PublicKey, KeyError> {
        let (_, info) = SubjectPublicKeyInfo::from_der(der).map_err(|_| KeyError::Kind)?;
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(der));
        let raw = info.subject_public_key.data.to_vec();
        let (kind, numbers) = match info.parsed().map_err(|_| KeyError::Kind)? {
            Parsed::RSA(key) => {
                let number = |bytes: &[u8]| {
                    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
                    URL_SAFE_NO_PAD.encode(&bytes[first..])
                };
                (Kind::Rsa, json!({ "kty": "RSA", "n": number(key.modulus), "e": number(key.exponent) }))
            }
            Parsed::EC(point) => {
                let (kind, curve, length) = match point.data().len() {
                    65 => (Kind::P256, "P-256", 32),
                    97 => (Kind::P384, "P-384", 48),
                    _ => return Err(KeyError::Kind),
                };
                let (x, y) = point.data()[1..].split_at(length);
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
                (kind, json!({ "kty": "EC", "crv": curve, "x": x, "y": y }))
            }
            _ => return Err(KeyError::Kind),
        };
        let mut published = numbers;
        published["use"] = "sig".into();
        published["kid"] = id.as_str().into();
        published["alg"] = kind.algorithm().into();
        Ok(PublicKey { id, kind, raw, published })
    }

    /// What tokens name it by (`kid`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `ES256`, `ES384` or `RS256`.
    pub fn algorithm(&self) -> &'static str {
        self.kind.algorithm()
    }

    /// The key as JSON Web Key.
    pub fn published(&self) -> &Value {
        &self.published
    }

    /// Whether the signature of the message is this key's.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.kind.verification(), &self.raw).verify(message, signature).is_ok()
    }
}

impl Kind {
    fn algorithm(self) -> &'static str {
        match self {
            Kind::P256 => "ES256",
            Kind::P384 => "ES384",
            Kind::Rsa => "RS256",
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Kind::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            Kind::P384 => &signature::ECDSA_P384_SHA384_FIXED,
            Kind::Rsa => &signature::RSA_PKCS1_2048_8192_SHA256,
        }
    }
}
