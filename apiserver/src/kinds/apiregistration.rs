//! The apiregistration.k8s.io group. Groups and who serves them.

pub(super) mod api_service;
