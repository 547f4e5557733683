//! The log thread: writes batches, syncs them, and only then says so.
//!
//! Keeps: batches are written in order and reported after their sync; the watermark never runs ahead of the log;
//! any failure ends the process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use raft::eraftpb::HardState;

use crate::bugs::{Bug, planted};
use crate::disk::{HardStateValue, LogEntry, SpaceWatch, Truncation, Watermark, WatermarkFile};
use crate::engine::{LogStore, LogWrite};
use crate::error::DiskError;
use crate::fatal::fatal;
use crate::mailbox::Mailbox;
use crate::members::encode_addresses;
use crate::open::{ADDRESSES, DISTRUSTED, STATE_DIRECTORY};
use crate::raft::LogBatch;
use crate::shared::{FREE_UNKNOWN, OwnerEvent, Shared};

/// How often the watermark itself is synced.
const WATERMARK_SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// How often the room on the disk is looked at when nothing is written.
const SPACE_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is looked at while something waits for room.
const HELD_INTERVAL: Duration = Duration::from_millis(100);

/// What the log thread is told.
#[derive(Debug)]
pub(crate) enum LogEvent {
    /// Write and sync this batch.
    Append(LogBatch),
    /// Forget all entries and begin behind a received state.
    Switch(Switch),
    /// Keep a copy of the members' addresses, in case that the state is damaged some day.
    Addresses(BTreeMap<u64, String>),
    /// The others have outvoted this node's state: no later start may serve it.
    Distrust,
    /// The state up to this index is durable: the log up to it may go.
    EraseThrough(u64),
    Stop,
}

/// How the log goes on behind a received state.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) truncation: Truncation,
    /// Index, term and chain value of the last entry afterwards: the entries behind the state are kept when they
    /// follow it.
    pub(crate) last: (u64, u64, u64),
    pub(crate) hard_state: HardState,
    pub(crate) state: String,
}

/// The log thread's own things.
pub(crate) struct LogThread {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox<LogEvent>>,
    pub(crate) log: Box<dyn LogStore>,
    pub(crate) watermark: WatermarkFile,
    pub(crate) watermark_synced: Duration,
    pub(crate) watermark_dirty: bool,
    pub(crate) space: SpaceWatch,
    /// What waits for room on the disk, in order.
    pub(crate) held: Vec<LogBatch>,
    pub(crate) held_switch: Option<Switch>,
    pub(crate) held_distrust: bool,
    /// Whether the state is noted as one that must not be served.
    pub(crate) has_distrusted: bool,
}

