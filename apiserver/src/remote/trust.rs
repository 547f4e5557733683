//! Which certificates are believed.
//!
//! Keeps: a certificate that the bundle itself holds is believed to be who it says, be it its own authority: that is
//! what `openssl req -x509` makes and Go's clients take. Names and dates are checked all the same.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The roots of the machine. They are read when somebody first needs them.
static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

/// How a client believes in a bundle (PEM in base64), or in the machine's roots without one, or in everybody; and what it
/// proves itself with.
pub(super) fn configuration(
    bundle: &str,
    is_unchecked: bool,
    proof: Option<Arc<dyn ResolvesClientCert>>,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if bundle.is_empty() && !is_unchecked {
        builder.with_root_certificates(ROOTS.clone())
    } else {
        let verifier = Verifier::new(bundle, is_unchecked, provider)?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    };
    Ok(match proof {
        Some(proof) => builder.with_client_cert_resolver(proof),
        None => builder.with_no_client_auth(),
    })
}

#[derive(Debug)]
struct Verifier {
    /// `None` believes everybody.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    bundle: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(bundle: &str, is_unchecked: bool, provider: Arc<CryptoProvider>) -> Result<Verifier, String> {
        if is_unchecked {
            return Ok(Verifier { authorities: None, bundle: Vec::new(), provider });
        }
        let unreadable = "unable to load root certificates: unable to parse bytes as PEM block";
        let pem = base64::engine::general_purpose::STANDARD.decode(bundle).map_err(|_| unreadable)?;
        let bundle: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| unreadable)?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(bundle.iter().cloned());
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Verifier { authorities: Some(authorities), bundle, provider })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        let verified = authorities.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verified {
            Err(error) if self.bundle.iter().any(|known| known == end_entity) => {
                verify_known(end_entity, name, now, error)
            }
            // An authority of its own that nobody knows: what it is allowed to be does not matter then.
            Err(_) if is_self_signed(end_entity) => Err(CertificateError::UnknownIssuer.into()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| parsed.issuer() == parsed.subject())
}

/// What the bundle holds needs no issuer, but the right name and time.
fn verify_known(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
    unknown: Error,
) -> Result<ServerCertVerified, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| unknown)?;
    let (validity, now) = (parsed.validity(), now.as_secs() as i64);
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    Ok(ServerCertVerified::assertion())
}
