//! The node.k8s.io group. How nodes run pods.

pub(super) mod runtime_class;