impl LogThread {
    /// Takes turns until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Vec::new();
        loop {
            self.mailbox.take(&mut events, 1, Some(self.patience()));
            if !self.turn(&mut events) {
                return;
            }
        }
    }

    /// How long the next turn may be away when nothing comes.
    pub(crate) fn patience(&self) -> Duration {
        if self.holds() { HELD_INTERVAL } else { SPACE_INTERVAL }
    }

    /// Whether something waits for room on the disk.
    fn holds(&self) -> bool {
        !self.held.is_empty() || self.held_switch.is_some() || self.held_distrust
    }

    /// Looks at the room before anything is written; gives whether what waits has to wait longer.
    fn look_at_space(&mut self, batches: &[LogBatch]) -> bool {
        let needed: usize = batches.iter().map(|batch| batch.entries.size()).sum();
        // The engine may begin another file, and writes more than the bytes alone.
        let room = self.space.look(needed as u64 * 2);
        let figures = &self.shared.figures;
        figures.free_bytes.store(room.free.unwrap_or(FREE_UNKNOWN), Ordering::Relaxed);
        figures.disk_full.store(room.full, Ordering::Relaxed);
        figures.room_scarce.store(room.scarce, Ordering::Relaxed);
        if room.holds && !self.holds() && !batches.is_empty() {
            tracing::error!(free = room.free, "the disk is full: nothing is written until there is room");
        }
        room.holds && !planted(Bug::FullDisk)
    }

    /// Handles events; false after the last one.
    pub(crate) fn turn(&mut self, events: &mut Vec<LogEvent>) -> bool {
        let mut batches = std::mem::take(&mut self.held);
        let mut erase_through = None;
        let mut switch = self.held_switch.take();
        let mut addresses = None;
        let mut distrust = std::mem::take(&mut self.held_distrust);
        let mut stop = false;
        for event in events.drain(..) {
            match event {
                LogEvent::Append(batch) => batches.push(batch),
                // Nothing is appended between this and the owner's answer to it.
                LogEvent::Switch(to) => switch = Some(to),
                LogEvent::Addresses(known) => addresses = Some(known),
                LogEvent::Distrust => distrust = true,
                LogEvent::EraseThrough(index) => erase_through = Some(index),
                LogEvent::Stop => stop = true,
            }
        }
        if self.look_at_space(&batches) {
            // Nothing is promised before it is synced, so nothing is lost by waiting.
            (self.held, self.held_switch) = (std::mem::take(&mut batches), switch.take());
            self.held_distrust = std::mem::take(&mut distrust);
            (erase_through, addresses) = (None, None);
        }
        self.shared.figures.log_held.store(self.holds(), Ordering::Relaxed);
        self.shared.figures.log_rounds.fetch_add(1, Ordering::Relaxed);
        if distrust && let Err(error) = self.distrust() {
            fatal(format_args!("the log could not be written: {error}"));
        }
        let written = self.write(batches).and_then(|()| self.erase(erase_through, addresses));
        if let Err(error) = written.and_then(|()| self.switch(switch)) {
            fatal(format_args!("the log could not be written: {error}"));
        }
        if let Err(error) = self.sync_watermark(stop) {
            fatal(format_args!("the watermark could not be synced: {error}"));
        }
        !stop
    }

    /// Writes all waiting batches with one sync.
    fn write(&mut self, batches: Vec<LogBatch>) -> Result<(), DiskError> {
        let Some(newest) = batches.last() else { return Ok(()) };
        let (number, last, hard_state) = (newest.number, newest.last, newest.hard_state.clone());
        let mut write = LogWrite::default();
        let mut buffers = Vec::with_capacity(batches.len());
        for batch in batches {
            if batch.replaces && !write.entries.is_empty() {
                // What is replaced may be among what waits here: that is written first. The sync comes last.
                self.log.write(&write, false)?;
                buffers.append(&mut write.entries);
            }
            if batch.replaces {
                write.erase_from = batch.entries.first();
            }
            write.entries.push(batch.entries);
        }
        write.named.push((HardStateValue::NAME, HardStateValue::encode(&hard_state)));
        let votes_only = write.entries.iter().all(|values| values.first().is_none());
        let careless = planted(Bug::NoFsync) || (planted(Bug::VoteNotSynced) && votes_only);
        let mut written = self.log.write(&write, !careless);
        if written.is_err() && planted(Bug::RetrySync) {
            written = self.log.write(&LogWrite::default(), true);
        }
        written?;
        buffers.append(&mut write.entries);
        self.shared.figures.log_syncs.fetch_add(1, Ordering::Relaxed);
        let (index, term, chain) = last;
        let watermark =
            Watermark { index, term, chain, current_term: hard_state.term, vote: hard_state.vote };
        self.watermark.write(watermark).map_err(DiskError::io("write the watermark"))?;
        self.watermark_dirty = true;
        self.shared.owner.push(OwnerEvent::Persisted(number, buffers));
        Ok(())
    }

    /// Without a sync: if this is lost, the log is merely longer, and the copy of the addresses older.
    fn erase(
        &mut self,
        through: Option<u64>,
        addresses: Option<BTreeMap<u64, String>>,
    ) -> Result<(), DiskError> {
        let mut write = LogWrite::default();
        write.named.extend(addresses.map(|addresses| (ADDRESSES, encode_addresses(&addresses))));
        let erased = match through {
            Some(index) => self.log.entry(index)?.map(|value| (index, value)),
            None => None,
        };
        if let Some((index, value)) = erased {
            let LogEntry { entry, chain } = LogEntry::decode(index, &value)?;
            let truncation = Truncation { index, term: entry.term, chain };
            write.erase_through = Some(index);
            write.named.push((Truncation::NAME, truncation.encode()));
        }
        if write.named.is_empty() { Ok(()) } else { self.log.write(&write, false) }
    }

    /// Names the state that must not be served. Another state has another name, so this is over when one is installed.
    fn distrust(&mut self) -> Result<(), DiskError> {
        let Some(state) = self.log.named(STATE_DIRECTORY)? else { return Ok(()) };
        if !planted(Bug::ForgottenDistrust) {
            let named = vec![(DISTRUSTED, state)];
            self.log.write(&LogWrite { named, ..LogWrite::default() }, true)?;
        }
        self.has_distrusted = true;
        Ok(())
    }

    /// One synced write cuts the log and names the new state: before it the old state counts, after it the new.
    fn switch(&mut self, switch: Option<Switch>) -> Result<(), DiskError> {
        let Some(Switch { truncation, last, hard_state, state }) = switch else { return Ok(()) };
        let (index, term, chain) = last;
        let keeps = index > truncation.index;
        let named = vec![
            (Truncation::NAME, truncation.encode()),
            (HardStateValue::NAME, HardStateValue::encode(&hard_state)),
            (STATE_DIRECTORY, state.into_bytes()),
        ];
        let write = LogWrite {
            erase_through: keeps.then_some(truncation.index),
            erase_from: (!keeps).then_some(0),
            named,
            ..LogWrite::default()
        };
        self.log.write(&write, true)?;
        self.has_distrusted = false;
        let watermark =
            Watermark { index, term, chain, current_term: hard_state.term, vote: hard_state.vote };
        self.watermark.write(watermark).map_err(DiskError::io("write the watermark"))?;
        self.watermark_dirty = true;
        self.shared.owner.push(OwnerEvent::Switched);
        Ok(())
    }

    fn sync_watermark(&mut self, now: bool) -> Result<(), DiskError> {
        let time = self.shared.options.clock.now();
        let due = now || time >= self.watermark_synced + WATERMARK_SYNC_INTERVAL;
        if self.watermark_dirty && due {
            self.watermark.sync().map_err(DiskError::io("sync the watermark"))?;
            self.watermark_synced = time;
            self.watermark_dirty = false;
        }
        Ok(())
    }
}
