//! Client certificates: common name and organizations become user and groups.
//!
//! Keeps: the chain was verified when the connection was accepted; here stand the rules that TLS does not know (key usage, names, and that
//! a connection may outlive its certificate).

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Verdict, authenticated};
use crate::user::User;

/// Kubernetes' object identifier of a user's uid in a subject: 1.3.6.1.4.1.57683.2.
const UID_OID: &str = "1.3.6.1.4.1.57683.2";
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// What a client certificate says.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    verdict: Verdict,
    valid_from: i64,
    valid_until: i64,
}

impl ClientCertificate {
    /// A certificate that proves nothing.
    pub(super) fn rejected() -> ClientCertificate {
        ClientCertificate { verdict: Verdict::Rejected, valid_from: i64::MIN, valid_until: i64::MAX }
    }

    /// Reads a certificate (DER) whose chain was verified.
    pub fn read(der: &[u8]) -> ClientCertificate {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return ClientCertificate::rejected();
        };
        ClientCertificate {
            verdict: user(&certificate, der),
            valid_from: certificate.validity().not_before.timestamp(),
            valid_until: certificate.validity().not_after.timestamp(),
        }
    }

    /// Whom it proves at `now` (Unix seconds).
    pub(super) fn verdict(&self, now: i64) -> Verdict {
        if (self.valid_from..=self.valid_until).contains(&now) {
            self.verdict.clone()
        } else {
            Verdict::Rejected
        }
    }
}

fn user(certificate: &X509Certificate<'_>, der: &[u8]) -> Verdict {
    if !for_clients(certificate) {
        return Verdict::Rejected;
    }
    let subject = certificate.subject();
    let text = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        attribute.as_str().map(str::to_owned).unwrap_or_default()
    };
    // A subject with several common names is read as its last one, as Go does.
    let name = subject.iter_common_name().last().map(text).unwrap_or_default();
    if name.is_empty() {
        return Verdict::Unconcerned;
    }
    let mut uids =
        subject.iter_attributes().filter(|attribute| attribute.attr_type().to_id_string() == UID_OID);
    let uid = match (uids.next().map(text), uids.next()) {
        (None, _) => String::new(),
        (Some(uid), None) if !uid.is_empty() => uid,
        _ => return Verdict::Rejected,
    };
    let mut fingerprint = String::from("X509SHA256=");
    for byte in Sha256::digest(der) {
        let _ = write!(fingerprint, "{byte:02x}");
    }
    Verdict::User(authenticated(User {
        name,
        uid,
        groups: subject.iter_organization().map(text).collect(),
        extra: [(CREDENTIAL_ID.to_owned(), vec![fingerprint])].into(),
    }))
}

/// Whether the key may be used by clients: a certificate without extended key usages may be used for anything.
fn for_clients(certificate: &X509Certificate<'_>) -> bool {
    match certificate.extended_key_usage() {
        Ok(Some(usage)) => usage.value.client_auth || usage.value.any,
        Ok(None) => true,
        Err(_) => false,
    }
}

impl ClientCertificate {
    /// The user, at a time when the certificate is valid.
    pub fn user(&self) -> Option<&Arc<User>> {
        match &self.verdict {
            Verdict::User(user) => Some(user),
            _ => None,
        }
    }
}
