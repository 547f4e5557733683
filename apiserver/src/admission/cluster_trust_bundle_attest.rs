//! ClusterTrustBundleAttest: publishing a bundle in the name of a signer needs the right to attest for it.

use super::certificate_approval::may;
use super::{Attributes, Operation, Plugin};
use crate::status::Error;
use crate::tree::Map;

pub(super) struct ClusterTrustBundleAttest;

impl Plugin for ClusterTrustBundleAttest {
    fn name(&self) -> &'static str {
        "ClusterTrustBundleAttest"
    }

    fn validate(&self, attributes: &mut Attributes<'_>, bundle: Option<&Map>) -> Result<(), Error> {
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        let bundle =
            bundle.filter(|_| writes && attributes.is_for("clustertrustbundles.certificates.k8s.io", ""));
        let Some(bundle) = bundle else { return Ok(()) };
        let signer = bundle.str_at(&["spec", "signerName"]);
        let unchanged = attributes.old.is_some_and(|old| old.map("spec") == bundle.map("spec"));
        if signer.is_empty() || unchanged || may(attributes, "attest", signer) {
            return Ok(());
        }
        let cause = format!("user not permitted to attest for signerName {signer:?}");
        Err(attributes.forbidden(Some(bundle), cause))
    }
}
