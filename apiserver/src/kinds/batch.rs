//! The batch group. Workloads that end.

pub(super) mod cron_job;
pub(super) mod job;
mod schedule;
