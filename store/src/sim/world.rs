//! The world: time, the order of events, and everything that goes wrong.

mod callers;
mod ending;
mod nodes;
mod restores;
mod troubles;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::bugs::{Bug, plant, planted};
use crate::disk::{Identity, mix};
use crate::engine::Engine;
use crate::fatal::simulated::{NodeEnds, within};
use crate::members::{Member, MemberChange, MemberRole};
use crate::meta::Meta;
use crate::open::create_simulated;
use crate::options::Options;
use crate::peers::{FRAME_HEADER_LENGTH, FrameHeader, PeerFrame};
use crate::shared::OwnerEvent;
use crate::sim::Failure;
use crate::sim::check::check;
use crate::sim::client::Client;
use crate::sim::disk::{Loss, SimDisk, Trouble};
use crate::sim::faults::{Fault, Plan};
use crate::sim::history::{Answer, History, Truth, WriteSeen};
use crate::sim::network::Network;
use crate::sim::node::{NEVER_SCHEDULED, Next, Part, Running, SimClock, poll};
use crate::sim::random::Random;
use crate::sim::watcher::Watcher;
use crate::sim::world::restores::Saved;

const MILLISECOND: u64 = 1_000;
const SECOND: u64 = 1_000_000;
/// How long the cluster may take to get going again once nothing goes wrong any more.
const HEALING: u64 = 30 * SECOND;
/// Events after which a run is given up: something runs in circles.
const EVENTS_MAX: u64 = 20_000_000;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Simulated time.
    pub simulated: Duration,
    /// Events.
    pub events: u64,
    /// A number that differs when anything in the run differs.
    pub trace: u64,
    /// Writes that were acknowledged.
    pub writes: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Events that watchers saw.
    pub watched: u64,
    /// Ends of processes and power cuts.
    pub ends: u64,
    /// Leaders that began their duties.
    pub leaders: u64,
    /// Changes of membership that were asked for.
    pub changes: u64,
    /// Snapshots that were installed.
    pub snapshots: u64,
    /// Snapshots that were gone on with after a restart of the receiver.
    pub resumed: u64,
    /// Clusters that were restored from backups.
    pub restores: u64,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What it did.
    pub figures: Figures,
    /// What was wrong, if anything.
    pub failure: Option<Failure>,
}

/// Runs one plan, with a bug planted or none.
pub fn run(plan: &Plan, bug: Option<Bug>) -> Verdict {
    plant(bug);
    let mut world = World::new(plan.clone());
    let mut failure = world.live().err();
    let mut figures = world.figures();
    for round in 0..plan.restores {
        if failure.is_some() || world.saved.is_none() {
            break;
        }
        let trace = world.trace;
        world = world.into_restored(round);
        failure = world.live().err();
        world.note(trace);
        figures.add(&world.figures());
    }
    drop(world);
    plant(None);
    Verdict { figures, failure }
}

impl Figures {
    /// Adds a run that went on where this one ended.
    fn add(&mut self, next: &Figures) {
        (self.simulated, self.trace) = (next.simulated, next.trace);
        self.events += next.events;
        self.writes += next.writes;
        self.reads += next.reads;
        self.watched += next.watched;
        self.ends += next.ends;
        self.leaders += next.leaders;
        self.changes += next.changes;
        self.snapshots += next.snapshots;
        self.resumed += next.resumed;
        self.restores += 1;
    }
}

/// Something that happens at a moment.
#[derive(Debug)]
enum Event {
    Turn(usize, u64, Part),
    Deliver(usize, Vec<u8>),
    Client(usize),
    Watcher(usize),
    Fault,
    Start(usize),
    Heal(Fault),
    /// The next end in a row of them.
    EndAgain(usize),
    /// The power goes just after a vote was given.
    VoteGiven(usize, u64),
    Resume(usize),
    /// A host is told that a node has ended.
    Ended(usize, u64),
    /// A backup is saved.
    Save,
}

/// A host: its disk and clock stay, its process comes and goes.
struct Host {
    identity: Identity,
    disk: SimDisk,
    clock: Arc<SimClock>,
    running: Option<Running>,
    /// Counts the processes.
    life: u64,
    paused_until: u64,
    /// Added to every disk operation while the disk is slow, in microseconds.
    disk_delay: u64,
    stopping: bool,
    /// A start is on its way.
    starting: bool,
    /// Until when its disk takes nothing.
    stalled_until: u64,
    /// Since when its owner has waited for the log thread.
    waits_since: Option<u64>,
    /// Whether its disk says that its state must not be served.
    distrusted: bool,
    /// The newest cluster level that its release may use.
    level_max: u64,
    /// How many more times its process ends soon after its start.
    ends_left: u64,
    leads: Option<u64>,
    random: Random,
}

