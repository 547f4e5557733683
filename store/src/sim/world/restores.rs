//! Backups and what becomes of them: a new cluster, in which no revision of the old one is handed out again. Its clients
//! and watchers are those of the old one, with all that they remember.

use super::*;
use crate::backup::{inspect_backup, restore_simulated};

/// Unix seconds when the simulated time begins.
const BEGINNING: u64 = 1_800_000_000;

/// A backup, and what it must hold.
#[derive(Clone)]
pub(super) struct Saved {
    file: Vec<u8>,
    revision: u64,
}

impl World {
    fn unix_seconds(&self) -> u64 {
        BEGINNING + self.now / SECOND
    }

    /// Saves a backup on some node that serves, now or soon.
    pub(super) fn save(&mut self) -> Result<(), Failure> {
        if self.healing {
            return Ok(());
        }
        let host = self.random.within(0..self.hosts.len() as u64) as usize;
        let now = self.unix_seconds();
        let state = &mut self.hosts[host];
        let serves = |running: &Running| {
            running.shared.applied.reached() > 0
                && !running.shared.awaits_state.load(std::sync::atomic::Ordering::SeqCst)
                && !running.is_out_of_service()
        };
        let paused = state.paused_until > self.now || state.stopping;
        let Some(running) = state.running.as_mut().filter(|running| serves(running) && !paused) else {
            self.at(50 * MILLISECOND, Event::Save);
            return Ok(());
        };
        state.clock.set(self.now);
        match catch(host, || running.save_backup(now)) {
            Ok(Ok((file, info))) => {
                self.note(info.hash);
                self.saved = Some(Saved { file, revision: info.revision });
                self.collect(host)?;
                self.kick(host);
                Ok(())
            }
            Ok(Err(error)) => Err(Failure::new("backups", error.to_string())),
            Err(end) => {
                self.collect(host)?;
                self.after_end(host, end)
            }
        }
    }

    /// What comes after this cluster: one that is made of its backup.
    pub(super) fn into_restored(mut self, round: u64) -> World {
        let began = self.now + self.random.within(1..4) * SECOND;
        let mut next = World::new(self.plan.restored(round, began));
        next.now = began;
        next.trace = self.trace;
        let revision = self.saved.as_ref().map_or(0, |saved| saved.revision);
        next.truth = self.truth.through(revision);
        next.history.known = self.history.known.max(self.truth.newest());
        next.history.base = next.history.known + 1;
        next.saved = self.saved.take();
        (next.clients, next.watchers) = std::mem::take(&mut self.retired);
        next.clients.iter_mut().for_each(|client| client.node = 0);
        next.watchers.iter_mut().for_each(|watcher| watcher.node = 0);
        next
    }

    /// Makes the first node of a restored cluster; false when this cluster is none, or the node is another one. A backup
    /// that was changed anywhere is refused.
    pub(super) fn restore(&mut self, host: usize) -> Result<bool, Failure> {
        let Some(saved) = self.saved.clone().filter(|_| host == 0) else { return Ok(false) };
        let mut damaged = saved.file.clone();
        let at = self.random.within(0..damaged.len() as u64) as usize;
        if self.random.chance(50) {
            damaged.truncate(at);
        } else {
            damaged[at] ^= 1 << self.random.within(0..8);
        }
        if inspect_backup(&mut &damaged[..]).is_ok() {
            return Err(Failure::new("backups", format!("damage at byte {at} was not noticed")));
        }
        let (options, now) = (self.options(host), self.unix_seconds());
        let Host { disk, identity, .. } = &self.hosts[host];
        restore_simulated(&options, disk, *identity, now, &mut &saved.file[..])
            .map_err(|error| Failure::new("backups", error.to_string()))?;
        // What the restore wrote is what the old cluster had written.
        disk.take_written();
        Ok(true)
    }
}
