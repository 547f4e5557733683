//! Opening a store: the first start, and every later one.
//!
//! Keeps: a log that ends below its watermark, has a gap or a broken chain, or does not hold the state's applied
//! index is never served from. Records are replayed in order through the code that applies them live.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use raft::eraftpb::HardState;

use crate::backup::BackupError;
use crate::bugs::{Bug, planted};
use crate::codec::{Malformed, Reader};
use crate::disk::{
    DataDir, HardStateValue, Identity, LogEntry, Truncation, Watermark, WatermarkFile, chain_of,
};
use crate::engine::{BlockFile, Engine, LogStore, LogWrite, Space, StateStore, StateWrite};
use crate::error::{DiskError, OpenError};
use crate::machine::Machine;
use crate::members::{encode_addresses, read_addresses};
use crate::meta::Meta;
use crate::options::{Founding, Options};
use crate::raft::{Tail, TailEntry};
use crate::record::Record;
use crate::threads::event_of;
use crate::watch::{Hubs, Publisher};

const BOOT: &str = "boot";
/// The name under which the log says which state belongs to it.
pub(crate) const STATE_DIRECTORY: &str = "state-directory";
const FIRST_STATE_DIRECTORY: &str = "1";
/// Where an empty state lies while a damaged one is replaced.
const NO_STATE_DIRECTORY: &str = "none";
/// The name under which the log keeps a copy of the members' addresses.
pub(crate) const ADDRESSES: &str = "addresses";

/// The log begins behind this entry, which exists nowhere: a node that joins therefore always starts from a
/// snapshot, which tells it the membership.
const FIRST_INDEX: u64 = 1;
const FIRST_TERM: u64 = 1;

/// Where the log of a new store begins: behind nothing for a node that joins, because its first state comes from
/// another node.
fn beginning(voters: &[u64]) -> Truncation {
    match voters {
        [] => Truncation::default(),
        _ => Truncation { index: FIRST_INDEX, term: FIRST_TERM, chain: 0 },
    }
}

/// Memory for applied log entries, when there is nobody to ask for them.
const LONE_TAIL_BYTES_MAX: usize = 1 << 20;
/// Events that a replay pushes at once.
const REPLAY_EVENTS: usize = 512;

/// Everything a store runs on.
pub(crate) struct Recovered {
    pub(crate) data_dir: DataDir,
    pub(crate) identity: Identity,
    pub(crate) boot: u64,
    /// Whether the state is damaged and has to come from another node.
    pub(crate) awaits_state: bool,
    pub(crate) log: Box<dyn LogStore>,
    pub(crate) tail: Tail,
    pub(crate) log_bytes: usize,
    pub(crate) watermark: WatermarkFile,
    pub(crate) records: Arc<dyn StateStore>,
    pub(crate) machine: Machine,
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) publisher: Publisher,
}

/// Opens or creates what is on disk.
pub(crate) fn recover(options: &Options, engine: &dyn Engine) -> Result<Recovered, OpenError> {
    let mut data_dir = DataDir::claim(&options.data_dir, &options.companions)?;
    let loaded = match data_dir.identity() {
        Some(_) => load(&data_dir, options, engine)?,
        None => {
            let created = create(&mut data_dir, options, engine)?;
            load(&data_dir, options, &created)?
        }
    };
    recover_loaded(data_dir, options, engine, loaded)
}

