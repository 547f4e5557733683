//! Backups: the whole state in one file, and new clusters made of it.
//!
//! File: magic, format, then portions: kind, length, content, checksum. The first portion is the meta with the time at
//! which it was saved, the last one the hash of all. Keeps: a backup is read while writes go on and shows one moment;
//! nothing is made of a file that is not whole. A restored cluster's revisions go on above every revision that the old
//! cluster, or an earlier restore of the same file, can have handed out, so no client's cache goes back in time.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bugs::{Bug, planted};
use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::disk::mix;
use crate::engine::{RocksEngine, StateStore, StateWrite};
use crate::entry::Revision;
use crate::error::{DiskError, OpenError};
use crate::machine::{Machine, REVISION_MAX};
use crate::meta::Meta;
use crate::open::create_from;
use crate::options::Options;
use crate::record::Record;
use crate::shared::Shared;
use crate::threads::StateEvent;

const MAGIC: &[u8; 8] = b"PNTLBKUP";
const FORMAT: u8 = 1;
const META: u8 = 1;
const RECORDS: u8 = 2;
const END: u8 = 3;
/// Bytes of records in one portion.
const PORTION_BYTES: usize = 1 << 20;
/// No portion is longer: records are far smaller.
const PORTION_BYTES_MAX: usize = 64 << 20;
/// A restored cluster leaves this many revisions free above the backup's.
const REVISIONS_SKIPPED: Revision = 1 << 32;
/// More writes than this per second are impossible.
const REVISIONS_PER_SECOND: Revision = 1 << 20;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    /// The revision that it shows.
    pub revision: Revision,
    /// The oldest revision from which its history is complete.
    pub floor: Revision,
    /// The log index that it shows.
    pub applied_index: u64,
    /// When it was saved, in Unix seconds.
    pub saved_at: u64,
    /// How many records it has.
    pub records: u64,
    /// The bytes of those records.
    pub bytes: u64,
    /// The hash of everything in it.
    pub hash: u64,
}

