//! A provider's published keys, and what they have signed.
//!
//! Keeps: a signature counts only under an algorithm that the configuration allows and that the key's own kind has.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::Value;

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA (PKCS #1 v1.5) with SHA-256.
    Rs256,
    /// The same with SHA-384.
    Rs384,
    /// The same with SHA-512.
    Rs512,
    /// RSA (PSS) with SHA-256.
    Ps256,
    /// The same with SHA-384.
    Ps384,
    /// The same with SHA-512.
    Ps512,
    /// The curve P-256 with SHA-256.
    Es256,
    /// The curve P-384 with SHA-384.
    Es384,
}

impl Algorithm {
    /// All that are known here.
    pub const ALL: [Algorithm; 8] = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
    ];

    /// `RS256` …
    pub fn parse(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// As headers of tokens name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
        }
    }

    fn of_rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 | Algorithm::Es384 => None,
        }
    }

    fn of_curve(self, curve: Curve) -> Option<&'static dyn VerificationAlgorithm> {
        match (self, curve) {
            (Algorithm::Es256, Curve::P256) => Some(&signature::ECDSA_P256_SHA256_FIXED),
            (Algorithm::Es384, Curve::P384) => Some(&signature::ECDSA_P384_SHA384_FIXED),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Curve {
    P256,
    P384,
}

#[derive(Debug)]
enum Kind {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, point: Vec<u8> },
}

/// A key and what tokens name it by.
#[derive(Debug)]
pub(super) struct Key {
    id: String,
    kind: Kind,
}

/// All keys of a provider.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// A JSON Web Key; what is not for signatures, or of a kind that is not known here, is passed over.
#[derive(Deserialize)]
struct Published {
    #[serde(default)]
    kid: String,
    #[serde(default)]
    kty: String,
    #[serde(default, rename = "use")]
    purpose: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

impl Published {
    fn into_key(self) -> Option<Key> {
        if !matches!(self.purpose.as_str(), "" | "sig") {
            return None;
        }
        let number = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
            let first = bytes.iter().position(|byte| *byte != 0)?;
            Some(bytes[first..].to_vec())
        };
        let kind = match (self.kty.as_str(), self.crv.as_str()) {
            ("RSA", _) => Kind::Rsa { n: number(&self.n)?, e: number(&self.e)? },
            ("EC", "P-256") => Kind::Ec { curve: Curve::P256, point: point(&self.x, &self.y, 32)? },
            ("EC", "P-384") => Kind::Ec { curve: Curve::P384, point: point(&self.x, &self.y, 48)? },
            _ => return None,
        };
        Some(Key { id: self.kid, kind })
    }
}

/// A point as `ring` takes it.
fn point(x: &str, y: &str, length: usize) -> Option<Vec<u8>> {
    let mut point = vec![4];
    for coordinate in [x, y] {
        let bytes = URL_SAFE_NO_PAD.decode(coordinate.trim_end_matches('=')).ok()?;
        point.extend(std::iter::repeat_n(0, length.checked_sub(bytes.len())?));
        point.extend(bytes);
    }
    Some(point)
}

impl Keys {
    /// Reads a JSON Web Key Set.
    pub(super) fn read(json: &[u8]) -> Result<Keys, String> {
        let set: KeySet = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let published = set.keys.into_iter().filter_map(|mut key| {
            key.as_object_mut()?.retain(|_, value| !value.is_null());
            serde_json::from_value::<Published>(key).ok()
        });
        Ok(Keys(published.filter_map(Published::into_key).collect()))
    }

    /// Whether one of them, of that id if one is named, has signed a message.
    pub(super) fn have_signed(
        &self,
        id: &str,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let mut named = self.0.iter().filter(|key| id.is_empty() || key.id == id);
        named.any(|key| match &key.kind {
            Kind::Rsa { n, e } => algorithm.of_rsa().is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }),
            Kind::Ec { curve, point } => algorithm
                .of_curve(*curve)
                .is_some_and(|of| UnparsedPublicKey::new(of, point).verify(message, signature).is_ok()),
        })
    }
}
