//! CertificateSubjectRestriction: nobody becomes a master of the cluster by a certificate request.

use base64::Engine as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;

use super::{Attributes, Plugin};
use crate::status::Error;
use crate::tree::Map;
use crate::user::SYSTEM_MASTERS;

pub(super) struct CertificateSubjectRestriction;

impl Plugin for CertificateSubjectRestriction {
    fn name(&self) -> &'static str {
        "CertificateSubjectRestriction"
    }

    fn validate(&self, attributes: &mut Attributes<'_>, request: Option<&Map>) -> Result<(), Error> {
        let creates = attributes.creates("certificatesigningrequests.certificates.k8s.io");
        let Some(request) = request.filter(|_| creates) else { return Ok(()) };
        if request.str_at(&["spec", "signerName"]) != "kubernetes.io/kube-apiserver-client" {
            return Ok(());
        }
        match organizations(request.str_at(&["spec", "request"])) {
            None => Err(attributes.forbidden(Some(request), "failed to parse CSR")),
            Some(organizations) if organizations.iter().any(|it| it == SYSTEM_MASTERS) => {
                let cause = format!(
                    "use of kubernetes.io/kube-apiserver-client signer with {SYSTEM_MASTERS} group is not allowed"
                );
                Err(attributes.forbidden(Some(request), cause))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The organizations in the subject of a PEM request that is base64 text here.
fn organizations(request: &str) -> Option<Vec<String>> {
    let pem = base64::engine::general_purpose::STANDARD.decode(request).ok()?;
    let pem = Pem::iter_from_buffer(&pem).next()?.ok()?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents).ok()?;
    let subject = &request.certification_request_info.subject;
    Some(subject.iter_organization().filter_map(|it| it.as_str().ok()).map(str::to_owned).collect())
}
