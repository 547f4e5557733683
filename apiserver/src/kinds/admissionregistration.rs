//! The admissionregistration.k8s.io group. Who has a say in writes.

pub(super) mod mutating_admission_policy;
pub(super) mod mutating_admission_policy_binding;
pub(super) mod mutating_webhook_configuration;
pub(super) mod validating_admission_policy;
pub(super) mod validating_admission_policy_binding;
pub(super) mod validating_webhook_configuration;

mod policies;
mod rules;
mod webhooks;
