//! A certificate authority: a self-signed certificate and the key that signs leaves. Keeps: the two belong together.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{
    Error, Result,
    files::{self, Batch},
};

/// As kubeadm: authorities live ten years.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Certificates are valid from a while ago, because clocks of clients may be behind ours.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(3600);

pub(crate) struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// Where an authority's two files are.
struct Paths {
    certificate: PathBuf,
    key: PathBuf,
}

impl Paths {
    fn new(directory: &Path, stem: &str) -> Paths {
        Paths {
            certificate: directory.join(format!("{stem}.crt")),
            key: directory.join(format!("{stem}.key")),
        }
    }
}

impl Authority {
    /// The authority `<directory>/<stem>.crt` and `.key`, or an error that names the missing file.
    pub(crate) fn open(directory: &Path, stem: &str, now: Timestamp) -> Result<Authority> {
        let paths = Paths::new(directory, stem);
        let pem = files::read(&paths.certificate)?
            .ok_or_else(|| Error::AuthorityMissing { path: paths.certificate.clone() })?;
        let key = files::read(&paths.key)?.ok_or_else(|| Error::KeyMissing { path: paths.key.clone() })?;
        Authority::parse(&paths, pem, &key, now)
    }

    /// An authority that was received and would be stored there.
    pub(crate) fn from_pem(
        directory: &Path,
        stem: &str,
        certificate: String,
        key: &str,
        now: Timestamp,
    ) -> Result<Authority> {
        Authority::parse(&Paths::new(directory, stem), certificate, key, now)
    }

    /// As [`Authority::open`], but an authority without a certificate is made and added to `batch`.
    pub(crate) fn open_or_create(
        directory: &Path,
        stem: &str,
        common_name: &str,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<Authority> {
        match Authority::open(directory, stem, now) {
            Err(Error::AuthorityMissing { .. }) => {
                Authority::create(&Paths::new(directory, stem), common_name, now, batch)
            }
            opened => opened,
        }
    }

    fn create(paths: &Paths, common_name: &str, now: Timestamp, batch: &mut Batch) -> Result<Authority> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([common_name.to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, now, VALIDITY);
        let certificate = params.self_signed(&key)?;
        let pem = certificate.pem();
        batch.add(paths.key.clone(), key.serialize_pem());
        batch.add(paths.certificate.clone(), pem.clone());
        Ok(Authority { pem, der: certificate.der().clone(), issuer: Issuer::new(params, key) })
    }

    fn parse(paths: &Paths, pem: String, key: &str, now: Timestamp) -> Result<Authority> {
        let malformed = |path: &PathBuf, expected| Error::Malformed { path: path.clone(), expected };
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| malformed(&paths.certificate, "a PEM certificate"))?;
        let (_, certificate) = X509Certificate::from_der(&der)
            .map_err(|_| malformed(&paths.certificate, "an X.509 certificate"))?;
        let key =
            KeyPair::from_pem(key).map_err(|_| malformed(&paths.key, "a private key in PKCS #8 PEM form"))?;
        if certificate.public_key().subject_public_key.data != key.public_key_raw() {
            return Err(Error::KeyMismatch { path: paths.key.clone() });
        }
        if certificate.validity().not_after.timestamp() <= now.as_second() {
            return Err(Error::Expired { path: paths.certificate.clone() });
        }
        let issuer = Issuer::from_ca_cert_der(&der, key)
            .map_err(|_| malformed(&paths.certificate, "the certificate of an authority"))?;
        Ok(Authority { pem, der: der.clone(), issuer })
    }

    /// The certificate, in PEM form.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Whether this authority signed `certificate`.
    pub(crate) fn has_signed(&self, certificate: &X509Certificate<'_>) -> bool {
        X509Certificate::from_der(&self.der)
            .is_ok_and(|(_, own)| certificate.verify_signature(Some(own.public_key())).is_ok())
    }
}

/// Sets the validity from a little before `now` to `now + validity`.
pub(crate) fn set_validity(params: &mut CertificateParams, now: Timestamp, validity: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = Duration::from_secs(now.as_second().max(0).unsigned_abs());
    params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + now + validity;
}