/// Opens what a simulated disk holds, on this thread.
#[cfg(any(test, feature = "simulation"))]
pub(crate) fn recover_simulated(
    options: &Options,
    engine: &dyn Engine,
    identity: Identity,
) -> Result<Recovered, OpenError> {
    let data_dir = DataDir::simulated(&options.data_dir, identity);
    let (names, name) = std::sync::mpsc::sync_channel(1);
    let log = load_log(&data_dir, engine, names)?;
    let name = name.recv().map_err(|_| data_dir.log_damaged("it names no state", None))?;
    let state = load_state(&data_dir, options, engine, &name);
    recover_loaded(data_dir, options, engine, Loaded { log, state })
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

/// Checks that what was loaded fits together, and counts the start.
fn recover_loaded(
    data_dir: DataDir,
    options: &Options,
    engine: &dyn Engine,
    loaded: Loaded,
) -> Result<Recovered, OpenError> {
    let Loaded { log, state } = loaded;
    let identity = data_dir.identity().ok_or_else(|| data_dir.damaged("it has no identity"))?;
    let alone = state.as_ref().ok().and_then(|state| is_alone(&data_dir, state));
    check_watermark(&data_dir, &log, alone)?;
    let others = log.addresses.keys().any(|node| *node != identity.node);
    let (state, hard_state, awaits_state) = match state {
        Ok(state) => {
            let hard_state = check_applied(&data_dir, &log, &state.machine.meta, alone)?;
            (state, hard_state, false)
        }
        // The log says what this node promised; the others can say what the state was.
        Err(OpenError::Damaged { what, .. }) if others => {
            tracing::error!(%what, "the state is damaged: it is fetched from another node");
            let state = no_state(&data_dir, options, engine, &log.addresses)?;
            let commit = log.hard_state.commit.max(log.truncation.index);
            (state, HardState { commit, ..log.hard_state.clone() }, true)
        }
        Err(error) => return Err(error),
    };
    let meta = &state.machine.meta;
    let lone = meta.conf.voters == [identity.node] && meta.conf.learners.is_empty();
    let bytes_max = if lone { LONE_TAIL_BYTES_MAX } else { options.tail_bytes };
    let before = (log.truncation.index, log.truncation.term, log.truncation.chain);
    let mut tail = Tail::new(before, bytes_max, hard_state, meta.conf.clone());
    let watermark = Watermark {
        current_term: log.hard_state.term,
        vote: log.hard_state.vote,
        ..last_of(&log.entries, log.truncation)
    };
    let mut watermark_file = log.watermark_file;
    // What the log holds beyond the watermark will count as synced from now on, so the watermark must name it.
    let written = watermark_file.write(watermark).and_then(|()| watermark_file.sync());
    written.map_err(|error| data_dir.disk(DiskError::io("write the watermark")(error)))?;
    let log_bytes = log.entries.iter().map(|entry| entry.entry.data.len()).sum();
    tail.append(log.entries);
    tail.trim(meta.applied);
    let mut store = log.store;
    let known = if awaits_state { log.addresses } else { known_addresses(meta) };
    let boot = raise_boot(&mut *store, &known).map_err(|error| data_dir.disk(error))?;
    Ok(Recovered {
        identity,
        boot,
        awaits_state,
        log: store,
        tail,
        log_bytes,
        watermark: watermark_file,
        records: state.records,
        machine: state.machine,
        hubs: state.hubs,
        publisher: state.publisher,
        data_dir,
    })
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
    let truncation = beginning(&[node]);
    drop(create_log(&data_dir, engine, truncation)?);
    let records = engine.open_state(&data_dir.state_directory(FIRST_STATE_DIRECTORY))?;
    let mut meta = Meta { applied: truncation.index, term: truncation.term, ..Meta::default() };
    meta.conf.voters = vec![node];
    meta.addresses.insert(node, options.peer_address.clone());
    let filled = fill(&*records, meta)?;
    records.begin_flush()?;
    records.finish_flush()?;
    data_dir.finish(identity)?;
    Ok(filled)
}

/// The last entry of a log, as a watermark names it.
fn last_of(entries: &[TailEntry], truncation: Truncation) -> Watermark {
    let Truncation { index, term, chain } = truncation;
    let before = Watermark { index, term, chain, ..Watermark::default() };
    entries.last().map_or(before, |last| Watermark {
        index: last.entry.index,
        term: last.entry.term,
        chain: last.chain,
        ..Watermark::default()
    })
}

/// Makes a new store and hands over its open log and state.
fn create<'a>(
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

fn create_log(
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

fn create_state(
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
struct Created<'a> {
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
fn random_id(data_dir: &DataDir) -> Result<u64, OpenError> {
    let number = getrandom::u64().map_err(|error| {
        let source = std::io::Error::other(error.to_string());
        data_dir.disk(DiskError::io("get random bytes")(source))
    })?;
    Ok((number >> 1).max(1))
}

struct Loaded {
    log: LoadedLog,
    state: Result<LoadedState, OpenError>,
}

struct LoadedLog {
    store: Box<dyn LogStore>,
    truncation: Truncation,
    hard_state: HardState,
    entries: Vec<TailEntry>,
    watermark_file: WatermarkFile,
    watermark: Option<Watermark>,
    /// The members and their addresses as they were once, in case that the state cannot tell.
    addresses: BTreeMap<u64, String>,
}

struct LoadedState {
    records: Arc<dyn StateStore>,
    machine: Machine,
    hubs: Arc<Hubs>,
    publisher: Publisher,
}

/// Reads log and state at the same time.
fn load(data_dir: &DataDir, options: &Options, engine: &dyn Engine) -> Result<Loaded, OpenError> {
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
fn is_alone(data_dir: &DataDir, state: &LoadedState) -> Option<bool> {
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

fn state_error(data_dir: &DataDir, error: DiskError) -> OpenError {
    match damage(&error) {
        Some(what) => data_dir.damaged(format!("the state: {what}")),
        None => data_dir.disk(error),
    }
}

fn load_log(
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
    let _ = state_directory.send(state);
    let malformed = |error: Malformed| fail(DiskError::from(error));
    let truncation = Truncation::decode(&named(Truncation::NAME)?).map_err(malformed)?;
    let hard_state = HardStateValue::decode(&named(HardStateValue::NAME)?).map_err(malformed)?;
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
    Ok(LoadedLog { store, truncation, hard_state, entries, watermark_file, watermark, addresses })
}

fn load_state(
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
    // What was received but never installed, or was replaced.
    let parent = data_dir.states_directory();
    for other in engine.states(&parent).map_err(fail)?.iter().filter(|other| *other != name) {
        engine.remove_state(&parent.join(other)).map_err(fail)?;
    }
    let records = engine.open_state(&directory).map_err(fail)?;
    let meta = records.meta().map_err(fail)?.ok_or_else(|| data_dir.damaged("the state has no meta"))?;
    let meta = Meta::decode(&meta).map_err(|error| fail(error.into()))?;
    let mut machine = Machine::new(meta);
    let floor = machine.state.floor;
    let hubs = Arc::new(Hubs::new(floor));
    let mut publisher = Publisher::new(hubs.clone(), options.ring_bytes);
    let mut events = Vec::with_capacity(REPLAY_EVENTS);
    records
        .visit(0, u64::MAX - 1, &mut |revision, value| {
            let change = machine.replay(Record::decode(revision, value)?)?;
            if revision > floor {
                events.push(event_of(&change));
            }
            if events.len() == REPLAY_EVENTS {
                publisher.publish(std::mem::take(&mut events), revision);
                publisher.evict();
            }
            Ok(ControlFlow::Continue(()))
        })
        .map_err(fail)?;
    machine.replayed();
    publisher.publish(events, machine.state.revision);
    publisher.evict();
    Ok(LoadedState { records, machine, hubs, publisher })
}

/// Every member with its address, empty where none is known.
pub(crate) fn known_addresses(meta: &Meta) -> BTreeMap<u64, String> {
    let conf = &meta.conf;
    let members = conf.voters.iter().chain(&conf.learners).chain(&conf.voters_outgoing);
    members.map(|node| (*node, meta.addresses.get(node).cloned().unwrap_or_default())).collect()
}

/// An empty state beside the damaged one, until another node has sent what belongs there. It knows where the others
/// are, and nothing else: with nobody in its membership this node never campaigns.
fn no_state(
    data_dir: &DataDir,
    options: &Options,
    engine: &dyn Engine,
    addresses: &BTreeMap<u64, String>,
) -> Result<LoadedState, OpenError> {
    let directory = data_dir.state_directory(NO_STATE_DIRECTORY);
    let open = engine.remove_state(&directory).and_then(|()| engine.open_state(&directory));
    let records = open.map_err(|error| data_dir.disk(error))?;
    let machine = Machine::new(Meta { addresses: addresses.clone(), ..Meta::default() });
    let hubs = Arc::new(Hubs::new(0));
    let publisher = Publisher::new(hubs.clone(), options.ring_bytes);
    Ok(LoadedState { records, machine, hubs, publisher })
}

/// The log must reach what was last known to be synced, and the vote must not be older.
fn check_watermark(data_dir: &DataDir, log: &LoadedLog, alone: Option<bool>) -> Result<(), OpenError> {
    if planted(Bug::IgnoreWatermark) {
        return Ok(());
    }
    let Some(watermark) = log.watermark else {
        return Err(data_dir.log_damaged("the watermark is missing or not valid", alone));
    };
    let truncation = log.truncation;
    let before = (truncation.term, truncation.index);
    let last = log.entries.last().map_or(before, |last| (last.entry.term, last.entry.index));
    if last < (watermark.term, watermark.index) {
        return Err(data_dir.log_damaged(
            format!(
                "it ends at entry {} of term {}, but entry {} of term {} was synced",
                last.1, last.0, watermark.index, watermark.term
            ),
            alone,
        ));
    }
    let at_watermark = log.entries.iter().find(|entry| entry.entry.index == watermark.index);
    if at_watermark.is_some_and(|entry| entry.entry.term == watermark.term && entry.chain != watermark.chain)
    {
        return Err(data_dir
            .log_damaged(format!("log entry {} is not the one that was synced", watermark.index), alone));
    }
    let (term, vote) = (log.hard_state.term, log.hard_state.vote);
    let same_vote = vote == watermark.vote || watermark.vote == 0;
    if term < watermark.current_term || (term == watermark.current_term && !same_vote) {
        return Err(
            data_dir.log_damaged(format!("the vote of term {} was lost", watermark.current_term), alone)
        );
    }
    Ok(())
}

/// The log must hold the applied entry with the same term, or begin right after it. Then what was applied counts
/// as committed.
fn check_applied(
    data_dir: &DataDir,
    log: &LoadedLog,
    meta: &Meta,
    alone: Option<bool>,
) -> Result<HardState, OpenError> {
    let truncation = log.truncation;
    let term = if meta.applied == truncation.index {
        Some(truncation.term)
    } else {
        log.entries.iter().find(|entry| entry.entry.index == meta.applied).map(|entry| entry.entry.term)
    };
    if term != Some(meta.term) {
        return Err(data_dir.log_damaged(
            format!(
                "the state has applied log entry {} of term {}, which the log does not hold",
                meta.applied, meta.term
            ),
            alone,
        ));
    }
    let last = log.entries.last().map_or(truncation.index, |last| last.entry.index);
    if log.hard_state.commit > last {
        return Err(data_dir.log_damaged(
            format!("log entry {} was committed, but the log ends at {last}", log.hard_state.commit),
            alone,
        ));
    }
    let commit = log.hard_state.commit.max(meta.applied);
    Ok(HardState { commit, ..log.hard_state.clone() })
}

/// Counts this start, durably, so that no sequence of an earlier one is mistaken for one of this.
fn raise_boot(log: &mut dyn LogStore, known: &BTreeMap<u64, String>) -> Result<u64, DiskError> {
    let boot = match log.named(BOOT)? {
        Some(value) => Reader::new(&value).u64()?,
        None => 0,
    };
    let boot = if planted(Bug::ReusedBoot) { boot.max(1) } else { boot + 1 };
    let named = vec![(BOOT, boot.to_le_bytes().to_vec()), (ADDRESSES, encode_addresses(known))];
    log.write(&LogWrite { named, ..LogWrite::default() }, true)?;
    Ok(boot)
}
