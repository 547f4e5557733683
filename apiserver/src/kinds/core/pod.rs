//! Pod: containers that share a node. Keeps: the parts are one noun each, below.

pub(in crate::kinds) mod template;
pub(in crate::kinds) mod defaults;
pub(in crate::kinds) mod resources;
pub(in crate::kinds) mod tolerations;
pub(in crate::kinds) mod affinity;
pub(in crate::kinds) mod sums;
pub(in crate::kinds::core) mod paths;
mod annotations;
mod containers;
mod dns;
mod env;
mod image;
mod mounts;
mod probes;
mod projected;
mod security;
mod spec;
mod spread;
mod volumes;
mod windows;
