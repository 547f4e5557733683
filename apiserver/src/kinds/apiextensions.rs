//! The apiextensions.k8s.io group. Kinds that users define.

pub(super) mod custom_resource_definition;
