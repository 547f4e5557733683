//! A simulated disk. It outlives the node that writes to it, and forgets in a power cut what was not synced.
//!
//! The log keeps the images that a power cut may leave: the last synced one and each write after it. The state keeps
//! the images of its flushes: it has no log of its own, so it loses everything else also when only the process ends.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use parking_lot::Mutex;

use crate::bugs::{Bug, planted};
use crate::engine::{
    BlockFile, Engine, LogStore, LogVisitor, LogWrite, RecordVisitor, Space, StateStore, StateWrite,
};
use crate::entry::Revision;
use crate::error::DiskError;
use crate::fatal::fatal;
use crate::sim::random::Random;

/// Room on a disk that nothing else fills.
pub(crate) const PLENTY: u64 = 1 << 40;

/// What a disk does at one of the next operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The process ends before the operation.
    EndBefore,
    /// The process ends after the operation.
    EndAfter,
    /// The operation fails, and what it should have written never becomes durable.
    Fail,
}

/// What is left after a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The process ended: what was written is there, synced or not.
    Process,
    /// The power was cut: of what was not synced, any beginning may be there.
    Power,
}

/// One write to a state, as the world looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) records: Vec<(Revision, Bytes)>,
    pub(crate) meta: Bytes,
}

/// One node's disk.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    log: Option<Log>,
    states: BTreeMap<PathBuf, State>,
    blocks: BTreeMap<PathBuf, Block>,
    /// What happens at the n-th operation from now.
    trouble: Option<(u64, Trouble)>,
    /// Room that is left; the simulated disk has no end, but other files may have filled it.
    free: u64,
    /// What was written to the states and the world has not looked at yet.
    written: Vec<Written>,
}

