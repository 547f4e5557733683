//! Why a connection between nodes ended or was not made.

use std::io;

use crate::codec::Malformed;
use crate::peers::PeerRefusal;

/// Why a connection between nodes ended or was not made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The node did not accept a connection in time.
    #[error("it does not answer")]
    ConnectTimeout,
    /// The handshake took too long.
    #[error("it does not finish the handshake")]
    HandshakeTimeout,
    /// The network or TLS failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The other side closed the connection.
    #[error("it closed the connection")]
    Closed,
    /// What was sent does not arrive any more.
    #[error("nothing arrives there any more")]
    Silent,
    /// What was sent is not a frame.
    #[error("it sent a {0}")]
    Malformed(#[from] Malformed),
    /// A frame comes from another node than the one that the certificate names.
    #[error("its certificate does not name it as node {node:016x} of cluster {cluster:016x}")]
    NotTheSender {
        /// The cluster that the frame names.
        cluster: u64,
        /// The node that the frame names as its sender.
        node: u64,
    },
    /// Two frames of one connection differ in sender, start or lane.
    #[error("its frames do not belong together")]
    Mixed,
    /// The store does not take its frames.
    #[error("{0}")]
    Refused(#[from] PeerRefusal),
    /// The node was removed from the cluster.
    #[error("node {0:016x} was removed from the cluster")]
    Removed(u64),
    /// Too many connections had not said yet which node they are from.
    #[error("too many others do not finish their handshakes")]
    CrowdedOut,
    /// A newer connection took its place.
    #[error("it opened another connection")]
    Replaced,
}

impl ConnectionError {
    /// Whether nobody listens where the node should.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self, ConnectionError::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Whether somebody should look at it; the rest happens whenever a node or a network stops.
    pub(super) fn is_suspicious(&self) -> bool {
        match self {
            ConnectionError::Malformed(_)
            | ConnectionError::NotTheSender { .. }
            | ConnectionError::Mixed
            | ConnectionError::Removed(_)
            | ConnectionError::Refused(
                PeerRefusal::OtherCluster(_) | PeerRefusal::OtherNode(_) | PeerRefusal::Removed(_),
            ) => true,
            ConnectionError::ConnectTimeout
            | ConnectionError::HandshakeTimeout
            | ConnectionError::Io(_)
            | ConnectionError::Closed
            | ConnectionError::Silent
            | ConnectionError::Refused(_)
            | ConnectionError::CrowdedOut
            | ConnectionError::Replaced => false,
        }
    }
}
