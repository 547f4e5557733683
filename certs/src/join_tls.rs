//! TLS of a node that joins: once without knowing whom it talks to, to fetch a certificate that anybody may have, and
//! then trusting exactly the authority that the operator named by its hash. Keeps: no configuration here trusts what
//! the hash does not name, except the one whose name says so.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};

use crate::{AuthorityHash, Error, Result};

/// For a connection on which nothing secret is sent, and nothing that is received is believed without its hash.
pub fn unverified_client() -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(anybody(provider))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Believes every server that has the key of the certificate it shows.
pub(crate) fn anybody(provider: Arc<CryptoProvider>) -> Arc<dyn ServerCertVerifier> {
    Arc::new(Anybody { provider })
}

/// For connections to servers of one authority, whose certificate must have this hash.
pub fn pinned_client(authority_pem: &str, hash: AuthorityHash) -> Result<ClientConfig> {
    let wrong = || Error::WrongAuthority { expected: hash.to_string() };
    let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes()).map_err(|_| wrong())?;
    if AuthorityHash::of(&authority) != Some(hash) {
        return Err(wrong());
    }
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Believes every certificate.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::{ClientConnection, ServerConnection};
    use tempfile::TempDir;

    use super::*;
    use crate::{Pki, ServerNames, ServerTls};

    /// TLS judges certificates by the system's time.
    #[allow(clippy::disallowed_methods, reason = "the certificates must be valid while the test runs")]
    fn cluster() -> (TempDir, Pki, ServerTls) {
        let directory = TempDir::new().unwrap();
        let now = jiff::Timestamp::now();
        let (pki, tls) = Pki::open_or_create(directory.path(), &ServerNames::new(), now).unwrap();
        (directory, pki, tls)
    }

    fn connects(config: ClientConfig, server: &ServerTls) -> bool {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut server = ServerConnection::new(server.config()).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut flight = Vec::new();
            client.write_tls(&mut flight).unwrap();
            server.read_tls(&mut flight.as_slice()).unwrap();
            if server.process_new_packets().is_err() {
                return false;
            }
            let mut flight = Vec::new();
            server.write_tls(&mut flight).unwrap();
            client.read_tls(&mut flight.as_slice()).unwrap();
            if client.process_new_packets().is_err() {
                return false;
            }
        }
        true
    }

    #[test]
    fn only_the_authority_that_the_hash_names_is_trusted() {
        let [(_first, pki, tls), (_second, other, foreign)] = [cluster(), cluster()];
        let hash = pki.authority_hash().unwrap();
        assert!(connects(pinned_client(pki.authority_pem(), hash).unwrap(), &tls));
        assert!(!connects(pinned_client(pki.authority_pem(), hash).unwrap(), &foreign));
        for pem in [other.authority_pem(), "nothing"] {
            assert!(matches!(pinned_client(pem, hash), Err(Error::WrongAuthority { .. })));
        }
        assert!(
            connects(unverified_client().unwrap(), &tls) && connects(unverified_client().unwrap(), &foreign)
        );
    }
}
