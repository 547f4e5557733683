//! The RocksDB engine.
//!
//! Log instance: write-ahead log on, one synced write per batch. State instance: write-ahead log off; a batch lies
//! in one memtable, so after a crash the state is that of some batch boundary, meta included.
//!
//! Meta is stored in the record sequence, right behind the revision at which its memtable began: files of
//! different flushes then never overlap, and RocksDB moves them between levels instead of rewriting them.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRawIterator, DBRecoveryMode, FlushOptions, LogLevel,
    Options, ReadOptions, WriteBatch, WriteOptions,
};

use crate::codec::Malformed;
use crate::engine::{Engine, LogStore, LogVisitor, LogWrite, RecordVisitor, StateStore, StateWrite, Values};
use crate::entry::Revision;
use crate::error::DiskError;

const MEMTABLE_BYTES_MAX: u64 = 16 << 20;
/// On a small file system memtables are this part of it, so that they can be written out within the reserve.
const MEMTABLE_PART: u64 = 64;
const MEMTABLE_BYTES_MIN: u64 = 1 << 20;
/// How long a write that found no room waits before it is tried again.
const NO_SPACE_PAUSE: Duration = Duration::from_millis(100);
const BLOCK_CACHE_BYTES: usize = 8 << 20;
const BLOCK_BYTES: usize = 32 << 10;

/// RocksDB does not tell this binding when a flush ends.
const FLUSH_POLL_INTERVAL: Duration = Duration::from_millis(2);

const ENTRY: u8 = b'e';
const NAMED: u8 = b'n';
const RECORD: u8 = b'r';
const META: u8 = b'm';

/// Log and state in two RocksDB instances that share one block cache.
pub struct RocksEngine {
    cache: Cache,
}

impl std::fmt::Debug for RocksEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RocksEngine")
    }
}

impl Default for RocksEngine {
    fn default() -> RocksEngine {
        RocksEngine { cache: Cache::new_lru_cache(BLOCK_CACHE_BYTES) }
    }
}

impl RocksEngine {
    fn memtable_bytes(&self, directory: &Path) -> u64 {
        // The directory itself may not exist yet.
        let space = directory.ancestors().find_map(|ancestor| self.space(ancestor));
        let part = space.map_or(MEMTABLE_BYTES_MAX, |space| space.total / MEMTABLE_PART);
        part.clamp(MEMTABLE_BYTES_MIN, MEMTABLE_BYTES_MAX)
    }

    fn options(&self) -> Options {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&self.cache);
        blocks.set_block_size(BLOCK_BYTES);
        blocks.set_format_version(6);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&blocks);
        options.set_compression_type(DBCompressionType::None);
        options.set_paranoid_checks(true);
        options.set_max_background_jobs(2);
        options.set_log_level(LogLevel::Warn);
        options.set_keep_log_file_num(2);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options.set_bytes_per_sync(1 << 20);
        options
    }
}

impl Engine for RocksEngine {
    fn open_log(&self, directory: &Path) -> Result<Box<dyn LogStore>, DiskError> {
        let mut options = self.options();
        options.set_write_buffer_size(self.memtable_bytes(directory) as usize);
        options.set_max_write_buffer_number(2);
        // A torn tail ends the log; whether it may end there is decided by the watermark.
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_track_and_verify_wals_in_manifest(true);
        let options = options.get_options_from_string("avoid_flush_during_recovery=true").map_err(engine)?;
        sync_files(directory).map_err(DiskError::io("sync the log"))?;
        let db = DB::open(&options, directory).map_err(engine)?;
        Ok(Box::new(RocksLog { db }))
    }

    fn open_state(&self, directory: &Path) -> Result<Arc<dyn StateStore>, DiskError> {
        let mut options = self.options();
        let memtable_bytes = self.memtable_bytes(directory);
        options.set_write_buffer_size(memtable_bytes as usize);
        options.set_max_write_buffer_number(3);
        options.set_target_file_size_base(32 << 20);
        options.set_level_zero_slowdown_writes_trigger(40);
        options.set_level_zero_stop_writes_trigger(60);
        let db = DB::open(&options, directory).map_err(engine)?;
        Ok(Arc::new(RocksState {
            db,
            markers: Mutex::new(Markers::default()),
            errors: AtomicU64::new(0),
            room: memtable_bytes * 4,
        }))
    }
}

