//! First starts: an empty log and a state of nothing, or of a backup. Keeps: a directory has an identity only when both
//! stores in it are whole and durable.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use raft::eraftpb::HardState;

use crate::backup::BackupError;
use crate::disk::{DataDir, HardStateValue, Identity, Truncation, Watermark, WatermarkFile};
use crate::engine::{BlockFile, Engine, LogStore, LogWrite, Space, StateStore, StateWrite};
use crate::error::{DiskError, OpenError};
use crate::level::first_level;
use crate::meta::Meta;
use crate::open::{FIRST_STATE_DIRECTORY, STATE_DIRECTORY};
use crate::options::{Founding, Options};

/// The log begins behind this entry, which exists nowhere: a node that joins therefore always starts from a
/// snapshot, which tells it the membership.
const FIRST_INDEX: u64 = 1;
const FIRST_TERM: u64 = 1;

/// Where the log of a new store begins: behind nothing for a node that joins, because its first state comes from
/// another node.
pub(super) fn beginning(voters: &[u64]) -> Truncation {
    match voters {
        [] => Truncation::default(),
        _ => Truncation { index: FIRST_INDEX, term: FIRST_TERM, chain: 0 },
    }
}

/// Makes a new store and hands over its open log and state.
pub(super) fn create<'a>(
    data_dir: &mut DataDir,
    options: &Options,
    engine: &'a dyn Engine,
) -> Result<Created<'a>, OpenError> {
    let Founding { cluster, node, voters } = match &options.founding {
        Some(founding) => founding.clone(),
        None => {
            let node = random_id(data_dir)?;
            Founding { cluster: random_id(data_dir)?, node, voters: vec![node] }
        }
    };
    let identity = Identity { cluster, node };
    data_dir.begin()?;
    let directory = &*data_dir;
    // Each file system sync takes its time; the two stores need not wait for each other.
    let (log, records) = std::thread::scope(|scope| {
        let records = scope.spawn(|| create_state(directory, options, engine, node, &voters));
        let log = create_log(directory, engine, beginning(&voters));
        let records = records.join().map_err(|_| DiskError::Engine("creating the state panicked".to_owned()));
        (log, records.flatten())
    });
    let log = log.map_err(|error| data_dir.disk(error))?;
    let records = records.map_err(|error| data_dir.disk(error))?;
    data_dir.finish(identity)?;
    Ok(Created { engine, log: Mutex::new(Some(log)), records })
}

pub(super) fn create_log(
    data_dir: &DataDir,
    engine: &dyn Engine,
    truncation: Truncation,
) -> Result<Box<dyn LogStore>, DiskError> {
    let mut log = engine.open_log(&data_dir.log_directory())?;
    let Truncation { index, term, chain } = truncation;
    let hard_state = HardState { term, vote: 0, commit: index };
    let named = vec![
        (Truncation::NAME, truncation.encode()),
        (HardStateValue::NAME, HardStateValue::encode(&hard_state)),
        (STATE_DIRECTORY, FIRST_STATE_DIRECTORY.as_bytes().to_vec()),
    ];
    log.write(&LogWrite { named, ..LogWrite::default() }, true)?;
    let (mut watermark, _) = WatermarkFile::new(engine.open_block(&data_dir.watermark_file())?);
    let first = Watermark { index, term, chain, current_term: term, vote: 0 };
    // Both slots: one that was never synced may be gone when the other one is torn.
    let written = watermark.write(first).and_then(|()| watermark.write(first));
    written.and_then(|()| watermark.sync()).map_err(DiskError::io("write the watermark"))?;
    Ok(log)
}

pub(super) fn create_state(
    data_dir: &DataDir,
    options: &Options,
    engine: &dyn Engine,
    node: u64,
    voters: &[u64],
) -> Result<Arc<dyn StateStore>, DiskError> {
    let records = engine.open_state(&data_dir.state_directory(FIRST_STATE_DIRECTORY))?;
    let Truncation { index, term, .. } = beginning(voters);
    let mut meta = Meta { applied: index, term, ..Meta::default() };
    meta.conf.voters = voters.to_vec();
    meta.cluster_level = first_level(voters, options.cluster_level_max);
    if voters == [node] {
        meta.addresses.insert(node, options.peer_address.clone());
    }
    records.write(&StateWrite { meta: meta.encode(), ..StateWrite::default() })?;
    records.begin_flush()?;
    records.finish_flush()?;
    Ok(records)
}

