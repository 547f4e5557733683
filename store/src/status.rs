//! What a store says about itself, for readiness, metrics and leader-only loops.

use crate::entry::Revision;

/// A snapshot of a store's condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The cluster's id.
    pub cluster: u64,
    /// This node's id.
    pub node: u64,
    /// The leader's node id, 0 when none is known.
    pub leader: u64,
    /// The current Raft term.
    pub term: u64,
    /// The newest committed log index.
    pub commit_index: u64,
    /// The newest applied log index.
    pub applied_index: u64,
    /// The newest revision published here.
    pub revision: Revision,
    /// The oldest revision from which history is complete.
    pub floor: Revision,
    /// Bytes of retained records, history included.
    pub stored_bytes: u64,
    /// Bytes above which growth is refused.
    pub quota_bytes: u64,
    /// Bytes held by the rings.
    pub ring_bytes: u64,
    /// Proposals in flight.
    pub proposals_in_flight: usize,
    /// Room on this node's disk, when it can tell.
    pub free_bytes: Option<u64>,
    /// Whether this node's disk lacks the room for growth.
    pub disk_full: bool,
    /// Synced writes of the log so far.
    pub log_syncs: u64,
    /// The formats that the cluster uses.
    pub cluster_level: u64,
    /// What is wrong, if anything.
    pub health: Health,
    /// What an operator must look at, whatever the health: nodes that applied the same log and differ.
    pub alarms: Vec<String>,
}

/// Whether the store can do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Reads and writes work.
    Good,
    /// The state was damaged and another node has not sent it yet: nothing works here.
    AwaitsState,
    /// There is no leader: no writes and no consistent reads.
    NoLeader,
    /// The disks of too many nodes are full: only deletes and shrinking writes work.
    DiskFull,
    /// The quota is used up: only deletes and shrinking writes work.
    QuotaExceeded,
    /// The store is shutting down.
    Stopping,
}

impl Health {
    /// What an operator reads.
    pub fn name(self) -> &'static str {
        match self {
            Health::Good => "good",
            Health::AwaitsState => "waits for the state from another node",
            Health::NoLeader => "no leader",
            Health::DiskFull => "disk full",
            Health::QuotaExceeded => "quota exceeded",
            Health::Stopping => "stopping",
        }
    }
}

/// Whether this node leads, for loops that run on the leader only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The current term; the fence of a loop that is started now.
    pub term: u64,
    /// Whether this node leads in that term and has applied everything before it.
    pub leads: bool,
}
