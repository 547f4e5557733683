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
    use rustls_pki_types::pem::PemObject;

    use super::*;

    /// An authority as this crate makes it, and what `openssl pkey -pubin -outform der | sha256sum` says of its key.
    const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjzCCATSgAwIBAgIUSReH3wfCWKmYBxk68dNsske1jxcwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNa3ViZXJuZXRlcy1jYTAeFw0yNjExMjExODQ3MDVaFw0zNjEx
MTgxOTQ3MDVaMBgxFjAUBgNVBAMMDWt1YmVybmV0ZXMtY2EwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAATNhhFhI6tCbEmPQouYAQdCfcl342tzTtnJcDQ9Qsg5/Pvy
R5Zr4D21v8FyPebTw00bAp6C6N1w0e74iiWnHk4Ro1wwWjAYBgNVHREEETAPgg1r
dWJlcm5ldGVzLWNhMA4GA1UdDwEB/wQEAwIBhjAdBgNVHQ4EFgQUr15Sf81OMQ9b
Um2mV4zGzSkiPNwwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA
j6nJ/N+ihUGD94QOje61NfbXnrgU11MuOCnJa8SDbb4CIQCe567TsF54Vo6U+IQ0
NwSvqd/xy9bPAkd7VSOwBVcnbA==
-----END CERTIFICATE-----";
    const HASH: &str = "sha256:af5e527fcd4e310f5b526da6578cc6cd29223cdce14809ba59a6adbccad98bee";

    #[test]
    fn a_certificate_has_the_hash_that_openssl_computes() {
        let certificate = CertificateDer::from_pem_slice(AUTHORITY.as_bytes()).unwrap();
        assert_eq!(AuthorityHash::of(&certificate).unwrap().to_string(), HASH);
        assert_eq!(AuthorityHash::of(&CertificateDer::from(vec![0x30, 0])), None);
    }

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
