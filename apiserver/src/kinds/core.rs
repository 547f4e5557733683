//! The core group.

pub(super) mod config_map;
pub(super) mod pod;
pub(super) mod claim_spec;
pub(super) mod rules;
pub(super) mod volume_source;
