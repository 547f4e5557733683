//! The data directory: who owns it, whose it is, and what was last known to be synced.

mod data_dir;
mod log_entry;
mod space;
mod watermark;

pub(crate) use data_dir::{DataDir, Identity};
pub(crate) use log_entry::{HardStateValue, LogEntry, Truncation, chain_of, mix};
pub(crate) use space::SpaceWatch;
pub(crate) use watermark::{Watermark, WatermarkFile};
