//! The replicated, versioned, watchable key-value store. Bytes in, bytes out.
//!
//! Invariant: a revision is assigned once and never reused; what was acknowledged survives.

#![warn(missing_docs)]

mod clock;
mod entry;
mod error;
mod key;
mod options;
mod peers;
mod record;
mod status;
mod store;
mod tasks;
mod transport;
mod txn;
mod view;
mod watch;

mod command;
mod disk;
pub mod engine;
mod floor;
mod gather;
mod level;
mod machine;
mod marks;
mod members;
mod meta;
mod open;
mod past;
mod raft;
mod sessions;
mod shared;
mod standing;
mod start;
mod threads;

#[cfg(any(test, feature = "simulation"))]
pub mod sim;

mod admission;
mod asks;
mod backup;
mod bugs;
mod codec;
mod fatal;
mod mailbox;
mod milestone;

pub use backup::{BackupError, BackupInfo, inspect_backup, restore_backup};
pub use clock::{Clock, SystemClock};
pub use codec::Malformed;
pub use entry::{Entry, Revision, Term, Terms};
pub use error::{AtError, CompactError, Compacted, DiskError, OpenError, TooNew, Unavailable};
pub use key::{Key, Prefix, bucket_of};
pub use members::{Member, MemberChange, MemberError, MemberRole};
pub use options::{Founding, Options};
pub use peers::{
    FRAME_BODY_BYTES_MAX, FRAME_HEADER_LENGTH, FrameHeader, Lane, NoPeers, PeerFrame, PeerMessage,
    PeerRefusal, Peers,
};
pub use record::Record;
pub use status::{Health, Leadership, Status};
pub use store::Store;
pub use tasks::{Task, Tasks, TokioTasks};
pub use transport::{ConnectionError, Link, Links, Transport, TransportOptions, TransportTls};
pub use txn::{Compare, NewValue, Op, Outcome, TXN_BYTES_MAX, TXN_COMPARES_MAX, TXN_OPS_MAX, Txn, Why};
pub use view::{Bucket, State};
pub use watch::{Cursor, Event, Interest, Progress};
