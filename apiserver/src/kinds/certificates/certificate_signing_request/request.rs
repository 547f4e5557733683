//! The PKCS#10 request inside the object. Keeps: it is one PEM block whose content can be read.

use base64::Engine as _;
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};

/// Answers why base64 text holds no certificate request.
pub(super) fn check(base64: &str) -> Result<(), String> {
    const WRONG_BLOCK: &str = "PEM block type must be CERTIFICATE REQUEST";
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(base64).map_err(|_| WRONG_BLOCK.to_owned())?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&bytes).map_err(|_| WRONG_BLOCK.to_owned())?;
    if pem.label != "CERTIFICATE REQUEST" {
        return Err(WRONG_BLOCK.to_owned());
    }
    X509CertificationRequest::from_der(&pem.contents)
        .map(|_| ())
        .map_err(|fault| format!("x509: malformed certificate request: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_is_no_pem_is_refused_with_upstream_s_words() {
        assert_eq!(check("aGVsbG8="), Err("PEM block type must be CERTIFICATE REQUEST".to_owned()));
        assert_eq!(check(""), Err("PEM block type must be CERTIFICATE REQUEST".to_owned()));
    }
}