#[derive(Clone, Debug, Default)]
struct LogImage {
    entries: OrdMap<u64, Bytes>,
    named: BTreeMap<&'static str, Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
struct Log {
    current: LogImage,
    durable: LogImage,
    /// The images after each write that was not synced.
    unsynced: Vec<LogImage>,
    /// Entries whose sync failed: the kernel shows them, and no later sync brings them to the disk.
    lost: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
struct StateImage {
    records: OrdMap<Revision, Bytes>,
    meta: Option<Bytes>,
    /// Its bytes are no longer what was written, which their checksums show.
    damaged: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    current: StateImage,
    flushing: Option<StateImage>,
    durable: StateImage,
}

#[derive(Clone, Debug, Default)]
struct Block {
    current: BTreeMap<u64, Vec<u8>>,
    durable: BTreeMap<u64, Vec<u8>>,
}

impl SimDisk {
    pub(crate) fn new() -> SimDisk {
        let inner = Inner {
            log: None,
            states: BTreeMap::new(),
            blocks: BTreeMap::new(),
            trouble: None,
            free: PLENTY,
            written: Vec::new(),
        };
        SimDisk { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Lets something happen at the `after`-th operation from now.
    pub(crate) fn trouble(&self, after: u64, trouble: Trouble) {
        self.inner.lock().trouble = Some((after, trouble));
    }

    /// Takes back trouble that has not happened yet.
    pub(crate) fn clear_trouble(&self) {
        self.inner.lock().trouble = None;
    }

    /// What the end of the node does to its disk.
    pub(crate) fn lose(&self, loss: Loss, random: &mut Random) {
        let mut inner = self.inner.lock();
        inner.trouble = None;
        if let Some(log) = &mut inner.log {
            let images = log.unsynced.len() as u64;
            if !log.lost.is_empty() {
                log.current = log.durable.clone();
                log.lost.clear();
            } else if loss == Loss::Power && images > 0 {
                let kept = random.within(0..images + 1);
                log.current =
                    if kept == 0 { log.durable.clone() } else { log.unsynced[kept as usize - 1].clone() };
            }
            log.durable = log.current.clone();
            log.unsynced.clear();
        }
        for state in inner.states.values_mut() {
            let flushed = state.flushing.take().filter(|_| random.chance(50));
            if let Some(image) = flushed {
                state.durable = image;
            }
            state.current = state.durable.clone();
        }
        for block in inner.blocks.values_mut() {
            if loss == Loss::Power {
                block.cut_power(random);
            }
            block.durable = block.current.clone();
        }
    }

    /// Cuts off synced entries, or changes one: damage that must be noticed.
    pub(crate) fn damage(&self, random: &mut Random) -> bool {
        let mut inner = self.inner.lock();
        let Some(log) = &mut inner.log else { return false };
        let Some((last, value)) = log.current.entries.get_max().cloned() else { return false };
        if random.chance(50) {
            log.current.entries.remove(&last);
        } else {
            let mut bytes = value.to_vec();
            let at = random.within(0..bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.within(0..8);
            log.current.entries.insert(last, bytes.into());
        }
        log.durable = log.current.clone();
        true
    }

    /// Lets other files leave this much room.
    pub(crate) fn set_free(&self, free: u64) {
        self.inner.lock().free = free;
    }

    /// Flips a byte in every state.
    pub(crate) fn damage_states(&self) {
        for state in self.inner.lock().states.values_mut() {
            state.current.damaged = true;
            state.durable.damaged = true;
        }
    }

    /// Brings the disk back to an earlier copy of itself.
    pub(crate) fn restore(&self, copy: &SimDisk) {
        let copy = copy.inner.lock();
        let mut inner = self.inner.lock();
        inner.log = copy.log.clone();
        inner.states = copy.states.clone();
        inner.blocks = copy.blocks.clone();
    }

    /// Takes what was written to the states since the last time.
    pub(crate) fn take_written(&self) -> Vec<Written> {
        std::mem::take(&mut self.inner.lock().written)
    }

    /// A copy that later writes do not change.
    pub(crate) fn copy(&self) -> SimDisk {
        let copy = SimDisk::new();
        copy.restore(self);
        copy
    }
}

impl Block {
    /// Each sector has its old or its new content, but the one that was being written may be torn.
    fn cut_power(&mut self, random: &mut Random) {
        let mut torn = false;
        let durable = &self.durable;
        self.current.retain(|offset, bytes| {
            let old = durable.get(offset);
            if old == Some(bytes) || random.chance(50) {
                return true;
            }
            if !torn && random.chance(20) {
                torn = true;
                bytes.iter_mut().skip(20).for_each(|byte| *byte ^= 0x5a);
                return true;
            }
            old.map(|old| bytes.clone_from(old)).is_some()
        });
    }
}

impl Inner {
    /// Runs one operation, unless trouble comes first.
    fn operate(
        &mut self,
        operation: impl FnOnce(&mut Inner, bool),
        what: &'static str,
    ) -> Result<(), DiskError> {
        let due = match &mut self.trouble {
            Some((0, trouble)) => Some(*trouble),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if due.is_some() {
            self.trouble = None;
        }
        match due {
            Some(Trouble::EndBefore) => fatal("a simulated end before a write"),
            Some(Trouble::Fail) => {
                operation(self, false);
                Err(DiskError::Io { action: what, source: io::Error::from_raw_os_error(5) })
            }
            after => {
                operation(self, true);
                if after.is_some() {
                    fatal("a simulated end after a write");
                }
                Ok(())
            }
        }
    }
}

impl Engine for SimDisk {
    fn open_log(&self, _: &Path) -> Result<Box<dyn LogStore>, DiskError> {
        self.inner.lock().log.get_or_insert_default();
        Ok(Box::new(self.clone()))
    }

    fn open_state(&self, directory: &Path) -> Result<Arc<dyn StateStore>, DiskError> {
        self.inner.lock().states.entry(directory.to_owned()).or_default();
        Ok(Arc::new(SimState { disk: self.clone(), directory: directory.to_owned() }))
    }

    fn remove_state(&self, directory: &Path) -> Result<(), DiskError> {
        self.inner.lock().states.remove(directory);
        Ok(())
    }

    fn space(&self, _: &Path) -> Option<Space> {
        Some(Space { free: self.inner.lock().free, total: PLENTY })
    }

    fn set_ballast(&self, _: &Path, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn states(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        let inner = self.inner.lock();
        let names = inner.states.keys().filter_map(|path| path.strip_prefix(directory).ok());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn exists(&self, directory: &Path) -> bool {
        let inner = self.inner.lock();
        inner.states.contains_key(directory) || (directory.ends_with("log") && inner.log.is_some())
    }

    fn open_block(&self, path: &Path) -> Result<Box<dyn BlockFile>, DiskError> {
        self.inner.lock().blocks.entry(path.to_owned()).or_default();
        Ok(Box::new(SimBlock { disk: self.clone(), path: path.to_owned() }))
    }
}

impl LogStore for SimDisk {
    fn write(&mut self, write: &LogWrite, sync: bool) -> Result<(), DiskError> {
        if self.inner.lock().free == 0 {
            return Err(DiskError::Io { action: "write the log", source: io::Error::from_raw_os_error(28) });
        }
        let operation = |inner: &mut Inner, succeeds: bool| {
            let log = inner.log.get_or_insert_default();
            let image = &mut log.current;
            if let Some(through) = write.erase_through {
                image.entries = image.entries.split(&through).1;
            }
            if let Some(from) = write.erase_from {
                image.entries = image.entries.split(&from).0;
            }
            for (index, value) in write.entries.iter().flat_map(|values| values.iter()) {
                image.entries.insert(index, Bytes::copy_from_slice(value));
            }
            for (name, value) in &write.named {
                image.named.insert(name, value.clone());
            }
            if !succeeds {
                let entries = write.entries.iter().flat_map(|values| values.iter());
                log.lost.extend(entries.map(|(index, _)| index));
            } else if sync {
                log.durable = log.current.clone();
                for index in &log.lost {
                    log.durable.entries.remove(index);
                }
                log.unsynced.clear();
            } else {
                log.unsynced.push(log.current.clone());
            }
        };
        self.inner.lock().operate(operation, "sync the log")
    }

    fn visit(&mut self, visitor: &mut LogVisitor<'_>) -> Result<(), DiskError> {
        let entries = self.inner.lock().log.as_ref().map(|log| log.current.entries.clone());
        for (index, value) in entries.unwrap_or_default() {
            visitor(index, &value)?;
        }
        Ok(())
    }

    fn entry(&mut self, index: u64) -> Result<Option<Vec<u8>>, DiskError> {
        let inner = self.inner.lock();
        Ok(inner.log.as_ref().and_then(|log| log.current.entries.get(&index)).map(|value| value.to_vec()))
    }

    fn named(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.inner.lock().log.as_ref().and_then(|log| log.current.named.get(name)).cloned())
    }
}

#[derive(Debug)]
struct SimState {
    disk: SimDisk,
    directory: PathBuf,
}

impl SimState {
    fn image(&self) -> Result<StateImage, DiskError> {
        let inner = self.disk.inner.lock();
        let image = inner.states.get(&self.directory).map(|state| state.current.clone()).unwrap_or_default();
        if image.damaged {
            return Err(DiskError::Engine("Corruption: a simulated checksum".to_owned()));
        }
        Ok(image)
    }
}

impl StateStore for SimState {
    fn write(&self, write: &StateWrite) -> Result<(), DiskError> {
        let operation = |inner: &mut Inner, succeeds: bool| {
            let state = inner.states.entry(self.directory.clone()).or_default();
            if !succeeds {
                return;
            }
            for (revision, value) in write.records.iter() {
                state.current.records.insert(revision, Bytes::copy_from_slice(value));
            }
            for revision in &write.erase {
                state.current.records.remove(revision);
            }
            if planted(Bug::TornMeta) && state.flushing.is_some() {
                // The records of this write are flushed with the earlier meta.
                state.flushing =
                    Some(StateImage { meta: state.current.meta.clone(), ..state.current.clone() });
            }
            let meta = Bytes::copy_from_slice(&write.meta);
            state.current.meta = Some(meta.clone());
            let records =
                write.records.iter().map(|(revision, value)| (revision, Bytes::copy_from_slice(value)));
            inner.written.push(Written { records: records.collect(), meta });
        };
        self.disk.inner.lock().operate(operation, "write the state")
    }

    fn begin_flush(&self) -> Result<(), DiskError> {
        let mut inner = self.disk.inner.lock();
        let state = inner.states.entry(self.directory.clone()).or_default();
        state.flushing = Some(state.current.clone());
        Ok(())
    }

    fn finish_flush(&self) -> Result<(), DiskError> {
        let operation = |inner: &mut Inner, succeeds: bool| {
            let state = inner.states.entry(self.directory.clone()).or_default();
            if let (true, Some(image)) = (succeeds, state.flushing.take()) {
                state.durable = image;
            }
        };
        self.disk.inner.lock().operate(operation, "flush the state")
    }

    fn meta(&self) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.image()?.meta.map(|meta| meta.to_vec()))
    }

    fn record(&self, revision: Revision) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.image()?.records.get(&revision).map(|value| value.to_vec()))
    }

    fn visit(
        &self,
        above: Revision,
        through: Revision,
        visitor: &mut RecordVisitor<'_>,
    ) -> Result<(), DiskError> {
        if through <= above {
            return Ok(());
        }
        let image = self.image()?;
        for (revision, value) in image.records.range(above + 1..=through) {
            if visitor(*revision, value)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct SimBlock {
    disk: SimDisk,
    path: PathBuf,
}

impl BlockFile for SimBlock {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let inner = self.disk.inner.lock();
        let written = inner.blocks.get(&self.path).and_then(|block| block.current.get(&offset));
        match written {
            Some(written) if written.len() >= bytes.len() => {
                bytes.copy_from_slice(&written[..bytes.len()]);
                Ok(())
            }
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.disk.inner.lock();
        let block = inner.blocks.entry(self.path.clone()).or_default();
        block.current.insert(offset, bytes.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.disk.inner.lock();
        let block = inner.blocks.entry(self.path.clone()).or_default();
        block.durable = block.current.clone();
        Ok(())
    }
}
