//! The list of kinds. A kind is one file; adding one adds its module and its entry in [`ALL`].

use crate::kind::Kind;

mod core;

/// Every built-in kind, in no particular order; discovery sorts by group.
pub static ALL: &[&Kind] = &[&core::config_map::KIND];