/// Syncs the write-ahead logs of an earlier process: RocksDB reads them again but leaves them in the kernel's hands.
fn sync_files(directory: &Path) -> std::io::Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    for file in std::fs::read_dir(directory)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            std::fs::File::open(path)?.sync_data()?;
        }
    }
    Ok(())
}

/// Writes, and as long as there is no room waits and writes again. Nothing was written then: the engine refuses
/// everything until it has come back by itself, which it does once there is room. (A failed sync is not tried again.)
fn write_when_there_is_room(mut write: impl FnMut() -> Result<(), rocksdb::Error>) -> Result<(), DiskError> {
    let mut told = false;
    loop {
        match write() {
            Err(error) if error.as_ref().contains("No space left") => {
                if !told {
                    tracing::error!(%error, "the disk is full: a write waits for room");
                    told = true;
                }
                std::thread::sleep(NO_SPACE_PAUSE);
            }
            other => return other.map_err(engine),
        }
    }
}

fn engine(error: rocksdb::Error) -> DiskError {
    DiskError::Engine(error.into_string())
}

#[derive(Debug)]
struct RocksLog {
    db: DB,
}

fn entry_key(index: u64) -> [u8; 9] {
    numbered_key(ENTRY, index)
}

fn numbered_key(kind: u8, number: u64) -> [u8; 9] {
    let mut key = [kind; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn number_of(key: &[u8]) -> Result<u64, Malformed> {
    let bytes = key.get(1..9).and_then(|bytes| bytes.try_into().ok()).ok_or(Malformed("stored key"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn named_key(name: &str) -> Vec<u8> {
    [&[NAMED], name.as_bytes()].concat()
}

impl LogStore for RocksLog {
    fn write(&mut self, write: &LogWrite, sync: bool) -> Result<(), DiskError> {
        let size: usize = write.entries.iter().map(Values::size).sum();
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        write_when_there_is_room(|| {
            let mut batch = WriteBatch::with_capacity_bytes(size + 256);
            if let Some(index) = write.erase_through {
                batch.delete_range(entry_key(0), entry_key(index + 1));
            }
            if let Some(index) = write.erase_from {
                batch.delete_range(entry_key(index), entry_key(u64::MAX));
            }
            for (index, value) in write.entries.iter().flat_map(Values::iter) {
                batch.put(entry_key(index), value);
            }
            for (name, value) in &write.named {
                batch.put(named_key(name), value);
            }
            self.db.write_opt(batch, &options)
        })
    }

    fn visit(&mut self, visitor: &mut LogVisitor<'_>) -> Result<(), DiskError> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_iterate_upper_bound(vec![ENTRY + 1]);
        let mut iterator = self.db.raw_iterator_opt(options);
        iterator.seek(entry_key(0));
        while let Some((key, value)) = iterator.item() {
            visitor(number_of(key)?, value)?;
            iterator.next();
        }
        iterator.status().map_err(engine)
    }

    fn entry(&mut self, index: u64) -> Result<Option<Vec<u8>>, DiskError> {
        self.db.get(entry_key(index)).map_err(engine)
    }

    fn named(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, DiskError> {
        self.db.get(named_key(name)).map_err(engine)
    }
}

#[derive(Debug)]
struct RocksState {
    db: DB,
    markers: Mutex<Markers>,
    /// Background errors that were for want of room, and are over.
    errors: AtomicU64,
    /// With less room than this a background write may have failed for want of it.
    room: u64,
}

/// Where meta is stored: the marker in use, and older ones that wait to be erased with other garbage.
#[derive(Debug, Default)]
struct Markers {
    current: Option<Revision>,
    stale: Vec<Revision>,
}

fn record_key(revision: Revision) -> [u8; 9] {
    numbered_key(RECORD, revision)
}

fn meta_key(revision: Revision) -> [u8; 10] {
    let mut key = [META; 10];
    key[..9].copy_from_slice(&record_key(revision));
    key
}

impl RocksState {
    fn property(&self, name: &str) -> Result<u64, DiskError> {
        Ok(self.db.property_int_value(name).map_err(engine)?.unwrap_or(0))
    }

    fn iterator(&self, through: Revision) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(1 << 20);
        options.set_iterate_upper_bound(record_key(through.saturating_add(1)).to_vec());
        self.db.raw_iterator_opt(options)
    }
}

impl StateStore for RocksState {
    fn write(&self, write: &StateWrite) -> Result<(), DiskError> {
        let mut markers = self.markers.lock();
        let marker = *markers.current.get_or_insert(write.revision);
        let stale: Vec<_> =
            if write.erase.is_empty() { Vec::new() } else { markers.stale.drain(..).collect() };
        write_when_there_is_room(|| {
            let size = write.records.size() + write.meta.len() + 64;
            let mut batch = WriteBatch::with_capacity_bytes(size);
            for (revision, value) in write.records.iter() {
                batch.put(record_key(revision), value);
            }
            for revision in &write.erase {
                batch.delete(record_key(*revision));
            }
            for revision in &stale {
                batch.delete(meta_key(*revision));
            }
            batch.put(meta_key(marker), &write.meta);
            self.db.write_without_wal(batch)
        })
    }

    fn begin_flush(&self) -> Result<(), DiskError> {
        let mut options = FlushOptions::default();
        options.set_wait(false);
        // The memtable is switched before this returns, so the next write begins both a memtable and a marker.
        let mut markers = self.markers.lock();
        write_when_there_is_room(|| self.db.flush_opt(&options))?;
        let stale = markers.current.take();
        markers.stale.extend(stale);
        Ok(())
    }

    fn finish_flush(&self) -> Result<(), DiskError> {
        while self.property("rocksdb.num-immutable-mem-table")? > 0 {
            let errors = self.property("rocksdb.background-errors")?;
            if errors > self.errors.load(Ordering::Relaxed) {
                let free =
                    rustix::fs::statvfs(self.db.path()).map(|status| status.f_bavail * status.f_frsize);
                // Where not even the room can be asked for, more than room is missing.
                if free.is_err() || free.is_ok_and(|free| free >= self.room) {
                    return Err(DiskError::Engine("a background write failed".to_owned()));
                }
                // The engine writes it again once there is room.
                tracing::error!("the disk is full: the state is written out later");
                self.errors.store(errors, Ordering::Relaxed);
            }
            std::thread::sleep(FLUSH_POLL_INTERVAL);
        }
        Ok(())
    }

    fn meta(&self) -> Result<Option<Vec<u8>>, DiskError> {
        let mut iterator = self.db.raw_iterator();
        iterator.seek_to_last();
        let mut newest = None;
        while let Some((key, value)) = iterator.item() {
            if key.len() == 10 {
                newest = Some((number_of(key)?, value.to_vec()));
                break;
            }
            iterator.prev();
        }
        iterator.status().map_err(engine)?;
        let Some((marker, meta)) = newest else { return Ok(None) };
        self.markers.lock().stale.push(marker);
        Ok(Some(meta))
    }

    fn record(&self, revision: Revision) -> Result<Option<Vec<u8>>, DiskError> {
        self.db.get(record_key(revision)).map_err(engine)
    }

    fn visit(
        &self,
        above: Revision,
        through: Revision,
        visitor: &mut RecordVisitor<'_>,
    ) -> Result<(), DiskError> {
        let mut iterator = self.iterator(through);
        iterator.seek(record_key(above.saturating_add(1)));
        while let Some((key, value)) = iterator.item() {
            if key.len() == 9 && visitor(number_of(key)?, value)? == ControlFlow::Break(()) {
                break;
            }
            iterator.next();
        }
        iterator.status().map_err(engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_gone_is_not_taken_for_a_full_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let state = RocksEngine::default().open_state(&path).unwrap();
        let mut write = StateWrite { meta: vec![1], revision: 1, ..StateWrite::default() };
        write.records.push_with(1, |buffer| buffer.push(1));
        state.write(&write).unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        assert!(state.begin_flush().and_then(|()| state.finish_flush()).is_err());
    }
}
