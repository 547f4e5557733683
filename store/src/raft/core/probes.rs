//! What is sent to a node whose place in the log is not known. raft-rs sends another probe, with as many entries as a
//! message holds, for every heartbeat that such a node answers; one that was away answers all that waited for it at once,
//! and a leader that copies a hundred megabytes meanwhile is no longer heard by anybody.
//!
//! Keeps: within the time from one heartbeat to the next a node is sent one probe for its answers, and that one holds a
//! single entry.

use std::collections::BTreeMap;

use raft::ProgressState;
use raft::eraftpb::{Message, MessageType};

use super::Core;

/// The probes that nodes were sent.
#[derive(Debug)]
pub(super) struct Probes {
    interval: u64,
    ticks: u64,
    /// The tick at which each node was sent its last one.
    sent: BTreeMap<u64, u64>,
}

impl Probes {
    pub(super) fn new(heartbeat_ticks: usize) -> Probes {
        Probes { interval: heartbeat_ticks as u64, ticks: 0, sent: BTreeMap::new() }
    }

    pub(super) fn tick(&mut self) {
        self.ticks += 1;
        let (ticks, interval) = (self.ticks, self.interval);
        self.sent.retain(|_, sent| *sent + interval > ticks);
    }

    /// Whether a node may be sent another one now.
    fn allow(&mut self, node: u64) -> bool {
        let is_first = !self.sent.contains_key(&node);
        if is_first {
            self.sent.insert(node, self.ticks);
        }
        is_first
    }
}

impl<T> Core<T> {
    pub(super) fn step_with_probes(&mut self, message: Message) -> raft::Result<()> {
        let from = message.from;
        let raft = &mut self.raw.raft;
        let is_probed = message.get_msg_type() == MessageType::MsgHeartbeatResponse
            && raft.prs().get(from).is_some_and(|progress| progress.state == ProgressState::Probe);
        if !is_probed {
            return self.raw.step(message);
        }
        let waiting = raft.msgs.len();
        let size_max = std::mem::replace(&mut raft.max_msg_size, 0);
        let stepped = self.raw.step(message);
        let raft = &mut self.raw.raft;
        raft.max_msg_size = size_max;
        let is_probe = |sent: &Message| sent.to == from && sent.get_msg_type() == MessageType::MsgAppend;
        let probe = raft.msgs.iter().skip(waiting).position(is_probe);
        if let Some(probe) = probe
            && !self.probes.allow(from)
        {
            raft.msgs.remove(waiting + probe);
        }
        stepped
    }
}
