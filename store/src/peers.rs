//! Peers: the seam between the store and whatever carries its messages to the other nodes.
//!
//! The store hands frames to [`Peers::send`] and is handed those that arrive by [`crate::Store::receive`]. The carrier
//! may lose, delay, repeat and reorder frames; it must not change them, and it must know for certain (by mTLS) that
//! a frame comes from the node that it names. Keeps: every frame says version, cluster, sender, receiver, the sender's
//! boot number and its own size, and all of that is checked before a body is decoded.

mod frame;
mod message;

use std::fmt::Debug;

pub use frame::{FRAME_BODY_BYTES_MAX, FRAME_HEADER_LENGTH, FrameHeader, PeerFrame};
pub(crate) use message::batches;
pub(crate) use message::{Body, Chunk, SnapshotAnswer};
pub use message::{Lane, PeerMessage};

/// Carries frames to other nodes.
pub trait Peers: Debug + Send + Sync {
    /// Takes a frame for the node `frame.to()`. Never blocks: a carrier whose queue for that node is full drops the
    /// frame, because everything in here is sent again when it matters. A carrier keeps a queue, bounded by bytes, per
    /// node and [`Lane`]. When it cannot reach a node it says so by [`crate::Store::report_unreachable`];
    /// when it sees that a node's process has ended, by [`crate::Store::report_ended`].
    fn send(&self, frame: PeerFrame);
}

/// Nobody to talk to: a cluster of one node.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeers;

impl Peers for NoPeers {
    fn send(&self, _: PeerFrame) {}
}

/// Why a frame was not taken in. The carrier closes the connection for all but `Overloaded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefusal {
    /// The sender belongs to another cluster.
    #[error("the sender belongs to cluster {0:016x}")]
    OtherCluster(u64),
    /// It is meant for another node.
    #[error("the frame is meant for node {0:016x}")]
    OtherNode(u64),
    /// It was sent before the sender's last start.
    #[error("the frame is from the sender's start {0}, which is over")]
    OldBoot(u64),
    /// The sender was removed from the cluster.
    #[error("node {0:016x} was removed from the cluster")]
    Removed(u64),
    /// Too much that arrived waits to be handled; the frame was dropped.
    #[error("too many frames wait to be handled")]
    Overloaded,
    /// The store is shutting down.
    #[error("the store is shutting down")]
    Stopping,
}