/// The engine of a first start: it hands out what was just created instead of opening it again.
#[derive(Debug)]
pub(super) struct Created<'a> {
    engine: &'a dyn Engine,
    log: Mutex<Option<Box<dyn LogStore>>>,
    records: Arc<dyn StateStore>,
}

impl Engine for Created<'_> {
    fn open_log(&self, _directory: &Path) -> Result<Box<dyn LogStore>, DiskError> {
        self.log.lock().take().ok_or_else(|| DiskError::Engine("the log is already open".to_owned()))
    }

    fn open_state(&self, _directory: &Path) -> Result<Arc<dyn StateStore>, DiskError> {
        Ok(self.records.clone())
    }

    fn exists(&self, directory: &Path) -> bool {
        self.engine.exists(directory)
    }

    fn space(&self, directory: &Path) -> Option<Space> {
        self.engine.space(directory)
    }

    fn set_ballast(&self, path: &Path, bytes: u64) -> std::io::Result<()> {
        self.engine.set_ballast(path, bytes)
    }

    fn remove_state(&self, directory: &Path) -> Result<(), DiskError> {
        self.engine.remove_state(directory)
    }

    fn states(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        self.engine.states(directory)
    }

    fn open_block(&self, path: &Path) -> Result<Box<dyn BlockFile>, DiskError> {
        self.engine.open_block(path)
    }
}

/// Random ids are below 2^63 and never 0, which Raft reserves.
pub(super) fn random_id(data_dir: &DataDir) -> Result<u64, OpenError> {
    let number = getrandom::u64().map_err(|error| {
        let source = std::io::Error::other(error.to_string());
        data_dir.disk(DiskError::io("get random bytes")(source))
    })?;
    Ok((number >> 1).max(1))
}

/// Makes a new store of one node whose state `fill` writes, given the meta of an empty one. Only when it is whole is the
/// directory one.
pub(crate) fn create_from<T>(
    options: &Options,
    engine: &dyn Engine,
    fill: &mut dyn FnMut(&dyn StateStore, Meta) -> Result<T, BackupError>,
) -> Result<T, BackupError> {
    let mut data_dir = DataDir::claim(&options.data_dir, &options.companions)?;
    if data_dir.identity().is_some() {
        let found = "a store".to_owned();
        return Err(OpenError::Foreign { directory: options.data_dir.clone(), found }.into());
    }
    let node = random_id(&data_dir)?;
    let identity = Identity { cluster: random_id(&data_dir)?, node };
    data_dir.begin()?;
    let filled = fill_new(&data_dir, node, options, engine, fill)?;
    data_dir.finish(identity)?;
    Ok(filled)
}

fn fill_new<T>(
    data_dir: &DataDir,
    node: u64,
    options: &Options,
    engine: &dyn Engine,
    fill: &mut dyn FnMut(&dyn StateStore, Meta) -> Result<T, BackupError>,
) -> Result<T, BackupError> {
    let truncation = beginning(&[node]);
    drop(create_log(data_dir, engine, truncation)?);
    let records = engine.open_state(&data_dir.state_directory(FIRST_STATE_DIRECTORY))?;
    let mut meta = Meta { applied: truncation.index, term: truncation.term, ..Meta::default() };
    meta.conf.voters = vec![node];
    meta.addresses.insert(node, options.peer_address.clone());
    let filled = fill(&*records, meta)?;
    records.begin_flush()?;
    records.finish_flush()?;
    Ok(filled)
}

/// The same on a simulated disk.
#[cfg(any(test, feature = "simulation"))]
pub(crate) fn create_from_simulated<T>(
    options: &Options,
    engine: &dyn Engine,
    identity: Identity,
    fill: &mut dyn FnMut(&dyn StateStore, Meta) -> Result<T, BackupError>,
) -> Result<T, BackupError> {
    let data_dir = DataDir::simulated(&options.data_dir, identity);
    fill_new(&data_dir, identity.node, options, engine, fill)
}

/// Makes the stores of a node on a simulated disk.
#[cfg(any(test, feature = "simulation"))]
pub(crate) fn create_simulated(
    options: &Options,
    engine: &dyn Engine,
    identity: Identity,
    voters: Vec<u64>,
) -> Result<(), OpenError> {
    let data_dir = DataDir::simulated(&options.data_dir, identity);
    let log = create_log(&data_dir, engine, beginning(&voters));
    let state = create_state(&data_dir, options, engine, identity.node, &voters);
    log.map(drop).and(state.map(drop)).map_err(|error| data_dir.disk(error))
}
