//! Engines: where log and state reach a disk. RocksDB is named only here and in `engine/rocks.rs`.
//!
//! The two stores are separate on purpose: the log is synced with every batch and never waits for the state; the
//! state is never synced on its own account, because the log rebuilds it.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::codec::Malformed;
use crate::entry::Revision;
use crate::error::DiskError;

mod rocks;
mod values;

pub use rocks::RocksEngine;
pub use values::Values;

/// Opens the two stores of a node.
pub trait Engine: Debug + Send + Sync {
    /// Opens or creates the log store in a directory of its own. What it shows from then on is durable, also when an
    /// earlier process ended between a write and its sync.
    fn open_log(&self, directory: &Path) -> Result<Box<dyn LogStore>, DiskError>;
    /// Opens or creates the state store in a directory of its own.
    fn open_state(&self, directory: &Path) -> Result<Arc<dyn StateStore>, DiskError>;
    /// Whether there is something to open in a directory.
    fn exists(&self, directory: &Path) -> bool {
        directory.exists()
    }
    /// Removes a state that nobody has open; there may be none.
    fn remove_state(&self, directory: &Path) -> Result<(), DiskError> {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DiskError::io("remove an old state")(error))
            }
            _ => Ok(()),
        }
    }
    /// The names of the states in a directory.
    fn states(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        let failed = DiskError::io("list the states");
        let names = || -> io::Result<Vec<String>> {
            let entries = std::fs::read_dir(directory)?;
            entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
        };
        names().map_err(failed)
    }
    /// The room on the file system of a directory, where it can be told.
    fn space(&self, directory: &Path) -> Option<Space> {
        let status = rustix::fs::statvfs(directory).ok()?;
        Some(Space { free: status.f_bavail * status.f_frsize, total: status.f_blocks * status.f_frsize })
    }
    /// Has a file take this many bytes that nothing else can use; 0 removes it.
    fn set_ballast(&self, path: &Path, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return std::fs::remove_file(path);
        }
        let file = File::create(path)?;
        let filled = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes);
        if let Err(error) = filled {
            // Half a ballast would be mistaken for a whole one.
            std::fs::remove_file(path)?;
            return Err(error.into());
        }
        file.sync_all()
    }
    /// Opens or creates a small file that is overwritten in place.
    fn open_block(&self, path: &Path) -> Result<Box<dyn BlockFile>, DiskError> {
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false);
        Ok(Box::new(options.open(path).map_err(DiskError::io("open the watermark"))?))
    }
}

/// The room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What may still be written.
    pub free: u64,
    /// All there is.
    pub total: u64,
}

/// A small file that is overwritten in place.
pub trait BlockFile: Debug + Send {
    /// Reads all of `bytes` from `offset` on.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    /// Overwrites what stands at `offset`.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl BlockFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// One atomic write to the log store. Its parts happen in the order of the fields.
#[derive(Debug, Default)]
pub struct LogWrite {
    /// Erase all entries up to and including this index.
    pub erase_through: Option<u64>,
    /// Erase all entries from this index on.
    pub erase_from: Option<u64>,
    /// New entries by index.
    pub entries: Vec<Values>,
    /// Named values: hard state, truncation point, boot number.
    pub named: Vec<(&'static str, Vec<u8>)>,
}

/// A visitor of log entries in index order.
pub type LogVisitor<'a> = dyn FnMut(u64, &[u8]) -> Result<(), Malformed> + 'a;

/// The Raft log and what must be as durable as it.
pub trait LogStore: Debug + Send {
    /// Writes a batch atomically; with `sync` it is durable on return.
    fn write(&mut self, write: &LogWrite, sync: bool) -> Result<(), DiskError>;
    /// Visits all entries in index order.
    fn visit(&mut self, visitor: &mut LogVisitor<'_>) -> Result<(), DiskError>;
    /// One entry.
    fn entry(&mut self, index: u64) -> Result<Option<Vec<u8>>, DiskError>;
    /// A named value.
    fn named(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, DiskError>;
}

/// One atomic write to the state store.
#[derive(Debug, Default)]
pub struct StateWrite {
    /// New records by revision, ascending.
    pub records: Values,
    /// Records to erase.
    pub erase: Vec<Revision>,
    /// The meta that belongs to these records.
    pub meta: Vec<u8>,
    /// The newest revision after this write.
    pub revision: Revision,
}

/// A visitor of records in revision order.
pub type RecordVisitor<'a> = dyn FnMut(Revision, &[u8]) -> Result<ControlFlow<()>, Malformed> + 'a;

/// The records and their meta. Writes are atomic and ordered, and durable only after a flush.
pub trait StateStore: Debug + Send + Sync {
    /// Writes a batch atomically.
    fn write(&self, write: &StateWrite) -> Result<(), DiskError>;
    /// Begins to make everything written before durable. Called by the one that writes, between two writes.
    fn begin_flush(&self) -> Result<(), DiskError>;
    /// Waits until everything written before the last [`StateStore::begin_flush`] is durable.
    fn finish_flush(&self) -> Result<(), DiskError>;
    /// The meta of the newest write.
    fn meta(&self) -> Result<Option<Vec<u8>>, DiskError>;
    /// One record.
    fn record(&self, revision: Revision) -> Result<Option<Vec<u8>>, DiskError>;
    /// Visits the records with `above < revision <= through` in order.
    fn visit(
        &self,
        above: Revision,
        through: Revision,
        visitor: &mut RecordVisitor<'_>,
    ) -> Result<(), DiskError>;
}
