//! The address book: where other nodes are reached, and what waits for them. Keeps: a node that was removed is never
//! entered again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::peers::Lane;
use crate::transport::queue::Queue;

#[derive(Debug)]
pub(super) struct Book {
    queue_bytes_max: usize,
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    peers: BTreeMap<u64, Arc<Peer>>,
    removed: BTreeSet<u64>,
    /// Entered, and not yet given tasks.
    new: Vec<Arc<Peer>>,
}

/// Another node.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) node: u64,
    /// Where it is reached; nowhere once it was removed.
    pub(super) address: watch::Sender<Option<String>>,
    ways: [Way; Lane::ALL.len()],
}

/// What waits for a node on one lane.
#[derive(Debug)]
struct Way {
    queue: Queue,
    /// Woken when the node has done something.
    stirred: Notify,
}

impl Book {
    pub(super) fn new(queue_bytes_max: usize) -> Book {
        Book { queue_bytes_max, entries: Mutex::default(), changed: Notify::new() }
    }

    pub(super) fn set(&self, node: u64, address: &str) {
        let mut entries = self.entries.lock();
        if entries.removed.contains(&node) {
            return;
        }
        if let Some(peer) = entries.peers.get(&node) {
            let moved = |current: &mut Option<String>| {
                let moved = current.as_deref() != Some(address);
                *current = Some(address.to_owned());
                moved
            };
            peer.address.send_if_modified(moved);
            return;
        }
        let way = || Way { queue: Queue::new(self.queue_bytes_max), stirred: Notify::new() };
        let address = watch::Sender::new(Some(address.to_owned()));
        let peer = Arc::new(Peer { node, address, ways: [way(), way(), way()] });
        entries.peers.insert(node, peer.clone());
        entries.new.push(peer);
        self.changed.notify_one();
    }

    pub(super) fn remove(&self, node: u64) {
        let mut entries = self.entries.lock();
        entries.removed.insert(node);
        if let Some(peer) = entries.peers.remove(&node) {
            peer.address.send_replace(None);
        }
    }

    pub(super) fn is_removed(&self, node: u64) -> bool {
        self.entries.lock().removed.contains(&node)
    }

    pub(super) fn peer(&self, node: u64) -> Option<Arc<Peer>> {
        self.entries.lock().peers.get(&node).cloned()
    }

    /// The nodes that were entered since the last time.
    pub(super) fn take_new(&self) -> Vec<Arc<Peer>> {
        std::mem::take(&mut self.entries.lock().new)
    }

    /// Waits, as the only one, until nodes were entered.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Peer {
    fn way(&self, lane: Lane) -> &Way {
        &self.ways[match lane {
            Lane::Raft => 0,
            Lane::Requests => 1,
            Lane::Snapshots => 2,
        }]
    }

    pub(super) fn queue(&self, lane: Lane) -> &Queue {
        &self.way(lane).queue
    }

    /// Notes that the node has just opened or closed a connection to this one: it runs again, or not any more.
    pub(super) fn stir(&self) {
        self.ways.iter().for_each(|way| way.stirred.notify_one());
    }

    /// Waits, as the only one of a lane, until the node has done something.
    pub(super) async fn stirred(&self, lane: Lane) {
        self.way(lane).stirred.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_moves_is_told_from_one_that_stays() {
        let book = Book::new(1);
        book.set(7, "a:1");
        let peer = book.peer(7).expect("entered");
        let mut address = peer.address.subscribe();
        book.set(7, "a:1");
        assert!(!address.has_changed().expect("the book is there"));
        book.set(7, "b:1");
        assert!(address.has_changed().expect("the book is there"));
        assert_eq!(address.borrow_and_update().as_deref(), Some("b:1"));
        assert_eq!(book.take_new().len(), 1);
    }

    #[test]
    fn a_removed_node_stays_out() {
        let book = Book::new(1);
        book.set(7, "a:1");
        let peer = book.peer(7).expect("entered");
        book.remove(7);
        assert_eq!(*peer.address.borrow(), None);
        book.set(7, "a:1");
        assert!(book.peer(7).is_none() && book.is_removed(7));
    }
}
