//! Planted bugs: mistakes that others made, each at the spot where we could make it too, to prove that the simulator
//! would notice. A production build holds none of them: there the question is answered at compile time.

/// A mistake that a simulation can plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    not(any(test, feature = "simulation")),
    allow(dead_code, unreachable_pub, reason = "some are planted in the simulator only")
)]
pub enum Bug {
    /// The log thread reports a batch that it did not sync.
    NoFsync,
    /// A leader counts its own log as the quorum.
    AckBeforeQuorum,
    /// A retried read uses the context of the first attempt.
    ReusedReadContext,
    /// A leader answers reads without asking a quorum.
    LeaseRead,
    /// A follower answers reads from its own commit index.
    FollowerRead,
    /// A read is answered before the confirmed index is applied.
    ReadBeforeApply,
    /// The published revision is raised before the hubs have their events.
    BookmarkAhead,
    /// A cursor behind its ring skips what the ring no longer holds.
    WatchSkips,
    /// A cursor delivers the last event of a ring again after it caught up from records.
    WatchRepeats,
    /// Only the first event of a transaction reaches the hubs.
    WatchTorn,
    /// Compaction erases deletions above the floor.
    CompactionLosesDelete,
    /// Compaction erases the previous version that a change above the floor still names.
    CompactionLosesPrevious,
    /// The floor is raised by the node's own clock, not by the log.
    LocalFloor,
    /// All operations of a transaction take one revision.
    SharedRevision,
    /// Events do not carry the previous version.
    MissingPrevious,
    /// The fence of a deposed leader's loop is not checked.
    Unfenced,
    /// A write is refused on the local view, without the log.
    StaleRefusal,
    /// A forwarded proposal that arrives twice is applied twice.
    DoubleApply,
    /// Sessions start over when a node restarts under its old boot number.
    ReusedBoot,
    /// The applied index is not written with the records it belongs to.
    TornMeta,
    /// The log is cut to an index whose state is not durable.
    CutTooFar,
    /// The vote is not synced before it is given.
    VoteNotSynced,
    /// A torn log end is served from, whatever the watermark says.
    IgnoreWatermark,
    /// A failed sync is retried as if nothing had happened.
    RetrySync,
    /// A refused forward is answered as not proposed while another copy is still on its way.
    HastyRefusal,
    /// A node that lost its disk comes back under its old id.
    ReusedId,
    /// Apply depends on the node it runs on.
    Nondeterminism,
    /// A restarted node goes on behind the last record, not behind the last revision.
    ForgottenRevision,
    /// A write whose time is over is answered as not proposed.
    TimeoutMeansRefused,
    /// A cursor at the floor is told that history is gone.
    SpuriousCompacted,
    /// An exact read of the past forgets what was deleted since.
    UndoForgetsDeletes,
    /// An installed snapshot hides from watchers what it skipped.
    SnapshotSkipsEvents,
    /// An installed snapshot loses the sessions.
    SnapshotLosesSessions,
    /// A node that fetches its damaged state forgets the log behind it, which it had acknowledged.
    ForgottenLog,
    /// The log is written to whatever the room on the disk.
    FullDisk,
    /// The hashes of the nodes' states are told and not compared.
    UncomparedHashes,
    /// A node whose state was outvoted serves it again after a restart.
    ForgottenDistrust,
    /// The ids of removed members are not kept.
    ForgottenRemoval,
    /// A node whose disk stands still waits for it for ever.
    PatientDisk,
    /// A restored cluster goes on where the backup ended.
    RestoreGoesOn,
    /// A restored cluster begins at a distance from its backup that is always the same.
    SecondRestore,
    /// A restored cluster says that it has the history of the old one.
    RestoreKeepsHistory,
    /// A waiting watcher is not woken.
    LostWake,
    /// A snapshot that another start goes on receiving loses a part, and nobody looks whether its records are a chain.
    ResumeLosesPart,
    /// A sole voter answers reads alone although a learner applies and answers as well.
    LoneReadsBesideLearners,
    /// A node that is told that its leader has ended takes over without asking whether others hear the leader.
    ForcedSuccession,
}

impl Bug {
    /// Every bug that can be planted.
    #[cfg(any(test, feature = "simulation"))]
    pub const ALL: [Bug; 46] = [
        Bug::NoFsync,
        Bug::AckBeforeQuorum,
        Bug::ReusedReadContext,
        Bug::LeaseRead,
        Bug::FollowerRead,
        Bug::ReadBeforeApply,
        Bug::BookmarkAhead,
        Bug::WatchSkips,
        Bug::WatchRepeats,
        Bug::WatchTorn,
        Bug::CompactionLosesDelete,
        Bug::CompactionLosesPrevious,
        Bug::LocalFloor,
        Bug::SharedRevision,
        Bug::MissingPrevious,
        Bug::Unfenced,
        Bug::StaleRefusal,
        Bug::DoubleApply,
        Bug::ReusedBoot,
        Bug::TornMeta,
        Bug::CutTooFar,
        Bug::VoteNotSynced,
        Bug::IgnoreWatermark,
        Bug::RetrySync,
        Bug::HastyRefusal,
        Bug::ReusedId,
        Bug::Nondeterminism,
        Bug::ForgottenRevision,
        Bug::TimeoutMeansRefused,
        Bug::SpuriousCompacted,
        Bug::UndoForgetsDeletes,
        Bug::SnapshotSkipsEvents,
        Bug::SnapshotLosesSessions,
        Bug::ForgottenLog,
        Bug::FullDisk,
        Bug::UncomparedHashes,
        Bug::ForgottenDistrust,
        Bug::ForgottenRemoval,
        Bug::PatientDisk,
        Bug::RestoreGoesOn,
        Bug::SecondRestore,
        Bug::RestoreKeepsHistory,
        Bug::LostWake,
        Bug::ResumeLosesPart,
        Bug::LoneReadsBesideLearners,
        Bug::ForcedSuccession,
    ];
}

#[cfg(any(test, feature = "simulation"))]
mod plant {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug, or none, in everything that runs on this thread.
    pub(crate) fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether this bug is planted.
    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(any(test, feature = "simulation"))]
pub(crate) use plant::{plant, planted};

/// No bug is planted in a production build.
#[cfg(not(any(test, feature = "simulation")))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
