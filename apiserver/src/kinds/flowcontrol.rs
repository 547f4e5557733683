//! The flowcontrol.apiserver.k8s.io group. Fairness among requests.

pub(super) mod flow_schema;
pub(super) mod priority_level_configuration;
