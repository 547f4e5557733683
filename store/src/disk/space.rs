//! Room on the disk. Keeps: a write to the log begins only when there is room for it, because a file that could not grow
//! leaves the engine in a state from which it does not come back; and long before that, growth is refused.
//!
//! Three lines divide the free bytes. Below the reserve the node says that its disk is full, so that growth is refused
//! while reads, deletes, compaction and leases go on. Below the floor nothing is written any more until there is room. A
//! ballast file is given up on the way down, so that deletes and compaction can bring the node back up.

use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::{Engine, Space};

const BALLAST_FILE: &str = "store.ballast";
/// The reserve is never more than this part of the file system.
const RESERVE_PART: u64 = 4;

/// Watches the room of one directory.
#[derive(Debug)]
pub(crate) struct SpaceWatch {
    engine: Arc<dyn Engine>,
    directory: PathBuf,
    reserve_max: u64,
    has_ballast: bool,
    full: bool,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// None where nobody can tell.
    pub(crate) free: Option<u64>,
    /// Growth should be refused.
    pub(crate) full: bool,
    /// Nothing large should be written.
    pub(crate) scarce: bool,
    /// What is about to be written would not fit.
    pub(crate) holds: bool,
}

impl SpaceWatch {
    pub(crate) fn new(engine: Arc<dyn Engine>, directory: PathBuf, reserve_max: u64) -> SpaceWatch {
        let has_ballast = engine.exists(&directory.join(BALLAST_FILE));
        SpaceWatch { engine, directory, reserve_max, has_ballast, full: false }
    }

    /// Looks whether `needed` bytes may be written, and gives up or lays in ballast.
    pub(crate) fn look(&mut self, needed: u64) -> Room {
        let Some(mut space) = self.engine.space(&self.directory) else { return Room::default() };
        let reserve = self.reserve_max.min(space.total / RESERVE_PART);
        let (ballast, floor) = (reserve / 4, reserve / 8);
        if space.free < floor + needed && self.has_ballast {
            self.set_ballast(0);
            space = self.engine.space(&self.directory).unwrap_or(space);
        } else if space.free >= 2 * reserve && !self.has_ballast && ballast > 0 {
            self.set_ballast(ballast);
        }
        // A little more is wanted for the way back, so that the answer does not swing.
        let Space { free, .. } = space;
        let line = if self.full { reserve + reserve / 4 } else { reserve };
        self.full = free < line;
        Room { free: Some(free), full: self.full, scarce: free < floor, holds: free < floor + needed }
    }

    fn set_ballast(&mut self, bytes: u64) {
        match self.engine.set_ballast(&self.directory.join(BALLAST_FILE), bytes) {
            Ok(()) => {
                self.has_ballast = bytes > 0;
                if bytes == 0 {
                    tracing::warn!("the disk is nearly full: the ballast was given up");
                }
            }
            // Without ballast the node is only a little worse off.
            Err(error) => tracing::debug!(%error, "the ballast could not be changed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::disk::SimDisk;

    fn watch(disk: &SimDisk) -> SpaceWatch {
        SpaceWatch::new(Arc::new(disk.clone()), PathBuf::from("/simulated"), 1_600)
    }

    #[test]
    fn growth_is_refused_before_writing_and_allowed_again_a_little_later() {
        let disk = SimDisk::new();
        let mut watch = watch(&disk);
        let mut at = |free| {
            disk.set_free(free);
            let Room { full, holds, .. } = watch.look(10);
            (full, holds)
        };
        assert_eq!(at(10_000), (false, false));
        assert_eq!(at(1_599), (true, false));
        assert_eq!(at(1_700), (true, false), "not yet");
        assert_eq!(at(2_000), (false, false));
        assert_eq!(at(209), (true, true));
        assert_eq!(at(210), (true, false));
    }

    #[test]
    fn ballast_is_given_up_when_the_floor_is_reached() {
        let disk = SimDisk::new();
        let mut watch = watch(&disk);
        disk.set_free(10_000);
        watch.look(10);
        assert!(watch.has_ballast);
        disk.set_free(1_000);
        watch.look(10);
        assert!(watch.has_ballast, "the reserve alone does not cost it");
        disk.set_free(150);
        watch.look(10);
        assert!(!watch.has_ballast);
    }
}
