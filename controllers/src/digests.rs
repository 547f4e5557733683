//! Digest types that several controllers share, one file each.

mod namespace;
mod node;
mod pod;

pub use namespace::Namespace;
pub use node::{Node, Taint};
pub use pod::Pod;
