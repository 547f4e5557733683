//! The core group.

pub(super) mod config_map;
pub(super) mod pod;
