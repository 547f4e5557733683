//! Pod: containers that share a node. Keeps: the parts are one noun each, below.

pub(in crate::kinds) mod template;
pub(in crate::kinds) mod defaults;
mod image;
