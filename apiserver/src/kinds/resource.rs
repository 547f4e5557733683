//! The resource.k8s.io group. Devices for pods.

pub(super) mod device_class;
pub(super) mod device_taint_rule;
pub(super) mod resource_claim;
pub(super) mod resource_claim_template;
pub(super) mod resource_slice;

mod device_claim;
mod devices;
mod identifiers;
mod requests;
mod taints;
