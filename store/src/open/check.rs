//! Whether a log that was read is the one that was promised.

use raft::eraftpb::HardState;

use crate::bugs::{Bug, planted};
use crate::disk::DataDir;
use crate::error::OpenError;
use crate::meta::Meta;
use crate::open::load::LoadedLog;

/// The log must reach what was last known to be synced, and the vote must not be older.
pub(super) fn check_watermark(
    data_dir: &DataDir,
    log: &LoadedLog,
    alone: Option<bool>,
) -> Result<(), OpenError> {
    if planted(Bug::IgnoreWatermark) {
        return Ok(());
    }
    let Some(watermark) = log.watermark else {
        return Err(data_dir.log_damaged("the watermark is missing or not valid", alone));
    };
    let truncation = log.truncation;
    let before = (truncation.term, truncation.index);
    let last = log.entries.last().map_or(before, |last| (last.entry.term, last.entry.index));
    if last < (watermark.term, watermark.index) {
        return Err(data_dir.log_damaged(
            format!(
                "it ends at entry {} of term {}, but entry {} of term {} was synced",
                last.1, last.0, watermark.index, watermark.term
            ),
            alone,
        ));
    }
    let at_watermark = log.entries.iter().find(|entry| entry.entry.index == watermark.index);
    if at_watermark.is_some_and(|entry| entry.entry.term == watermark.term && entry.chain != watermark.chain)
    {
        return Err(data_dir
            .log_damaged(format!("log entry {} is not the one that was synced", watermark.index), alone));
    }
    let (term, vote) = (log.hard_state.term, log.hard_state.vote);
    let same_vote = vote == watermark.vote || watermark.vote == 0;
    if term < watermark.current_term || (term == watermark.current_term && !same_vote) {
        return Err(
            data_dir.log_damaged(format!("the vote of term {} was lost", watermark.current_term), alone)
        );
    }
    Ok(())
}

/// The log must hold the applied entry with the same term, or begin right after it. Then what was applied counts
/// as committed.
pub(super) fn check_applied(
    data_dir: &DataDir,
    log: &LoadedLog,
    meta: &Meta,
    alone: Option<bool>,
) -> Result<HardState, OpenError> {
    let truncation = log.truncation;
    let term = if meta.applied == truncation.index {
        Some(truncation.term)
    } else {
        log.entries.iter().find(|entry| entry.entry.index == meta.applied).map(|entry| entry.entry.term)
    };
    if term != Some(meta.term) {
        return Err(data_dir.log_damaged(
            format!(
                "the state has applied log entry {} of term {}, which the log does not hold",
                meta.applied, meta.term
            ),
            alone,
        ));
    }
    let last = log.entries.last().map_or(truncation.index, |last| last.entry.index);
    if log.hard_state.commit > last {
        return Err(data_dir.log_damaged(
            format!("log entry {} was committed, but the log ends at {last}", log.hard_state.commit),
            alone,
        ));
    }
    let commit = log.hard_state.commit.max(meta.applied);
    Ok(HardState { commit, ..log.hard_state.clone() })
}
