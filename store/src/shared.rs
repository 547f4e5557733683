//! What the store's threads and its callers share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex, RwLock};
use raft::eraftpb::ConfState;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::admission::{Admission, Permit};
use crate::asks::Wish;
use crate::command::Encoded;
use crate::disk::Identity;
use crate::engine::{StateStore, Values};
use crate::mailbox::Mailbox;
use crate::marks::Mark;
use crate::members::MemberError;
use crate::meta::Meta;
use crate::milestone::Milestone;
use crate::options::Options;
use crate::past::Roots;
use crate::peers::PeerFrame;
use crate::standing::KnownRoll;
use crate::status::Leadership;
use crate::threads::Built;
use crate::txn::{Outcome, Why};
use crate::view::State;
use crate::watch::Hubs;

/// What the owner thread is told.
#[derive(Debug)]
pub(crate) enum OwnerEvent {
    /// A proposal of a caller, or of the store's own floor policy.
    Propose(Proposal),
    /// A read barrier; answered with the index that must be applied first.
    Read(Reader),
    /// A frame of another node.
    Peer(PeerFrame),
    /// A state arrived as a whole.
    SnapshotBuilt(Box<Built>),
    /// A state arrived that ends at an entry (index, term) which is applied here already.
    SnapshotNotNeeded(u64, u64),
    /// The log begins behind the received state.
    Switched,
    /// Change the membership, or who leads.
    Wish(Wish, oneshot::Sender<Result<(), MemberError>>),
    /// Frames for this node do not arrive.
    Unreachable(u64),
    /// The process of this node has ended, as far as can be seen from here.
    Ended(u64),
    /// The log thread has synced this batch and all before it, and gives their buffers back.
    Persisted(u64, Vec<Values>),
    /// The applied index has reached what the owner waits for.
    Applied,
    /// Finish what is in flight, then stop.
    Stop,
}

/// A command on its way into the log.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) command: Encoded,
    pub(crate) fence: Option<u64>,
    pub(crate) reply: Reply,
}

/// Where an outcome is sent, and the permit that ends with it.
#[derive(Debug)]
pub(crate) struct Reply {
    sender: oneshot::Sender<Outcome>,
    permit: Permit,
}

/// Somebody who waits for a read barrier.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) reply: oneshot::Sender<u64>,
    pub(crate) deadline: Duration,
}

/// The frames of other nodes that wait for the owner, and the newest start of each node.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    bytes: AtomicUsize,
    boots: Mutex<BTreeMap<u64, u64>>,
}

/// Bytes of frames that may wait for the owner; more are dropped, as a network would.
const INBOUND_BYTES_MAX: usize = 64 << 20;

impl Inbound {
    /// Whether a frame may wait; if so, it counts until [`Inbound::release`].
    pub(crate) fn admit(&self, bytes: usize) -> bool {
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let admitted = waiting + bytes <= INBOUND_BYTES_MAX;
        if !admitted {
            self.release(bytes);
        }
        admitted
    }

    pub(crate) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Notes the boot number of a sender; gives the newest one.
    pub(crate) fn newest_boot(&self, node: u64, boot: u64) -> u64 {
        let mut boots = self.boots.lock();
        let newest = boots.entry(node).or_insert(boot);
        *newest = boot.max(*newest);
        *newest
    }
}

impl Reply {
    pub(crate) fn new(sender: oneshot::Sender<Outcome>, permit: Permit) -> Reply {
        Reply { sender, permit }
    }

    pub(crate) fn send(self, outcome: Outcome) {
        drop(self.permit);
        // A caller that went away needs no answer.
        let _ = self.sender.send(outcome);
    }

    pub(crate) fn refuse(self, why: Why) {
        self.send(Outcome::NotProposed(why));
    }
}

/// What the owner thread publishes about the replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    pub(crate) leader: u64,
    pub(crate) term: u64,
    pub(crate) commit: u64,
    pub(crate) leads: bool,
    /// Whether it leads and has applied everything before its term.
    pub(crate) complete: bool,
}

/// Who belongs to the cluster, as applied here.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Membership {
    pub(crate) conf: ConfState,
    pub(crate) addresses: BTreeMap<u64, String>,
    pub(crate) removed: BTreeSet<u64>,
    /// Which formats may be used.
    pub(crate) level: u64,
}

impl Membership {
    pub(crate) fn of(meta: &Meta) -> Membership {
        Membership {
            conf: meta.conf.clone(),
            addresses: meta.addresses.clone(),
            removed: meta.removed.clone(),
            level: meta.cluster_level,
        }
    }
}

