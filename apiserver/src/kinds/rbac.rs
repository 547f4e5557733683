//! The rbac.authorization.k8s.io group. Role-based access control.

pub(super) mod cluster_role;
pub(super) mod cluster_role_binding;
pub(super) mod role;
pub(super) mod role_binding;

mod rules;
mod subjects;
