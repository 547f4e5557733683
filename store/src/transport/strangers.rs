//! Connections whose node is not known yet. Keeps: they are few, and whoever comes last is let in: a crowd that does not
//! finish its handshakes costs the oldest of it their place, and keeps no node out.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Connections whose node may be unknown at the same time.
const STRANGERS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Strangers {
    crowd: Mutex<Crowd>,
}

#[derive(Debug, Default)]
struct Crowd {
    /// By arrival. Dropping a sender ends its connection.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    serial: u64,
}

/// A place among the strangers, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Stranger<'a> {
    strangers: &'a Strangers,
    serial: u64,
    /// Ends when somebody newer needs the place.
    pub(super) crowded_out: oneshot::Receiver<()>,
}

impl Strangers {
    pub(super) fn enter(&self) -> Stranger<'_> {
        let (sender, crowded_out) = oneshot::channel();
        let mut crowd = self.crowd.lock();
        crowd.serial += 1;
        let serial = crowd.serial;
        crowd.waiting.insert(serial, sender);
        if crowd.waiting.len() > STRANGERS_MAX {
            crowd.waiting.pop_first();
        }
        Stranger { strangers: self, serial, crowded_out }
    }
}

impl Drop for Stranger<'_> {
    fn drop(&mut self) {
        self.strangers.crowd.lock().waiting.remove(&self.serial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_are_too_many_and_places_are_given_back() {
        let strangers = Strangers::default();
        drop(strangers.enter());
        let mut all: Vec<_> = (0..=STRANGERS_MAX).map(|_| strangers.enter()).collect();
        let mut ended = all.iter_mut().map(|stranger| stranger.crowded_out.try_recv());
        assert_eq!(ended.next(), Some(Err(oneshot::error::TryRecvError::Closed)));
        assert!(ended.all(|end| end == Err(oneshot::error::TryRecvError::Empty)));
        drop(all);
        assert!(strangers.crowd.lock().waiting.is_empty());
    }
}
