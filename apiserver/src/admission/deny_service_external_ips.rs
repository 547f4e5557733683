//! DenyServiceExternalIPs: external IPs let a service's author take other people's traffic (CVE-2020-8554), so
//! none are added. Those that a service already has may stay.

use super::{Attributes, Plugin};
use crate::status::Error;
use crate::tree::Map;

pub(super) struct DenyServiceExternalIps;

impl Plugin for DenyServiceExternalIps {
    fn name(&self) -> &'static str {
        "DenyServiceExternalIPs"
    }

    fn validate(&self, attributes: &mut Attributes<'_>, service: Option<&Map>) -> Result<(), Error> {
        let Some(service) = service.filter(|_| attributes.is_for("services", "")) else { return Ok(()) };
        let addresses = |service: &Map| {
            service.map("spec").map(|spec| spec.list("externalIPs").to_vec()).unwrap_or_default()
        };
        let present = attributes.old.map(addresses).unwrap_or_default();
        if addresses(service).iter().all(|address| present.contains(address)) {
            return Ok(());
        }
        Err(attributes.forbidden(Some(service), "Use of external IPs is denied by admission control."))
    }
}
