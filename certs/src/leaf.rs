//! Leaf certificates: who they name and what for. Keeps: a leaf on disk that no longer fits what is asked for, or
//! soon expires, is issued anew; one that fits is left alone.

use std::{path::Path, time::Duration};

use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PublicKeyData};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{
    Error, Result,
    authority::{Authority, set_validity},
    files::{self, Batch},
    names::ServerNames,
    subject,
};

/// As kubeadm: leaves live one year.
const VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);
/// A leaf is replaced when less than this is left of its year.
const RENEW_BEFORE: Duration = Duration::from_secs(90 * 24 * 3600);

const USER_BYTES_MAX: usize = 1024;

/// What a leaf certificate says.
pub(crate) struct Leaf<'a> {
    pub(crate) common_name: &'a str,
    pub(crate) organizations: &'a [String],
    pub(crate) usage: Usage<'a>,
}

pub(crate) enum Usage<'a> {
    Server(&'a ServerNames),
    Client,
    /// A node towards other nodes, where it is both.
    Peer(&'a ServerNames),
}

/// A leaf and its key in PEM form.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Leaf<'_> {
    /// The leaf in `<directory>/<stem>.crt` and `.key` if it fits, otherwise a new one that is added to `batch`.
    pub(crate) fn open_or_issue(
        &self,
        directory: &Path,
        stem: &str,
        authority: &Authority,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<Issued> {
        let paths = [directory.join(format!("{stem}.crt")), directory.join(format!("{stem}.key"))];
        if let (Some(certificate), Some(key)) = (files::read(&paths[0])?, files::read(&paths[1])?) {
            let issued = Issued { certificate, key };
            if self.fits(&issued, authority, now) {
                return Ok(issued);
            }
        }
        let issued = self.issue(authority, now)?;
        let [certificate, key] = paths;
        batch.add(key, issued.key.clone());
        batch.add(certificate, issued.certificate.clone());
        Ok(issued)
    }

    /// A new leaf with a new key.
    pub(crate) fn issue(&self, authority: &Authority, now: Timestamp) -> Result<Issued> {
        for name in self.organizations.iter().map(String::as_str).chain([self.common_name]) {
            check_name(name)?;
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.use_authority_key_identifier_extension = true;
        if let Usage::Server(names) | Usage::Peer(names) = self.usage {
            params.subject_alt_names = names.subject_alternative_names()?;
        }
        params.extended_key_usages = match self.usage {
            Usage::Server(_) => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Peer(_) => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        };
        set_validity(&mut params, now, VALIDITY);
        let certificate = params.signed_by(&key, authority.issuer())?;
        let der = match self.organizations {
            [] => certificate.der().to_vec(),
            organizations => subject::replace(
                certificate.der(),
                self.common_name,
                organizations,
                authority.issuer().key(),
            )?,
        };
        Ok(Issued { certificate: pem_certificate(&der), key: key.serialize_pem() })
    }

    /// Whether an existing leaf still says this, was signed by `authority`, and lasts for a while.
    pub(crate) fn fits(&self, issued: &Issued, authority: &Authority, now: Timestamp) -> bool {
        let Ok(der) = CertificateDer::from_pem_slice(issued.certificate.as_bytes()) else { return false };
        let Ok((_, certificate)) = X509Certificate::from_der(&der) else { return false };
        let Ok(key) = KeyPair::from_pem(&issued.key) else { return false };
        let renew_at = certificate.validity().not_after.timestamp() - RENEW_BEFORE.as_secs() as i64;
        let subject = certificate.subject();
        let mut common_names = subject.iter_common_name().filter_map(|name| name.as_str().ok());
        let organizations = subject.iter_organization().filter_map(|name| name.as_str().ok());
        let names_fit = match self.usage {
            Usage::Server(names) | Usage::Peer(names) => {
                ServerNames::from_certificate(&certificate) == *names
            }
            Usage::Client => true,
        };
        names_fit
            && now.as_second() < renew_at
            && common_names.next() == Some(self.common_name)
            && organizations.eq(self.organizations.iter().map(String::as_str))
            && certificate.public_key().subject_public_key.data == key.der_bytes()
            && authority.has_signed(&certificate)
    }
}

/// Users and groups may be any text that a log line or a kubeconfig can show.
fn check_name(name: &str) -> Result<()> {
    let refused = |why| Err(Error::Name { name: name.to_owned(), why });
    if name.is_empty() {
        return refused("it is empty");
    }
    if name.len() > USER_BYTES_MAX {
        return refused("it is longer than 1024 bytes");
    }
    if name.chars().any(char::is_control) {
        return refused("it has control characters");
    }
    Ok(())
}

fn pem_certificate(der: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let mut pem = String::with_capacity(text.len() + text.len() / 64 + 64);
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
