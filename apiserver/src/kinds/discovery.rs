//! The discovery.k8s.io group. Where services are.

pub(super) mod endpoint_slice;