/// Why a backup could not be saved, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Reading or writing the file failed.
    #[error("the backup file: {0}")]
    File(#[from] std::io::Error),
    /// It is not a backup, not whole, or changed.
    #[error("the backup file is not whole or was changed ({0}): take another one")]
    Damaged(#[from] Malformed),
    /// The records could not be read or written.
    #[error("{0}")]
    Disk(#[from] DiskError),
    /// The new data directory could not be made.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The store is shutting down.
    #[error("the store is shutting down")]
    Stopping,
}

/// The revision at which a restored cluster begins.
fn base_of(meta: &Meta, saved_at: u64, now: u64) -> Revision {
    if planted(Bug::SecondRestore) {
        return meta.revision + REVISIONS_SKIPPED;
    }
    if planted(Bug::RestoreGoesOn) {
        return meta.revision;
    }
    let since = now.saturating_sub(saved_at).saturating_mul(REVISIONS_PER_SECOND);
    let above = meta.revision.saturating_add(REVISIONS_SKIPPED).saturating_add(since);
    above.max(now.saturating_mul(REVISIONS_PER_SECOND))
}

/// Saves the state of a running store. Garbage waits meanwhile; nothing else does. Blocks.
pub(crate) fn save(
    shared: &Shared,
    state: impl FnOnce(StateEvent),
    now: u64,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupInfo, BackupError> {
    struct Held<'a>(&'a Shared);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.saving.fetch_sub(1, Ordering::SeqCst);
        }
    }
    shared.saving.fetch_add(1, Ordering::SeqCst);
    let _held = Held(shared);
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    state(StateEvent::Meta(sender));
    let (meta, records) = receiver.recv().map_err(|_| BackupError::Stopping)?;
    let mut writer = Portions::new(out)?;
    let mut head = Vec::new();
    put_varint(&mut head, now);
    put_bytes(&mut head, &meta.encode());
    writer.write(META, &head)?;
    let mut info = info_of(&meta, now);
    let mut position = 0;
    loop {
        let (mut portion, mut full) = (Vec::new(), false);
        records.visit(position, meta.revision, &mut |revision, value| {
            put_varint(&mut portion, revision);
            put_bytes(&mut portion, value);
            info.records += 1;
            info.bytes += value.len() as u64;
            position = revision;
            full = portion.len() >= PORTION_BYTES;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        writer.write(RECORDS, &portion)?;
        progress(position, meta.revision);
        if !full {
            break;
        }
    }
    info.hash = writer.finish()?;
    Ok(info)
}

/// Reads a backup to its end and checks it.
pub fn inspect_backup(input: &mut dyn Read) -> Result<BackupInfo, BackupError> {
    read(input, &mut |_, _| Ok(()))
}

/// Makes a new cluster of one node out of a backup, in an empty directory. `now` are Unix seconds. The records keep
/// their revisions; history begins where the new cluster does, so older watches are told that theirs is gone.
pub fn restore_backup(
    options: &Options,
    now: u64,
    input: &mut dyn Read,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<BackupInfo, BackupError> {
    create_from(options, &RocksEngine::default(), &mut |records, meta| {
        fill_from(now, &mut *input, &mut *progress, records, meta)
    })
}

/// The same on a simulated disk.
#[cfg(any(test, feature = "simulation"))]
pub(crate) fn restore_simulated(
    options: &Options,
    engine: &dyn crate::engine::Engine,
    identity: crate::disk::Identity,
    now: u64,
    input: &mut dyn Read,
) -> Result<BackupInfo, BackupError> {
    crate::open::create_from_simulated(options, engine, identity, &mut |records, meta| {
        fill_from(now, &mut *input, &mut |_, _| {}, records, meta)
    })
}

/// Writes the state of a backup, and the meta with which a new cluster goes on behind it.
fn fill_from(
    now: u64,
    input: &mut dyn Read,
    progress: &mut dyn FnMut(u64, u64),
    records: &dyn StateStore,
    mut meta: Meta,
) -> Result<BackupInfo, BackupError> {
    let mut old = Meta::default();
    let mut machine = None;
    let info = read(input, &mut |portion, saved_at| {
        let write = match portion {
            Portion::Meta(backup) => {
                meta.revision = base_of(backup, saved_at, now);
                meta.floor = if planted(Bug::RestoreKeepsHistory) { backup.floor } else { meta.revision };
                if meta.revision > REVISION_MAX {
                    return Err(Malformed("revision: the counter is exhausted").into());
                }
                meta.cluster_level = backup.cluster_level;
                old = backup.clone();
                machine = Some(Machine::new(backup.clone()));
                return Ok(());
            }
            Portion::Records(list) => list,
        };
        let mut batch = StateWrite { meta: meta.encode(), revision: old.revision, ..StateWrite::default() };
        for (revision, value) in write {
            // The records must be one unbroken history, whatever their checksums say.
            let record = Record::decode(*revision, value)?;
            machine.as_mut().ok_or(Malformed("backup order"))?.replay(record)?;
            batch.records.push_with(*revision, |buffer| buffer.extend_from_slice(value));
            progress(*revision, old.revision);
        }
        records.write(&batch)?;
        Ok(())
    })?;
    records.write(&StateWrite { meta: meta.encode(), revision: meta.revision, ..StateWrite::default() })?;
    Ok(info)
}

fn info_of(meta: &Meta, saved_at: u64) -> BackupInfo {
    BackupInfo {
        revision: meta.revision,
        floor: meta.floor,
        applied_index: meta.applied,
        saved_at,
        records: 0,
        bytes: 0,
        hash: 0,
    }
}

/// A part of a backup.
enum Portion<'a> {
    Meta(&'a Meta),
    Records(&'a [(Revision, &'a [u8])]),
}

/// Reads all portions in order, checks them, and hands them on.
fn read(
    input: &mut dyn Read,
    take: &mut dyn FnMut(Portion<'_>, u64) -> Result<(), BackupError>,
) -> Result<BackupInfo, BackupError> {
    let mut head = [0; MAGIC.len() + 1];
    input.read_exact(&mut head)?;
    if !head.starts_with(MAGIC) || head[MAGIC.len()] != FORMAT {
        return Err(Malformed("backup format").into());
    }
    let mut hash = mix(u64::from(FORMAT));
    let mut info: Option<BackupInfo> = None;
    loop {
        let (kind, content) = read_portion(input)?;
        if kind == END {
            let Some(info) = info else { return Err(Malformed("backup order").into()) };
            if content != hash.to_le_bytes() {
                return Err(Malformed("backup hash").into());
            }
            return Ok(BackupInfo { hash, ..info });
        }
        hash = chain(hash, kind, &content);
        let mut reader = Reader::new(&content);
        match (kind, &mut info) {
            (META, None) => {
                let saved_at = reader.varint()?;
                let meta = Meta::decode(reader.bytes()?)?;
                take(Portion::Meta(&meta), saved_at)?;
                info = Some(info_of(&meta, saved_at));
            }
            (RECORDS, Some(info)) => {
                let mut list = Vec::new();
                while !reader.is_empty() {
                    list.push((reader.varint()?, reader.bytes()?));
                }
                info.records += list.len() as u64;
                info.bytes += list.iter().map(|(_, value)| value.len() as u64).sum::<u64>();
                take(Portion::Records(&list), info.saved_at)?;
            }
            _ => return Err(Malformed("backup order").into()),
        }
    }
}

fn read_portion(input: &mut dyn Read) -> Result<(u8, Vec<u8>), BackupError> {
    let mut head = [0; 9];
    input.read_exact(&mut head)?;
    let mut reader = Reader::new(&head);
    let (kind, length, sum) = (reader.u8()?, reader.u32()? as usize, reader.u32()?);
    if length > PORTION_BYTES_MAX {
        return Err(Malformed("backup portion").into());
    }
    let mut content = Vec::new();
    let read = input.take(length as u64).read_to_end(&mut content)?;
    if read != length || crc32fast::hash(&content) != sum {
        return Err(Malformed("backup portion").into());
    }
    Ok((kind, content))
}

fn chain(hash: u64, kind: u8, content: &[u8]) -> u64 {
    mix(mix(hash ^ u64::from(crc32fast::hash(content))) ^ (content.len() as u64) << 8 ^ u64::from(kind))
}

/// Writes portions.
struct Portions<'a> {
    out: &'a mut dyn Write,
    hash: u64,
}

impl Portions<'_> {
    fn new(out: &mut dyn Write) -> Result<Portions<'_>, BackupError> {
        out.write_all(MAGIC)?;
        out.write_all(&[FORMAT])?;
        Ok(Portions { out, hash: mix(u64::from(FORMAT)) })
    }

    fn write(&mut self, kind: u8, content: &[u8]) -> Result<(), BackupError> {
        self.hash = chain(self.hash, kind, content);
        self.put(kind, content)
    }

    fn put(&mut self, kind: u8, content: &[u8]) -> Result<(), BackupError> {
        // Portions are far smaller than 4 GiB.
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        self.out.write_all(&[kind])?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&crc32fast::hash(content).to_le_bytes())?;
        self.out.write_all(content)?;
        Ok(())
    }

    fn finish(mut self) -> Result<u64, BackupError> {
        let hash = self.hash;
        self.put(END, &hash.to_le_bytes())?;
        self.out.flush()?;
        Ok(hash)
    }
}

/// What saving needs of the state thread: its meta and records between two batches.
pub(crate) type MetaReply = std::sync::mpsc::SyncSender<(Meta, Arc<dyn crate::engine::StateStore>)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_cluster_begins_above_all_that_was_handed_out() {
        let meta = |revision| Meta { revision, ..Meta::default() };
        let saved = 1_800_000_000;
        let first = base_of(&meta(50), saved, saved + 10);
        assert_eq!(first, (saved + 10) << 20);
        // A backup of the restored cluster, restored twice, and the first time run at full speed.
        let second = base_of(&meta(first + 1_000), saved + 20, saved + 30);
        let third = base_of(&meta(first + 1_000), saved + 20, saved + 31);
        assert!(second > first + 1_000 && third >= second + REVISIONS_PER_SECOND);
        assert!(base_of(&meta(first), saved + 20, saved) > first, "also when the clock went back");
    }
}
