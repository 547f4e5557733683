//! The hash by which a node that joins knows the cluster's authority before it trusts it: `sha256:` and the hexadecimal
//! SHA-256 of the certificate's subject public key info, as kubeadm's `--discovery-token-ca-cert-hash`. Keeps: it names a
//! key, so a certificate made anew with the same key keeps its hash.

use std::{fmt, str::FromStr};

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{Error, Result};

const PREFIX: &str = "sha256:";
const LENGTH: usize = 32;

/// The hash of an authority's public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityHash([u8; LENGTH]);

impl AuthorityHash {
    /// The hash of a certificate's key; `None` when it is no certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<AuthorityHash> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        Some(AuthorityHash(Sha256::digest(certificate.public_key().raw).into()))
    }
}

impl FromStr for AuthorityHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<AuthorityHash> {
        let digits = text.strip_prefix(PREFIX).unwrap_or_default().as_bytes();
        let mut hash = [0; LENGTH];
        if digits.len() != 2 * LENGTH {
            return Err(Error::AuthorityHash);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(Error::AuthorityHash);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(AuthorityHash(hash))
    }
}

impl fmt::Display for AuthorityHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_and_others_are_refused() {
        let text = format!("sha256:{}", "0f".repeat(32));
        assert_eq!(text.parse::<AuthorityHash>().unwrap().to_string(), text);
        assert_eq!(
            text.parse::<AuthorityHash>().unwrap(),
            format!("sha256:{}", "0F".repeat(32)).parse().unwrap()
        );
        for text in [
            "",
            "sha256:",
            "sha512:00",
            &"00".repeat(32),
            &format!("sha256:{}", "0g".repeat(32)),
            &format!("sha256:{}", "é".repeat(32)),
        ] {
            assert!(text.parse::<AuthorityHash>().is_err(), "{text}");
        }
    }
}