struct World {
    plan: Plan,
    now: u64,
    sequence: u64,
    events: u64,
    trace: u64,
    ends: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    due: BTreeMap<u64, Event>,
    hosts: Vec<Host>,
    by_id: BTreeMap<u64, usize>,
    network: Network,
    clients: Vec<Client>,
    watchers: Vec<Watcher>,
    history: History,
    truth: Truth,
    /// Nodes and terms of leaders' loops, also of deposed ones.
    loops: Vec<(usize, u64)>,
    random: Random,
    network_random: Random,
    healing: bool,
    damage_unnoticed: bool,
    /// Voters lose their power when they have given their vote.
    cuts_voters: bool,
    /// The newest leader's term and, while the ids of removed members are kept, what it took for the members; and those
    /// that were removed since.
    seen_members: (u64, BTreeSet<u64>),
    gone: BTreeSet<u64>,
    /// Which node led in which term.
    leaders: BTreeMap<u64, u64>,
    /// The newest term that was led.
    led: Option<u64>,
    /// Whether a bit was flipped in some node's memory.
    flipped: bool,
    /// A member whose log was lost, and the host that joins again in its place.
    lost: Option<(u64, usize)>,
    /// Changes of membership that were asked for.
    changes: u64,
    /// Snapshots installed by processes that ended.
    snapshots: u64,
    /// Those that were gone on with by processes that ended.
    resumed: u64,
    /// The backup that is restored afterwards.
    saved: Option<Saved>,
    /// Clients and watchers that have nothing to do any more; those of a restored cluster.
    retired: (Vec<Client>, Vec<Watcher>),
}

impl World {
    fn new(plan: Plan) -> World {
        let mut random = Random::new(plan.seed ^ 0x5eed);
        let cluster = random.next() >> 1;
        let ids: Vec<u64> = (0..plan.nodes + plan.spares).map(|_| (random.next() >> 1).max(1)).collect();
        let mut hosts = Vec::new();
        for id in &ids {
            let rate = random.within(950..1_051);
            hosts.push(Host {
                identity: Identity { cluster, node: *id },
                disk: SimDisk::new(),
                clock: Arc::new(SimClock::new(random.within(0..1_000_000_000_000), rate)),
                running: None,
                life: 0,
                paused_until: 0,
                disk_delay: 0,
                stopping: false,
                starting: false,
                ends_left: 0,
                stalled_until: 0,
                waits_since: None,
                distrusted: false,
                level_max: if random.chance(20) { 0 } else { u64::MAX },
                leads: None,
                random: random.fork(),
            });
        }
        let clients = (0..plan.clients).map(|name| Client::new(name, name % plan.nodes, random.fork()));
        let clients = clients.collect();
        let watchers = (0..plan.watchers).map(|index| Watcher::new(index % plan.nodes, random.fork()));
        let watchers = watchers.collect();
        World {
            now: 0,
            sequence: 0,
            events: 0,
            trace: plan.seed,
            ends: 0,
            queue: BinaryHeap::new(),
            due: BTreeMap::new(),
            by_id: ids.iter().enumerate().map(|(host, id)| (*id, host)).collect(),
            hosts,
            network: Network::healthy(),
            clients,
            watchers,
            history: History::default(),
            truth: Truth::default(),
            loops: Vec::new(),
            network_random: random.fork(),
            random,
            healing: false,
            damage_unnoticed: false,
            cuts_voters: false,
            leaders: BTreeMap::new(),
            led: None,
            seen_members: (0, BTreeSet::new()),
            gone: BTreeSet::new(),
            flipped: false,
            lost: None,
            changes: 0,
            snapshots: 0,
            resumed: 0,
            saved: None,
            retired: (Vec::new(), Vec::new()),
            plan,
        }
    }

    fn figures(&self) -> Figures {
        let history = &self.history;
        let acknowledged = |seen: &&WriteSeen| matches!(seen.answer, Answer::Applied { .. });
        let running = self.hosts.iter().filter_map(|host| host.running.as_ref());
        Figures {
            simulated: Duration::from_micros(self.now),
            events: self.events,
            trace: self.trace,
            writes: history.writes.iter().filter(acknowledged).count() as u64,
            reads: history.reads.len() as u64,
            watched: history.watches.iter().map(|watch| watch.events.len() as u64).sum(),
            ends: self.ends,
            leaders: history.duties.len() as u64,
            changes: self.changes,
            snapshots: self.snapshots + running.clone().map(Running::snapshots).sum::<u64>(),
            resumed: self.resumed + running.map(Running::resumed).sum::<u64>(),
            restores: 0,
        }
    }

