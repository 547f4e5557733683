//! What a store can be told when it is opened. Every limit has a name here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::peers::{NoPeers, Peers};
use crate::tasks::{Tasks, TokioTasks};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory that belongs to the store.
    pub data_dir: PathBuf,
    /// Names that others keep in the same directory; they do not make it foreign.
    pub companions: Vec<String>,
    /// Stored bytes (history included) above which growth is refused.
    pub quota_bytes: u64,
    /// Room on the disk below which growth is refused; never more than a quarter of the file system.
    pub disk_reserve_bytes: u64,
    /// Bytes that the rings of all buckets may hold together.
    pub ring_bytes: usize,
    /// How long history is kept.
    pub history: Duration,
    /// Bytes of superseded records above which history is cut before its time.
    pub history_bytes: u64,
    /// Proposals in flight above which writes are refused, by number.
    pub proposals_max: usize,
    /// Proposals in flight above which writes are refused, by bytes.
    pub proposal_bytes_max: usize,
    /// How long a proposal or read barrier may take before its outcome is unknown.
    pub request_timeout: Duration,
    /// How long a batch of writes may wait for more of them, when many are in flight.
    pub gather: Duration,
    /// Bytes of log entries, applied since the state was last made durable, that ask for the next time.
    pub flush_log_bytes: usize,
    /// The same, by number.
    pub flush_log_entries: u64,
    /// Garbage is erased in rounds of this many bytes, so that most files hold nothing but new records and are never
    /// rewritten.
    pub garbage_round_bytes: u64,
    /// Bytes of applied log entries that are kept in memory for other nodes.
    pub tail_bytes: usize,
    /// How many bytes of snapshots a node sends per second, to all receivers together: the rest of disk and network belongs
    /// to writes.
    pub snapshot_bytes_per_second: u64,
    /// Bytes of records from which a part of a snapshot is full.
    pub snapshot_part_bytes: usize,
    /// Formats of a newer cluster level are not used even when every member knows them: until then the release before can
    /// start again.
    pub cluster_level_max: u64,
    /// How often the states of the nodes are compared.
    pub mark_interval: Duration,
    /// Ask Raft for every read barrier, also where a sole voter could answer alone.
    pub confirm_every_read: bool,
    /// The unit of Raft's timers. With 64 clients keeping both cores of a small machine busy, elections after 120 ms cost none
    /// without a reason in 20 kills and pauses of a leader; writes stopped for 66 ms and 139 ms (p50 of 50 each).
    pub tick: Duration,
    /// Heartbeats are this many ticks apart.
    pub heartbeat_ticks: usize,
    /// A follower waits at least this many ticks for its leader.
    pub election_ticks: usize,
    /// Where other members reach this node; a founding node records it.
    pub peer_address: String,
    /// What a new directory becomes; an initialised one keeps what it is. None: a new cluster of this node alone.
    pub founding: Option<Founding>,
    /// Carries messages to the other nodes.
    pub peers: Arc<dyn Peers>,
    /// Runs what may block beside the store's threads.
    pub tasks: Arc<dyn Tasks>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
}

/// A cluster whose first members all start from nothing, each told the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founding {
    /// The cluster's id.
    pub cluster: u64,
    /// The id of this node: never one that was used before, also not by a node that lost its disk.
    pub node: u64,
    /// The ids of all first voters; none for a node that joins a running cluster and waits to be taken in.
    pub voters: Vec<u64>,
}

impl Options {
    /// The defaults for a directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Options {
        Options {
            data_dir: data_dir.into(),
            companions: ["pki", "admin.kubeconfig"].map(String::from).to_vec(),
            quota_bytes: 8 << 30,
            disk_reserve_bytes: 128 << 20,
            ring_bytes: 32 << 20,
            history: Duration::from_secs(5 * 60),
            history_bytes: 256 << 20,
            proposals_max: 4_096,
            proposal_bytes_max: 64 << 20,
            request_timeout: Duration::from_secs(10),
            gather: Duration::from_millis(2),
            flush_log_bytes: 4 << 20,
            flush_log_entries: 50_000,
            garbage_round_bytes: 32 << 20,
            tail_bytes: 16 << 20,
            snapshot_bytes_per_second: 64 << 20,
            snapshot_part_bytes: 512 << 10,
            cluster_level_max: u64::MAX,
            mark_interval: Duration::from_secs(60),
            confirm_every_read: false,
            tick: Duration::from_millis(10),
            heartbeat_ticks: 3,
            election_ticks: 12,
            peer_address: String::new(),
            founding: None,
            peers: Arc::new(NoPeers),
            tasks: Arc::new(TokioTasks),
            clock: Arc::new(SystemClock),
        }
    }
}
