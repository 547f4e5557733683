//! A snapshot on its way in: a new state directory that grows part by part. Keeps: it becomes a state only after its hash,
//! its record chain and its flush are right; what a process that ended had flushed of it is used, not sent again, and is
//! hashed again from what is on the disk.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::bugs::{Bug, planted};
use crate::codec::{Malformed, Reader};
use crate::engine::{Engine, StateStore, StateWrite};
use crate::entry::Revision;
use crate::error::DiskError;
use crate::machine::Machine;
use crate::meta::Meta;
use crate::peers::Chunk;
use crate::record::Record;
use crate::threads::Built;
use crate::threads::snapshot::{hash_of_meta, hash_of_record};

/// After so many parts the state is flushed, so that another start can go on from there.
const PARTS_PER_FLUSH: u64 = 32;

/// A snapshot on its way in.
#[derive(Debug)]
pub(crate) struct Incoming {
    from: u64,
    id: u64,
    /// The newest record that has arrived.
    reached: Revision,
    directory: String,
    records: Arc<dyn StateStore>,
    meta: Meta,
    meta_bytes: Vec<u8>,
    hash: u64,
    parts: u64,
    resumed: bool,
    /// Whether it was handed to the owner.
    built: bool,
}

/// The directory of a snapshot's state.
fn directory_of(applied: u64, from: u64, id: u64) -> String {
    format!("{applied}-{from:x}-{id:x}")
}

/// Whether a directory may hold the beginning of a snapshot that brings a node forward.
pub(crate) fn may_resume(directory: &str, applied: u64) -> bool {
    let index = directory.split_once('-').and_then(|(index, _)| index.parse::<u64>().ok());
    index.is_some_and(|index| index > applied)
}

impl Incoming {
    /// Begins with a first part.
    pub(crate) fn begin(
        engine: &dyn Engine,
        states: &Path,
        from: u64,
        chunk: &Chunk,
        mut meta: Meta,
    ) -> Result<Incoming, DiskError> {
        let mut meta_bytes = chunk.meta.clone();
        if planted(Bug::SnapshotLosesSessions) {
            meta.sessions = Default::default();
            meta_bytes = meta.encode();
        }
        let directory = directory_of(meta.applied, from, chunk.id);
        let path = states.join(&directory);
        engine.remove_state(&path)?;
        let records = engine.open_state(&path)?;
        let hash = hash_of_meta(chunk.id, &chunk.meta);
        Ok(Incoming {
            from,
            id: chunk.id,
            reached: 0,
            directory,
            records,
            meta,
            meta_bytes,
            hash,
            parts: 0,
            resumed: false,
            built: false,
        })
    }

    /// Goes on with what an earlier process has flushed; none when that is nothing.
    pub(crate) fn resume(
        engine: &dyn Engine,
        states: &Path,
        from: u64,
        id: u64,
        directory: &str,
    ) -> Result<Option<Incoming>, DiskError> {
        let records = engine.open_state(&states.join(directory))?;
        let Some(meta_bytes) = records.meta()? else { return Ok(None) };
        let meta = Meta::decode(&meta_bytes)?;
        let (mut hash, mut reached) = (hash_of_meta(id, &meta_bytes), 0);
        records.visit(0, u64::MAX - 1, &mut |revision, value| {
            hash = hash_of_record(hash, revision, value);
            reached = revision;
            Ok(ControlFlow::Continue(()))
        })?;
        let directory = directory.to_owned();
        Ok(Some(Incoming {
            from,
            id,
            reached,
            directory,
            records,
            meta,
            meta_bytes,
            hash,
            parts: 0,
            resumed: true,
            built: false,
        }))
    }

    pub(crate) fn is(&self, from: u64, id: u64) -> bool {
        (self.from, self.id) == (from, id)
    }

    pub(crate) fn reached(&self) -> Revision {
        self.reached
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) fn is_built(&self) -> bool {
        self.built
    }

    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    /// Writes a part that follows; after the last one gives the whole.
    pub(crate) fn take(&mut self, chunk: &Chunk) -> Result<Option<Built>, DiskError> {
        let mut write = StateWrite { meta: self.meta_bytes.clone(), ..StateWrite::default() };
        let mut reader = Reader::new(&chunk.records);
        while !reader.is_empty() {
            let revision = reader.varint()?;
            let value = reader.bytes()?;
            if revision <= self.reached {
                return Err(Malformed("snapshot order").into());
            }
            self.hash = hash_of_record(self.hash, revision, value);
            self.reached = revision;
            let lost = self.resumed && self.parts == 0 && planted(Bug::ResumeLosesPart);
            if !lost {
                write.records.push_with(revision, |buffer| buffer.extend_from_slice(value));
            }
            write.revision = revision;
        }
        self.records.write(&write)?;
        self.parts += 1;
        let Some(hash) = chunk.hash else {
            if self.parts.is_multiple_of(PARTS_PER_FLUSH) {
                self.records.begin_flush()?;
                self.records.finish_flush()?;
            }
            return Ok(None);
        };
        if hash != self.hash {
            return Err(Malformed("snapshot hash").into());
        }
        self.built = true;
        self.records.begin_flush()?;
        self.records.finish_flush()?;
        let machine = replay(&*self.records, self.meta.clone())?;
        let (directory, records) = (self.directory.clone(), self.records.clone());
        Ok(Some(Built { directory, records, machine }))
    }
}

/// Builds the state from its records, which checks their chain.
fn replay(records: &dyn StateStore, meta: Meta) -> Result<Machine, DiskError> {
    let mut machine = Machine::new(meta);
    records.visit(0, u64::MAX - 1, &mut |revision, value| {
        let replayed = machine.replay(Record::decode(revision, value)?);
        if !planted(Bug::ResumeLosesPart) {
            replayed?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    machine.replayed();
    Ok(machine)
}
