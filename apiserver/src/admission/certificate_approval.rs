//! CertificateApproval and CertificateSigning: approving a request or signing it needs the right to do so for its
//! signer.

use super::{Attributes, Operation, Plugin};
use crate::authorization;
use crate::status::Error;
use crate::tree::Map;

pub(super) struct CertificateApproval;

const REQUESTS: &str = "certificatesigningrequests.certificates.k8s.io";

impl Plugin for CertificateApproval {
    fn name(&self) -> &'static str {
        "CertificateApproval"
    }

    fn validate(&self, attributes: &mut Attributes<'_>, request: Option<&Map>) -> Result<(), Error> {
        let updates =
            attributes.operation == Operation::Update && attributes.resource.group_resource == REQUESTS;
        let (Some(request), Some(old), true) = (request, attributes.old, updates) else { return Ok(()) };
        let signer = old.str_at(&["spec", "signerName"]);
        match attributes.subresource {
            "approval" if !may(attributes, "approve", signer) => Err(attributes.forbidden(
                Some(request),
                format!("user not permitted to approve requests with signerName {signer:?}"),
            )),
            "status" if signs(request, old) && !may(attributes, "sign", signer) => Err(attributes.forbidden(
                Some(request),
                format!("user not permitted to sign requests with signerName {signer:?}"),
            )),
            _ => Ok(()),
        }
    }
}

/// Only the certificate and a failure to issue it are the signer's words.
fn signs(request: &Map, old: &Map) -> bool {
    let failed = |map: &Map| {
        map.map("status").is_some_and(|status| status.maps("conditions").any(|it| it.str("type") == "Failed"))
    };
    request.at(&["status", "certificate"]) != old.at(&["status", "certificate"])
        || failed(request) != failed(old)
}

/// Rights on signers are given by name or by domain: `example.com/*`.
pub(super) fn may(attributes: &Attributes<'_>, verb: &str, signer: &str) -> bool {
    let domain = signer.split_once('/').map(|(domain, _)| format!("{domain}/*"));
    [Some(signer.to_owned()), domain].into_iter().flatten().any(|name| {
        let asked = authorization::Attributes {
            verb,
            is_resource: true,
            group: "certificates.k8s.io",
            resource: "signers",
            name: &name,
            ..authorization::Attributes::default()
        };
        attributes.authorizer.authorize(attributes.view, attributes.user, &asked).allowed()
    })
}
