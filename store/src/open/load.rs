//! Reading what an earlier process left: log and state at the same time. Keeps: what is damaged is told from what
//! failed, and nothing is changed by looking.

use std::collections::BTreeMap;
use std::sync::Arc;

use raft::eraftpb::HardState;

use crate::codec::{Malformed, Reader};
use crate::disk::{DataDir, HardStateValue, LogEntry, Truncation, Watermark, WatermarkFile, chain_of};
use crate::engine::{Engine, LogStore, StateStore};
use crate::error::{DiskError, OpenError};
use crate::level::LEVEL_SUPPORTED;
use crate::machine::Machine;
use crate::members::read_addresses;
use crate::meta::{self, Meta};
use crate::open::ahead::visit_ahead;
use crate::open::{ADDRESSES, DISTRUSTED, STATE_DIRECTORY, beginnings_in};
use crate::options::Options;
use crate::raft::TailEntry;
use crate::threads::event_of;
use crate::watch::{Hubs, Publisher};

/// Events that a replay pushes at once.
const REPLAY_EVENTS: usize = 512;

pub(super) struct Loaded {
    pub(super) log: LoadedLog,
    pub(super) state: Result<LoadedState, OpenError>,
}

pub(super) struct LoadedLog {
    pub(super) store: Box<dyn LogStore>,
    pub(super) truncation: Truncation,
    pub(super) hard_state: HardState,
    pub(super) entries: Vec<TailEntry>,
    pub(super) watermark_file: WatermarkFile,
    pub(super) watermark: Option<Watermark>,
    /// The state that belongs to it.
    pub(super) state_name: String,
    /// Whether the others have outvoted that state.
    pub(super) distrusted: bool,
    /// The members and their addresses as they were once, in case that the state cannot tell.
    pub(super) addresses: BTreeMap<u64, String>,
}

pub(super) struct LoadedState {
    pub(super) records: Arc<dyn StateStore>,
    pub(super) machine: Machine,
    pub(super) hubs: Arc<Hubs>,
    pub(super) publisher: Publisher,
    /// Directories with beginnings of snapshots.
    pub(super) beginnings: Vec<String>,
}

/// Reads log and state at the same time.
pub(super) fn load(data_dir: &DataDir, options: &Options, engine: &dyn Engine) -> Result<Loaded, OpenError> {
    let (names, name) = std::sync::mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let log = scope.spawn(move || load_log(data_dir, engine, names));
        // Without a name the log has failed, which is reported below.
        let state = name.recv().ok().map(|name: String| load_state(data_dir, options, engine, &name));
        let log = log.join().map_err(|_| data_dir.log_damaged("reading it panicked", None))?;
        let alone = state.as_ref().and_then(|state| is_alone(data_dir, state.as_ref().ok()?));
        let log = log.map_err(|error| with_alone(error, alone))?;
        let state = state.ok_or_else(|| data_dir.log_damaged("it names no state", alone))?;
        Ok(Loaded { log, state })
    })
}

/// Whether a node was the only member of its cluster.
pub(super) fn is_alone(data_dir: &DataDir, state: &LoadedState) -> Option<bool> {
    let conf = &state.machine.meta.conf;
    let own = data_dir.identity()?.node;
    Some(conf.voters == [own] && conf.learners.is_empty())
}

fn with_alone(error: OpenError, known: Option<bool>) -> OpenError {
    match error {
        OpenError::LogDamaged { directory, node, what, alone } => {
            OpenError::LogDamaged { directory, node, what, alone: alone.or(known) }
        }
        other => other,
    }
}

/// What is wrong with what was read, unless the disk itself failed.
fn damage(error: &DiskError) -> Option<String> {
    match error {
        DiskError::Malformed(Malformed(part)) => Some(format!("it holds a malformed {part}")),
        // What the engine says about files that are cut off, mixed up or gone.
        DiskError::Engine(message) => {
            let kinds = ["Corruption", "Invalid argument", "Not implemented", "NotFound"];
            let is_damage = kinds.iter().any(|kind| message.starts_with(kind))
                || message.contains("No such file or directory");
            is_damage.then(|| message.clone())
        }
        DiskError::Io { .. } | DiskError::Cancelled => None,
    }
}

fn log_error(data_dir: &DataDir, error: DiskError) -> OpenError {
    match damage(&error) {
        Some(what) => data_dir.log_damaged(what, None),
        None => data_dir.disk(error),
    }
}

pub(super) fn state_error(data_dir: &DataDir, error: DiskError) -> OpenError {
    match damage(&error) {
        Some(what) => data_dir.damaged(format!("the state: {what}")),
        None => data_dir.disk(error),
    }
}