/// Figures that the threads keep for status and metrics.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) retained_bytes: AtomicU64,
    pub(crate) superseded_bytes: AtomicU64,
    pub(crate) ring_bytes: AtomicU64,
    pub(crate) log_syncs: AtomicU64,
    pub(crate) snapshots_installed: AtomicU64,
    /// Snapshots that another start went on receiving.
    pub(crate) snapshots_resumed: AtomicU64,
    /// Room on this node's disk, [`FREE_UNKNOWN`] where nobody can tell.
    pub(crate) free_bytes: AtomicU64,
    /// Whether this node's disk lacks the room for growth.
    pub(crate) disk_full: AtomicBool,
    /// Whether batches of the log wait in memory for room on the disk.
    pub(crate) log_held: AtomicBool,
    /// How often the log thread has looked for room.
    pub(crate) log_rounds: AtomicU64,
    /// Whether it lacks the room for anything large.
    pub(crate) room_scarce: AtomicBool,
}

/// Free bytes that nobody could tell.
pub(crate) const FREE_UNKNOWN: u64 = u64::MAX;

/// An index that is never reached.
pub(crate) const NEVER: u64 = u64::MAX;

/// The shared part of a store.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) identity: Identity,
    pub(crate) boot: u64,
    /// Whether this node was the only member when it started.
    pub(crate) lone: bool,
    /// The newest published state.
    pub(crate) state: ArcSwap<State>,
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) records: RwLock<Arc<dyn StateStore>>,
    /// How many snapshots are being sent: garbage waits for them.
    pub(crate) snapshots: AtomicUsize,
    /// How many backups are being saved, and snapshots about to begin: garbage waits for them.
    pub(crate) saving: AtomicUsize,
    /// The newest applied log index whose state is published.
    pub(crate) applied: Milestone,
    /// The newest published revision.
    pub(crate) published: Milestone,
    /// The newest revision whose record can be read from the state store.
    pub(crate) recorded: Milestone,
    pub(crate) admission: Arc<Admission>,
    pub(crate) inbound: Inbound,
    pub(crate) owner: Mailbox<OwnerEvent>,
    /// The applied index at which the owner wants to be told, [`NEVER`] for none.
    pub(crate) owner_waits_for: AtomicU64,
    pub(crate) replica: Mutex<Replica>,
    pub(crate) replica_changed: Condvar,
    /// While this node is the only member and leads its term: the applied index from which its published state
    /// holds every acknowledged write. Otherwise [`NEVER`].
    pub(crate) fast_reads: AtomicU64,
    pub(crate) leadership: watch::Sender<Leadership>,
    pub(crate) members: watch::Sender<Membership>,
    /// What the leader last said about the members.
    pub(crate) roll: Mutex<KnownRoll>,
    /// Whether too few voters have the room for growth on their disks.
    pub(crate) refuses_growth: AtomicBool,
    /// The hash of the state at the newest mark.
    pub(crate) mark: Mutex<Mark>,
    /// How the states of the nodes differ; empty as long as they do not.
    pub(crate) divergence: Mutex<String>,
    /// Whether this node's state is known to be wrong.
    pub(crate) out_of_service: AtomicBool,
    /// Whether the state was damaged, and another node has not sent it yet.
    pub(crate) awaits_state: AtomicBool,
    pub(crate) stopping: AtomicBool,
    pub(crate) figures: Figures,
    pub(crate) roots: Mutex<Roots>,
    /// The turns of cursors that read records.
    pub(crate) catch_ups: Semaphore,
}

impl Shared {
    /// The records; a received state brings others.
    pub(crate) fn records(&self) -> Arc<dyn StateStore> {
        self.records.read().clone()
    }

    pub(crate) fn replace_records(&self, records: Arc<dyn StateStore>) {
        *self.records.write() = records;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Takes a command in, or says why not.
    pub(crate) fn propose(
        &self,
        command: Encoded,
        fence: Option<u64>,
    ) -> Result<oneshot::Receiver<Outcome>, Why> {
        if self.is_stopping() {
            return Err(Why::Stopping);
        }
        let permit = self.admission.admit(command.len()).ok_or(Why::Overloaded)?;
        let (sender, receiver) = oneshot::channel();
        let reply = Reply::new(sender, permit);
        let event = OwnerEvent::Propose(Proposal { command, fence, reply });
        self.owner.push_unhurried(event).map_err(|_| Why::Stopping)?;
        Ok(receiver)
    }
}