    /// The whole life of the cluster.
    fn live(&mut self) -> Result<(), Failure> {
        for host in 0..self.hosts.len() {
            let founds = host < self.plan.nodes;
            if !self.restore(host)? {
                self.create(host, founds)?;
            }
            self.start(host)?;
        }
        if self.plan.restores > 0 {
            let moment = self.random.within(self.plan.length / 4..self.plan.length * 3 / 4);
            self.at(moment, Event::Save);
        }
        for client in 0..self.clients.len() {
            self.at(10 * MILLISECOND, Event::Client(client));
        }
        for watcher in 0..self.watchers.len() {
            self.at(10 * MILLISECOND, Event::Watcher(watcher));
        }
        self.at(500 * MILLISECOND, Event::Fault);
        while self.now < self.plan.length {
            self.step()?;
        }
        self.heal()?;
        self.end()?;
        check(&self.truth, &self.history)
    }

    /// Makes a node's stores: a founding one's, or those of one that waits to be taken in.
    fn create(&self, host: usize, founds: bool) -> Result<(), Failure> {
        let founding = self.hosts.iter().take(if founds { self.plan.nodes } else { 0 });
        let voters = founding.map(|host| host.identity.node).collect();
        let Host { disk, identity, .. } = &self.hosts[host];
        create_simulated(&self.options(host), disk, *identity, voters)
            .map_err(|error| Failure::new("starts", error.to_string()))
    }

    fn options(&self, host: usize) -> Options {
        let plan = &self.plan;
        Options {
            history: Duration::from_secs(3),
            ring_bytes: plan.ring_bytes,
            flush_log_entries: plan.flush_entries,
            garbage_round_bytes: 200,
            cluster_level_max: self.hosts[host].level_max,
            mark_interval: Duration::from_millis(1_500),
            tail_bytes: plan.tail_bytes,
            snapshot_bytes_per_second: plan.snapshot_rate,
            snapshot_part_bytes: plan.snapshot_part,
            request_timeout: Duration::from_micros(plan.request_timeout),
            gather: Duration::ZERO,
            tick: Duration::from_micros(plan.tick),
            clock: self.hosts[host].clock.clone(),
            ..Options::new(Path::new("/simulated"))
        }
    }

    fn at(&mut self, delay: u64, event: Event) {
        self.at_moment(self.now + delay, event);
    }

    fn at_moment(&mut self, moment: u64, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((moment, self.sequence)));
        self.due.insert(self.sequence, event);
    }

    fn note(&mut self, what: u64) {
        self.trace = mix(self.trace ^ what);
    }

    /// Lets the next event happen.
    fn step(&mut self) -> Result<(), Failure> {
        let Some(Reverse((moment, sequence))) = self.queue.pop() else {
            return Err(Failure::new("progress", "nothing happens any more"));
        };
        let Some(event) = self.due.remove(&sequence) else { return Ok(()) };
        self.now = moment;
        self.events += 1;
        if self.events > EVENTS_MAX {
            return Err(Failure::new("progress", "the run goes round in circles"));
        }
        match event {
            Event::Turn(host, life, part) => self.turn(host, life, part),
            Event::Deliver(to, bytes) => self.deliver(to, &bytes),
            Event::Client(client) => self.client(client),
            Event::Watcher(watcher) => self.watcher(watcher),
            Event::Fault => {
                self.fault();
                self.replace_lost();
                self.watch_members()?;
                let delay = self.random.within(MILLISECOND..self.plan.fault_interval);
                if !self.healing {
                    self.at(delay, Event::Fault);
                }
                Ok(())
            }
            Event::Start(host) => self.start(host),
            Event::Heal(fault) => {
                self.heal_fault(fault);
                Ok(())
            }
            Event::EndAgain(host) => {
                self.end_again(host);
                Ok(())
            }
            Event::VoteGiven(host, life) => {
                self.cut_voter(host, life);
                Ok(())
            }
            Event::Save => self.save(),
            Event::Ended(host, node) => {
                self.tell_ended(host, node);
                Ok(())
            }
            Event::Resume(host) => {
                self.kick(host);
                Ok(())
            }
        }?;
        self.wake_all();
        Ok(())
    }
}

/// How a node's code ended instead of returning.
enum End {
    Node(String),
    Panic(String),
}

fn catch<R>(host: usize, body: impl FnOnce() -> R) -> Result<R, End> {
    catch_unwind(AssertUnwindSafe(|| within(host, body))).map_err(|payload| {
        match payload.downcast::<NodeEnds>() {
            Ok(end) => End::Node(end.why),
            Err(payload) => End::Panic(
                payload
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default(),
            ),
        }
    })
}
