//! Why nobody answered, as Go says it: people search for these words.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy::Error;
use rustls::{CertificateError, Error as TlsError};

use crate::connect::dial;

/// The words for what went wrong on the way to `authority`.
pub(crate) fn words(error: &Error, authority: &str) -> String {
    if let Some(error) = chain(error).find_map(of_tls) {
        return tls(error);
    }
    let io = chain(error).find_map(|error| error.downcast_ref::<io::Error>());
    match io {
        Some(io) if error.is_connect() => format!("dial tcp {authority}: {}", dial::words(io)),
        Some(io) => dial::words(io),
        None => match chain(error).find_map(|error| error.downcast_ref::<hyper::Error>()) {
            Some(error) => dial::cause(error),
            None => chain(error).last().map(ToString::to_string).unwrap_or_default(),
        },
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// What TLS says, which may be inside of errors of the stream.
fn of_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a TlsError> {
    match error.downcast_ref::<io::Error>() {
        Some(io) => of_tls(io.get_ref()?),
        None => error.downcast_ref(),
    }
}

fn tls(error: &TlsError) -> String {
    let TlsError::InvalidCertificate(why) = error else { return format!("tls: {error}") };
    let why = match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        CertificateError::Expired
        | CertificateError::NotValidYet
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } if presented.is_empty() => {
            format!("certificate is not valid for any names, but wanted to match {}", expected.to_str())
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| shown(name)).collect();
            format!("certificate is valid for {}, not {}", names.join(", "), expected.to_str())
        }
        other => other.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}

/// `DnsName("a.b")` as `a.b`.
fn shown(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}
