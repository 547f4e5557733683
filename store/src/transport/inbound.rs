//! The connections that others have opened to this node. Keeps: one per node and lane; a newer one ends the older,
//! so a node whose connections died without a word leaves none behind.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::peers::Lane;

#[derive(Debug, Default)]
pub(super) struct Inbound {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    /// Dropping a sender ends its connection.
    open: BTreeMap<(u64, Lane), (u64, oneshot::Sender<()>)>,
    serial: u64,
}

/// The place of a connection; it ends when the receiver is answered or abandoned.
#[derive(Debug)]
pub(super) struct Place {
    key: (u64, Lane),
    serial: u64,
    pub(super) replaced: oneshot::Receiver<()>,
}

impl Inbound {
    /// Gives a new connection its place, and ends the one that had it.
    pub(super) fn open(&self, node: u64, lane: Lane) -> Place {
        let (sender, replaced) = oneshot::channel();
        let mut connections = self.connections.lock();
        connections.serial += 1;
        let serial = connections.serial;
        connections.open.insert((node, lane), (serial, sender));
        Place { key: (node, lane), serial, replaced }
    }

    /// Frees the place of a connection that has ended.
    pub(super) fn leave(&self, place: &Place) {
        let mut connections = self.connections.lock();
        if connections.open.get(&place.key).is_some_and(|(serial, _)| *serial == place.serial) {
            connections.open.remove(&place.key);
        }
    }

    /// Whether a node has a connection to this one.
    pub(super) fn has(&self, node: u64) -> bool {
        let connections = self.connections.lock();
        connections.open.keys().any(|(from, _)| *from == node)
    }

    /// Ends all connections of a node.
    pub(super) fn close(&self, node: u64) {
        self.connections.lock().open.retain(|(from, _), _| *from != node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_connection_ends_the_older_one_and_only_that() {
        let inbound = Inbound::default();
        let mut other = inbound.open(1, Lane::Requests);
        let mut older = inbound.open(1, Lane::Raft);
        let mut newer = inbound.open(1, Lane::Raft);
        inbound.leave(&older);
        let ended =
            |place: &mut Place| place.replaced.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        assert_eq!([&mut other, &mut older, &mut newer].map(ended), [false, true, false]);
        assert!(inbound.has(1));
        inbound.close(1);
        assert_eq!([&mut other, &mut newer].map(ended), [true, true]);
        assert!(!inbound.has(1));
    }
}
