//! The scheduling.k8s.io group. Priorities.

pub(super) mod priority_class;
