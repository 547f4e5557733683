//! The coordination.k8s.io group. Locks and heartbeats.

pub(super) mod lease;