pub(super) fn load_log(
    data_dir: &DataDir,
    engine: &dyn Engine,
    state_directory: std::sync::mpsc::SyncSender<String>,
) -> Result<LoadedLog, OpenError> {
    let fail = |error| log_error(data_dir, error);
    let directory = data_dir.log_directory();
    if !engine.exists(&directory) {
        return Err(data_dir.log_damaged("it is missing", None));
    }
    let mut store = engine.open_log(&directory).map_err(fail)?;
    let mut named = |name: &'static str| {
        let value = store.named(name).map_err(fail)?;
        value.ok_or_else(|| data_dir.log_damaged(format!("it has no {name}"), None))
    };
    let state = String::from_utf8(named(STATE_DIRECTORY)?)
        .map_err(|_| data_dir.log_damaged("it names no state", None))?;
    // The receiver is gone only when the other side failed, which is reported there.
    let _ = state_directory.send(state.clone());
    let malformed = |error: Malformed| fail(DiskError::from(error));
    let truncation = Truncation::decode(&named(Truncation::NAME)?).map_err(malformed)?;
    let hard_state = HardStateValue::decode(&named(HardStateValue::NAME)?).map_err(malformed)?;
    let outvoted = store.named(DISTRUSTED).map_err(fail)?;
    let distrusted = outvoted.is_some_and(|outvoted| outvoted == state.as_bytes());
    // Only a copy: a release that did not write it has it in the state.
    let addresses = match store.named(ADDRESSES).map_err(fail)? {
        Some(bytes) => read_addresses(&mut Reader::new(&bytes)).map_err(malformed)?,
        None => BTreeMap::new(),
    };
    let mut entries: Vec<TailEntry> = Vec::new();
    let mut last = (truncation.index, truncation.chain);
    store
        .visit(&mut |index, value| {
            let LogEntry { entry, chain } = LogEntry::decode(index, value)?;
            if index != last.0 + 1 {
                return Err(Malformed("sequence: an entry is missing"));
            }
            if chain_of(last.1, &entry) != chain {
                return Err(Malformed("entry: the chain is broken"));
            }
            last = (index, chain);
            entries.push(TailEntry { entry, chain });
            Ok(())
        })
        .map_err(fail)?;
    let block = engine.open_block(&data_dir.watermark_file()).map_err(fail)?;
    let (watermark_file, watermark) = WatermarkFile::new(block);
    Ok(LoadedLog {
        store,
        truncation,
        hard_state,
        entries,
        watermark_file,
        watermark,
        state_name: state,
        distrusted,
        addresses,
    })
}

pub(super) fn load_state(
    data_dir: &DataDir,
    options: &Options,
    engine: &dyn Engine,
    name: &str,
) -> Result<LoadedState, OpenError> {
    let fail = |error| state_error(data_dir, error);
    let directory = data_dir.state_directory(name);
    if !engine.exists(&directory) {
        return Err(data_dir.damaged("the state is missing"));
    }
    let records = engine.open_state(&directory).map_err(fail)?;
    let meta = records.meta().map_err(fail)?.ok_or_else(|| data_dir.damaged("the state has no meta"))?;
    let too_new = |found: u64, known: u64| OpenError::TooNew {
        directory: data_dir.path().to_owned(),
        found: u32::try_from(found).unwrap_or(u32::MAX),
        known: u32::try_from(known).unwrap_or(u32::MAX),
    };
    if let Some(version) = meta.first().filter(|version| **version > meta::VERSION) {
        return Err(too_new(u64::from(*version), u64::from(meta::VERSION)));
    }
    let meta = Meta::decode(&meta).map_err(|error| fail(error.into()))?;
    if meta.cluster_level > LEVEL_SUPPORTED {
        return Err(too_new(meta.cluster_level, LEVEL_SUPPORTED));
    }
    // What was received but never installed, or was replaced.
    let beginnings = beginnings_in(data_dir, engine, meta.applied, &[name]).map_err(fail)?;
    let mut machine = Machine::new(meta);
    let floor = machine.state.floor;
    let hubs = Arc::new(Hubs::new(floor));
    let mut publisher = Publisher::new(hubs.clone(), options.ring_bytes);
    let mut events = Vec::with_capacity(REPLAY_EVENTS);
    visit_ahead(&*records, |record| {
        let revision = record.revision;
        let change = machine.replay(record)?;
        if revision > floor {
            events.push(event_of(&change));
        }
        if events.len() == REPLAY_EVENTS {
            publisher.publish(std::mem::take(&mut events), revision);
            publisher.evict();
        }
        Ok(())
    })
    .map_err(fail)?;
    machine.replayed();
    publisher.publish(events, machine.state.revision);
    publisher.evict();
    Ok(LoadedState { records, machine, hubs, publisher, beginnings })
}
