//! Opening a store: the first start, and every later one.
//!
//! Keeps: a log that ends below its watermark, has a gap or a broken chain, or does not hold the state's applied
//! index is never served from. Records are replayed in order through the code that applies them live.

mod ahead;
mod check;
mod create;
mod load;

use std::collections::BTreeMap;
use std::sync::Arc;

use raft::eraftpb::HardState;

use crate::bugs::{Bug, planted};
use crate::codec::Reader;
use crate::disk::{DataDir, Identity, Truncation, Watermark, WatermarkFile};
use crate::engine::{Engine, LogStore, LogWrite, StateStore};
use crate::error::{DiskError, OpenError};
use crate::machine::Machine;
use crate::members::encode_addresses;
use crate::meta::Meta;
use crate::open::check::{check_applied, check_watermark};
use crate::open::create::create;
use crate::open::load::{Loaded, LoadedState, is_alone, load};
use crate::options::Options;
use crate::raft::{Tail, TailEntry};
use crate::threads::may_resume;
use crate::watch::{Hubs, Publisher};

pub(crate) use create::create_from;
#[cfg(any(test, feature = "simulation"))]
pub(crate) use create::{create_from_simulated, create_simulated};

const BOOT: &str = "boot";
/// The name under which the log says which state belongs to it.
pub(crate) const STATE_DIRECTORY: &str = "state-directory";
const FIRST_STATE_DIRECTORY: &str = "1";
/// Where an empty state lies while a damaged one is replaced.
const NO_STATE_DIRECTORY: &str = "none";
/// The name under which the log says which state must not be served, because the others have outvoted it.
pub(crate) const DISTRUSTED: &str = "state-distrusted";
/// The name under which the log keeps a copy of the members' addresses.
pub(crate) const ADDRESSES: &str = "addresses";

/// Memory for applied log entries, when there is nobody to ask for them.
const LONE_TAIL_BYTES_MAX: usize = 1 << 20;

/// Everything a store runs on.
pub(crate) struct Recovered {
    pub(crate) data_dir: DataDir,
    pub(crate) identity: Identity,
    pub(crate) boot: u64,
    /// Whether the state is damaged and has to come from another node.
    pub(crate) awaits_state: bool,
    /// Whether that is because the others have outvoted it.
    pub(crate) distrusted: bool,
    pub(crate) log: Box<dyn LogStore>,
    pub(crate) tail: Tail,
    pub(crate) log_bytes: usize,
    pub(crate) watermark: WatermarkFile,
    pub(crate) records: Arc<dyn StateStore>,
    pub(crate) machine: Machine,
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) publisher: Publisher,
    /// Directories with beginnings of snapshots that would bring this node forward.
    pub(crate) beginnings: Vec<String>,
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
    let log = load::load_log(&data_dir, engine, names)?;
    let name = name.recv().map_err(|_| data_dir.log_damaged("it names no state", None))?;
    let state = load::load_state(&data_dir, options, engine, &name);
    recover_loaded(data_dir, options, engine, Loaded { log, state })
}

/// Checks that what was loaded fits together, and counts the start.
fn recover_loaded(
    data_dir: DataDir,
    options: &Options,
    engine: &dyn Engine,
    loaded: Loaded,
) -> Result<Recovered, OpenError> {
    let Loaded { log, state } = loaded;
    let state = match state {
        Ok(_) if log.distrusted => Err(data_dir.damaged("the other nodes have outvoted the state")),
        state => state,
    };
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
            let state = no_state(&data_dir, options, engine, &log.addresses, &log.state_name)?;
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
        distrusted: log.distrusted,
        log: store,
        tail,
        log_bytes,
        watermark: watermark_file,
        records: state.records,
        machine: state.machine,
        hubs: state.hubs,
        publisher: state.publisher,
        beginnings: state.beginnings,
        data_dir,
    })
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

/// Every member with its address, empty where none is known.
pub(crate) fn known_addresses(meta: &Meta) -> BTreeMap<u64, String> {
    let conf = &meta.conf;
    let members = conf.voters.iter().chain(&conf.learners).chain(&conf.voters_outgoing);
    members.map(|node| (*node, meta.addresses.get(node).cloned().unwrap_or_default())).collect()
}

/// Removes the states that are not named, but for beginnings of snapshots behind an applied index, which it gives.
fn beginnings_in(
    data_dir: &DataDir,
    engine: &dyn Engine,
    applied: u64,
    named: &[&str],
) -> Result<Vec<String>, DiskError> {
    let parent = data_dir.states_directory();
    let mut others = engine.states(&parent)?;
    others.retain(|other| !named.contains(&other.as_str()));
    let (beginnings, old): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|other| may_resume(other, applied));
    for other in old {
        engine.remove_state(&parent.join(other))?;
    }
    Ok(beginnings)
}

/// An empty state beside the damaged one, until another node has sent what belongs there. It knows where the others
/// are, and nothing else: with nobody in its membership this node never campaigns.
fn no_state(
    data_dir: &DataDir,
    options: &Options,
    engine: &dyn Engine,
    addresses: &BTreeMap<u64, String>,
    named: &str,
) -> Result<LoadedState, OpenError> {
    let directory = data_dir.state_directory(NO_STATE_DIRECTORY);
    let open = engine.remove_state(&directory).and_then(|()| engine.open_state(&directory));
    let records = open.map_err(|error| data_dir.disk(error))?;
    let machine = Machine::new(Meta { addresses: addresses.clone(), ..Meta::default() });
    let hubs = Arc::new(Hubs::new(0));
    let publisher = Publisher::new(hubs.clone(), options.ring_bytes);
    let beginnings = beginnings_in(data_dir, engine, 0, &[NO_STATE_DIRECTORY, named])
        .map_err(|error| data_dir.disk(error))?;
    Ok(LoadedState { records, machine, hubs, publisher, beginnings })
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

#[cfg(test)]
mod tests;
