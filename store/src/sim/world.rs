//! The world: time, the order of events, and everything that goes wrong.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
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
    let failure = world.live().err();
    let history = &world.history;
    let acknowledged = |seen: &&WriteSeen| matches!(seen.answer, Answer::Applied { .. });
    let figures = Figures {
        simulated: Duration::from_micros(world.now),
        events: world.events,
        trace: world.trace,
        writes: history.writes.iter().filter(acknowledged).count() as u64,
        reads: history.reads.len() as u64,
        watched: history.watches.iter().map(|watch| watch.events.len() as u64).sum(),
        ends: world.ends,
        leaders: history.duties.len() as u64,
        changes: world.changes,
        snapshots: world.snapshots
            + world
                .hosts
                .iter()
                .filter_map(|host| host.running.as_ref())
                .map(Running::snapshots)
                .sum::<u64>(),
    };
    drop(world);
    plant(None);
    Verdict { figures, failure }
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
    Resume(usize),
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
    /// Changes of membership that were asked for.
    changes: u64,
    /// Snapshots installed by processes that ended.
    snapshots: u64,
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
            changes: 0,
            snapshots: 0,
            plan,
        }
    }

    /// The whole life of the cluster.
    fn live(&mut self) -> Result<(), Failure> {
        for host in 0..self.hosts.len() {
            let founds = host < self.plan.nodes;
            self.create(host, founds)?;
            self.start(host)?;
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
            tail_bytes: plan.tail_bytes,
            request_timeout: Duration::from_micros(plan.request_timeout),
            gather: Duration::ZERO,
            tick: Duration::from_micros(plan.tick),
            clock: self.hosts[host].clock.clone(),
            ..Options::new(Path::new("/simulated"))
        }
    }

    // Time.

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
            Event::Resume(host) => {
                self.kick(host);
                Ok(())
            }
        }?;
        self.wake_all();
        Ok(())
    }

    // Nodes.

    fn start(&mut self, host: usize) -> Result<(), Failure> {
        self.hosts[host].starting = false;
        if self.hosts[host].running.is_some() {
            return Ok(());
        }
        let options = self.options(host);
        if planted(Bug::ReusedId) && !self.hosts[host].disk.exists(Path::new("log")) {
            self.create(host, host < self.plan.nodes)?;
        }
        let now = self.now;
        let Host { identity, disk, clock, random, .. } = &mut self.hosts[host];
        clock.set(now);
        let seed = random.next();
        let started = catch(host, || Running::start(options, *identity, disk, seed));
        let running = match started {
            Ok(Ok(running)) => running,
            Ok(Err(error)) if error.to_string().contains("os error 5") => {
                return self.after_end(host, End::Node(error.to_string()));
            }
            Ok(Err(error)) => return Err(Failure::new("starts again", error.to_string())),
            Err(end) => return self.after_end(host, end),
        };
        let host_state = &mut self.hosts[host];
        host_state.life += 1;
        host_state.stopping = false;
        host_state.leads = None;
        host_state.running = Some(running);
        let life = host_state.life;
        self.note(mix(host as u64) ^ life);
        self.schedule(host, Part::Owner, self.now + 1);
        self.kick(host);
        self.collect(host)
    }

    /// Ends a process; its clients and watchers lose their connections.
    fn end_process(&mut self, host: usize, loss: Loss) {
        let state = &mut self.hosts[host];
        if state.running.is_none() {
            return;
        }
        self.ends += 1;
        let state_random = &mut state.random;
        state.disk.lose(loss, state_random);
        if planted(Bug::ReusedId) && loss == Loss::Power {
            state.disk.restore(&SimDisk::new());
        }
        state.stopping = false;
        self.disconnect(host);
        self.drop_process(host);
        self.note(0xdead ^ host as u64);
    }

    fn drop_process(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        state.life += 1;
        state.paused_until = 0;
        state.leads = None;
        self.snapshots += state.running.take().map_or(0, |running| running.snapshots());
    }

    fn disconnect(&mut self, host: usize) {
        for index in 0..self.clients.len() {
            if self.clients[index].node == host && self.clients[index].doing.is_some() {
                self.finish_call(index, None);
            }
        }
        for watcher in self.watchers.iter_mut().filter(|watcher| watcher.node == host) {
            watcher.leave(&mut self.history);
            watcher.flag.raise();
        }
    }

    fn start_later(&mut self, host: usize, delay: u64) {
        if !self.hosts[host].starting {
            self.hosts[host].starting = true;
            self.at(delay, Event::Start(host));
        }
    }

    fn after_end(&mut self, host: usize, end: End) -> Result<(), Failure> {
        match end {
            End::Node(why) => {
                if !why.contains("simulated") && !why.contains("os error 5") {
                    return Err(Failure::new("no node ends by itself", why));
                }
                let loss = if self.random.chance(50) { Loss::Power } else { Loss::Process };
                let running = self.hosts[host].running.is_some();
                self.end_process(host, loss);
                if !running {
                    let state = &mut self.hosts[host];
                    state.disk.lose(loss, &mut state.random);
                }
                let delay = self.random.within(MILLISECOND..3 * SECOND);
                self.start_later(host, delay);
                Ok(())
            }
            End::Panic(what) => Err(Failure::new("no panic", what)),
        }
    }

    fn schedule(&mut self, host: usize, part: Part, moment: u64) {
        let state = &mut self.hosts[host];
        let moment = moment.max(state.paused_until).max(self.now);
        let life = state.life;
        let Some(running) = &mut state.running else { return };
        let scheduled = running.scheduled(part);
        if *scheduled > moment {
            *scheduled = moment;
            self.at_moment(moment, Event::Turn(host, life, part));
        }
    }

    /// Plans the turns of the parts that have something to do, and sends what was left to be sent.
    fn kick(&mut self, host: usize) {
        for part in Part::ALL {
            let state = &mut self.hosts[host];
            let Some(running) = &state.running else { return };
            if !running.is_due(part) {
                continue;
            }
            let random = &mut state.random;
            let usual = match part {
                Part::Owner | Part::Wake => random.within(1..20),
                Part::State => random.within(5..80),
                Part::Log => random.within(50..600) + state.disk_delay,
                Part::Flush => random.within(500..20_000) + state.disk_delay,
                Part::Tasks => random.within(10..400),
                Part::Snapshot => random.within(100..5_000) + state.disk_delay,
            };
            let unusual = if random.chance(1) { random.within(0..30_000) } else { 0 };
            self.schedule(host, part, self.now + usual + unusual);
        }
        self.send(host);
    }

    fn turn(&mut self, host: usize, life: u64, part: Part) -> Result<(), Failure> {
        let now = self.now;
        let state = &mut self.hosts[host];
        if state.life != life {
            return Ok(());
        }
        if now < state.paused_until {
            let resume = state.paused_until;
            if let Some(running) = &mut state.running {
                *running.scheduled(part) = NEVER_SCHEDULED;
            }
            self.schedule(host, part, resume);
            return Ok(());
        }
        let Some(running) = &mut state.running else { return Ok(()) };
        if *running.scheduled(part) != now {
            return Ok(());
        }
        *running.scheduled(part) = NEVER_SCHEDULED;
        state.clock.set(now);
        let next = catch(host, || running.turn(part));
        self.note(now ^ mix(host as u64 * 8 + part as u64));
        let next = match next {
            Ok(next) => next,
            Err(end) => {
                self.collect(host)?;
                return self.after_end(host, end);
            }
        };
        if let Next::At(local) = next {
            let moment = self.hosts[host].clock.world_at(local);
            self.schedule(host, part, moment);
        }
        match part {
            Part::State => self.collect(host)?,
            Part::Owner => self.observe(host),
            _ => {}
        }
        self.kick(host);
        self.finish_stop(host);
        Ok(())
    }

    fn finish_stop(&mut self, host: usize) {
        let stopped = self.hosts[host].running.as_ref().is_some_and(Running::is_stopped);
        if stopped && self.hosts[host].stopping {
            self.end_process(host, Loss::Process);
            let delay = self.random.within(MILLISECOND..SECOND);
            self.start_later(host, delay);
        }
    }

    /// Takes in what a node recorded.
    fn collect(&mut self, host: usize) -> Result<(), Failure> {
        for written in self.hosts[host].disk.take_written() {
            for (revision, value) in written.records {
                self.truth.record(revision, &value)?;
            }
            let meta = Meta::decode(&written.meta)
                .map_err(|error| Failure::new("equal state", format!("meta: {error}")))?;
            self.truth.meta(meta.applied, written.meta.to_vec())?;
        }
        Ok(())
    }

    /// Sees whether a node has begun a leader's duties.
    fn observe(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        let Some(running) = &state.running else { return };
        let leadership = *running.shared.leadership.borrow();
        let leads = leadership.leads.then_some(leadership.term);
        if leads == state.leads {
            return;
        }
        state.leads = leads;
        if let Some(term) = leads {
            let revision = running.store.state().revision;
            self.history.duties.entry(term).or_insert(revision);
            self.loops.push((host, term));
            self.note(term);
        }
    }

    fn send(&mut self, host: usize) {
        let Some(running) = &self.hosts[host].running else { return };
        for frame in running.outbox.take() {
            let Some(to) = self.by_id.get(&frame.to()).copied() else { continue };
            let deliveries = self.network.deliveries(host, to, &mut self.network_random);
            if deliveries.is_empty() {
                continue;
            }
            let bytes = frame.encode();
            for delay in deliveries {
                self.at(delay, Event::Deliver(to, bytes.clone()));
            }
        }
    }

    fn deliver(&mut self, to: usize, bytes: &[u8]) -> Result<(), Failure> {
        let Some(running) = &self.hosts[to].running else { return Ok(()) };
        let broken = |error| Failure::new("frames decode", format!("{error}"));
        let Some((header, body)) = bytes.split_first_chunk::<FRAME_HEADER_LENGTH>() else { return Ok(()) };
        let frame = FrameHeader::decode(header).and_then(|header| PeerFrame::decode(header, body));
        // A frame that comes too late is refused; that is its right.
        let _ = running.store.receive(frame.map_err(broken)?);
        self.kick(to);
        Ok(())
    }

    // Clients.

    /// Plans the next step of every client and watcher that was woken.
    fn wake_all(&mut self) {
        for index in 0..self.clients.len() {
            if self.clients[index].flag.take() {
                let delay = self.clients[index].random.within(1..30);
                self.at(delay, Event::Client(index));
            }
        }
        for index in 0..self.watchers.len() {
            if self.watchers[index].flag.take() {
                let pace = self.watchers[index].pace;
                let delay = self.watchers[index].random.within(1..pace);
                self.at(delay, Event::Watcher(index));
            }
        }
    }

    fn client(&mut self, index: usize) -> Result<(), Failure> {
        if self.clients[index].doing.is_none() {
            if !self.begin_call(index) {
                let delay = self.clients[index].random.within(MILLISECOND..50 * MILLISECOND);
                self.at(delay, Event::Client(index));
                return Ok(());
            }
        } else if self.clients[index].random.chance(1) {
            // It gives up, as a client with a timeout does.
            self.finish_call(index, None);
            return Ok(());
        }
        let host = self.clients[index].node;
        let paused_until = self.hosts[host].paused_until;
        if paused_until > self.now {
            self.at_moment(paused_until, Event::Client(index));
            return Ok(());
        }
        self.hosts[host].clock.set(self.now);
        let Client { doing, flag, .. } = &mut self.clients[index];
        let Some(doing) = doing else { return Ok(()) };
        match catch(host, || poll(&mut doing.call, flag)) {
            Ok(Poll::Ready(done)) => self.finish_call(index, Some(done)),
            Ok(Poll::Pending) => {}
            Err(end) => return self.after_end(host, end),
        }
        self.kick(host);
        Ok(())
    }

    fn finish_call(&mut self, index: usize, done: Option<crate::sim::client::Done>) {
        let trace = self.clients[index].finish(done, &mut self.history);
        self.note(trace ^ mix(index as u64));
        let think = self.plan.think;
        let delay = self.clients[index].random.within(10..think);
        self.at(delay, Event::Client(index));
    }

    /// Begins a call on some node; false when none is there for this client.
    fn begin_call(&mut self, index: usize) -> bool {
        let members = if self.healing { self.member_hosts() } else { Vec::new() };
        let client = &mut self.clients[index];
        let nodes = self.hosts.len() as u64;
        if client.random.chance(20) {
            client.node = client.random.within(0..nodes) as usize;
        }
        let mut fence = None;
        if client.random.chance(8)
            && let Some((host, term)) = self.loops.iter().rev().nth(client.random.within(0..3) as usize)
        {
            client.node = *host;
            fence = Some(*term);
        }
        let host = &self.hosts[client.node];
        if host.paused_until > self.now {
            return false;
        }
        // A load balancer knows no node that has never had a state, nor in the end one that is no member.
        let serves = |running: &&Running| {
            !host.stopping
                && running.shared.applied.reached() > 0
                && (members.is_empty() || members.contains(&client.node))
        };
        let Some(running) = host.running.as_ref().filter(serves) else {
            client.node = client.random.within(0..nodes) as usize;
            return false;
        };
        host.clock.set(self.now);
        client.begin(&running.store, fence, self.plan.compacts, &self.history);
        true
    }

    fn watcher(&mut self, index: usize) -> Result<(), Failure> {
        let watcher = &mut self.watchers[index];
        let nodes = self.hosts.len() as u64;
        if watcher.random.chance(2) {
            watcher.leave(&mut self.history);
            watcher.node = watcher.random.within(0..nodes) as usize;
        }
        let host = watcher.node;
        let paused_until = self.hosts[host].paused_until;
        if paused_until > self.now {
            self.at_moment(paused_until, Event::Watcher(index));
            return Ok(());
        }
        let Some(running) = &self.hosts[host].running else {
            watcher.node = watcher.random.within(0..nodes) as usize;
            let delay = watcher.random.within(MILLISECOND..50 * MILLISECOND);
            self.at(delay, Event::Watcher(index));
            return Ok(());
        };
        self.hosts[host].clock.set(self.now);
        let history = &mut self.history;
        let trace = match catch(host, || watcher.look(&running.store, history)) {
            Ok(trace) => trace?,
            Err(end) => return self.after_end(host, end),
        };
        self.note(trace);
        self.kick(host);
        Ok(())
    }

    // Faults.

    fn fault(&mut self) {
        let Some(fault) = self.random.pick(&self.plan.faults).copied() else { return };
        let host = self.random.within(0..self.hosts.len() as u64) as usize;
        let short = self.random.within(MILLISECOND..3 * SECOND);
        self.note(0xfa ^ fault as u64);
        match fault {
            Fault::EndProcess | Fault::CutPower => {
                let loss = if fault == Fault::CutPower { Loss::Power } else { Loss::Process };
                self.end_process(host, loss);
                self.start_later(host, short);
            }
            Fault::CutAllPower => {
                for host in 0..self.hosts.len() {
                    self.end_process(host, Loss::Power);
                    let delay = self.random.within(MILLISECOND..SECOND);
                    self.start_later(host, delay);
                }
            }
            Fault::StopGracefully => self.stop(host),
            Fault::Pause => self.pause(host, short),
            Fault::Stall => {
                // One part of a process gets no turn for a while.
                let part = self.random.pick(&Part::ALL).copied().unwrap_or(Part::Owner);
                if let Some(running) = &mut self.hosts[host].running {
                    *running.scheduled(part) = NEVER_SCHEDULED;
                }
                self.schedule(host, part, self.now + short);
            }
            Fault::Isolate | Fault::IsolateOneWay => {
                let outward = self.random.chance(50);
                for other in (0..self.hosts.len()).filter(|other| *other != host) {
                    if fault == Fault::Isolate || outward {
                        self.network.cut.insert((host, other));
                    }
                    if fault == Fault::Isolate || !outward {
                        self.network.cut.insert((other, host));
                    }
                }
                self.at(short, Event::Heal(fault));
            }
            Fault::CutOneDirection | Fault::CutOnePair => {
                let other = (host + 1 + self.random.within(0..self.hosts.len() as u64 - 1) as usize)
                    % self.hosts.len();
                self.network.cut.insert((host, other));
                if fault == Fault::CutOnePair {
                    self.network.cut.insert((other, host));
                }
                self.at(short, Event::Heal(fault));
            }
            Fault::Lossy => {
                self.network.loss_percent = self.random.within(1..40);
                self.network.repeat_percent = self.random.within(0..40);
                self.network.late_percent = self.random.within(0..30);
                self.network.late = self.random.within(MILLISECOND..2 * SECOND);
                self.at(short, Event::Heal(fault));
            }
            Fault::Slow => {
                self.network.delay = self.random.within(MILLISECOND..200 * MILLISECOND);
                self.at(short, Event::Heal(fault));
            }
            Fault::SlowDisk => {
                self.hosts[host].disk_delay = self.random.within(MILLISECOND..SECOND);
                self.at(short, Event::Heal(fault));
            }
            Fault::DiskTrouble | Fault::DiskFails => {
                let trouble = match self.random.within(0..2) {
                    _ if fault == Fault::DiskFails => Trouble::Fail,
                    0 => Trouble::EndBefore,
                    _ => Trouble::EndAfter,
                };
                let after = self.random.within(0..20);
                self.hosts[host].disk.trouble(after, trouble);
            }
            Fault::Damage => self.damage(host),
            Fault::ChangeMembers => self.change_members(),
            Fault::HandOver => {
                if let Some(running) = &self.hosts[host].running {
                    running.store.hand_over(None);
                    self.kick(host);
                }
            }
            Fault::LoseDisk => self.lose_disk(host),
        }
    }

    /// The host that leads and what it knows of the members.
    fn leader(&self) -> Option<(usize, Vec<Member>)> {
        let leads =
            |host: &&usize| self.hosts[**host].leads.is_some() && self.hosts[**host].paused_until <= self.now;
        let hosts: Vec<usize> = (0..self.hosts.len()).collect();
        let leader = *hosts.iter().find(leads)?;
        Some((leader, self.hosts[leader].running.as_ref()?.store.members()))
    }

    /// Asks the leader for some change of membership.
    fn change_members(&mut self) {
        let Some((leader, members)) = self.leader() else { return };
        let own = self.hosts[leader].identity.node;
        let learner = members.iter().find(|member| member.role == MemberRole::Learner);
        let voters: Vec<u64> = members
            .iter()
            .filter(|member| member.role == MemberRole::Voter && member.node != own)
            .map(|member| member.node)
            .collect();
        let spare = self.hosts.iter().find(|host| {
            host.running.is_some() && members.iter().all(|member| member.node != host.identity.node)
        });
        let change = match (learner, spare) {
            (Some(learner), _) => {
                let replaces = self.random.chance(70).then(|| self.random.pick(&voters).copied()).flatten();
                MemberChange::Promote { node: learner.node, replaces }
            }
            (None, Some(spare)) => {
                MemberChange::Add { node: spare.identity.node, address: "simulated".to_owned() }
            }
            (None, None) if voters.len() >= self.plan.nodes => {
                let Some(node) = self.random.pick(&voters) else { return };
                MemberChange::Remove { node: *node }
            }
            (None, None) => return,
        };
        let Some(running) = &self.hosts[leader].running else { return };
        // Nobody waits for the answer: the members show it.
        let (reply, _) = tokio::sync::oneshot::channel();
        running.shared.owner.push(OwnerEvent::ChangeMembers(change, reply));
        self.changes += 1;
        self.kick(leader);
    }

    /// A host that is no member loses its disk and comes back under a new id, to be taken in again.
    fn lose_disk(&mut self, host: usize) {
        let Some((_, members)) = self.leader() else { return };
        let old = self.hosts[host].identity.node;
        if members.iter().any(|member| member.node == old) {
            return;
        }
        self.end_process(host, Loss::Power);
        let node = (self.random.next() >> 1).max(1);
        self.by_id.insert(node, host);
        let state = &mut self.hosts[host];
        state.identity.node = node;
        state.disk.restore(&SimDisk::new());
        state.disk.take_written();
        if self.create(host, false).is_ok() {
            self.start_later(host, MILLISECOND);
        }
    }

    fn stop(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        if let Some(running) = &state.running
            && !state.stopping
        {
            state.stopping = true;
            running.shared.owner.push(OwnerEvent::Stop);
            self.kick(host);
        }
    }

    fn pause(&mut self, host: usize, length: u64) {
        self.hosts[host].paused_until = self.now + length;
        self.at(length, Event::Resume(host));
    }

    /// Damages the log of a node that ended: it must notice and refuse to start. Then the damage is undone, as if the
    /// disk had been replaced by a copy.
    fn damage(&mut self, host: usize) {
        if self.hosts[host].running.is_none() {
            // After a power cut the watermark is only a lower bound.
            return;
        }
        self.end_process(host, Loss::Process);
        let options = self.options(host);
        let Host { disk, identity, random, .. } = &mut self.hosts[host];
        let copy = disk.copy();
        if disk.damage(random) {
            let started = catch(host, || Running::start(options, *identity, disk, 0));
            if !matches!(started, Ok(Err(_))) && !planted(Bug::NoFsync) {
                self.damage_unnoticed = true;
            }
            disk.restore(&copy);
            disk.take_written();
        }
        let delay = self.random.within(MILLISECOND..SECOND);
        self.start_later(host, delay);
    }

    fn heal_fault(&mut self, fault: Fault) {
        match fault {
            Fault::Lossy => {
                self.network.loss_percent = 0;
                self.network.repeat_percent = 0;
                self.network.late_percent = 0;
            }
            Fault::Slow => self.network.delay = Network::healthy().delay,
            Fault::SlowDisk => self.hosts.iter_mut().for_each(|host| host.disk_delay = 0),
            _ => self.network.cut.clear(),
        }
    }

    // The end.

    /// Undoes every fault and waits until every node serves and all are equal.
    fn heal(&mut self) -> Result<(), Failure> {
        self.healing = true;
        self.network = Network::healthy();
        for host in 0..self.hosts.len() {
            let state = &mut self.hosts[host];
            state.disk_delay = 0;
            state.paused_until = state.paused_until.min(self.now);
            state.disk.clear_trouble();
            if state.running.is_none() {
                self.start_later(host, 10 * MILLISECOND);
            }
            self.kick(host);
            self.schedule(host, Part::Owner, self.now + 1);
        }
        let began = self.now;
        let mut writes = self.history.writes.len();
        let mut reads = self.history.reads.len();
        let mut rounds = 0;
        while rounds < 3 {
            let until = self.now + SECOND;
            while self.now < until {
                self.step()?;
            }
            let acknowledged = self.history.writes[writes..]
                .iter()
                .any(|seen| matches!(seen.answer, Answer::Applied { .. }));
            let read = self.history.reads.len() > reads;
            writes = self.history.writes.len();
            reads = self.history.reads.len();
            rounds = if acknowledged && read { rounds + 1 } else { 0 };
            if self.now - began > HEALING {
                return Err(Failure::new("progress after healing", self.describe_nodes()));
            }
        }
        Ok(())
    }

    /// Every node must take a write again.
    fn probe(&mut self) -> Result<(), Failure> {
        for host in self.member_hosts() {
            let mut probe = Client::new(self.plan.clients + host, host, self.random.fork());
            let began = self.now;
            loop {
                if self.now - began > HEALING {
                    return Err(Failure::new("progress after healing", self.describe_nodes()));
                }
                let clock_now = self.now;
                if probe.doing.is_none()
                    && let Some(running) = &self.hosts[host].running
                {
                    self.hosts[host].clock.set(clock_now);
                    probe.begin_put(&running.store, &self.history);
                }
                if let Some(doing) = &mut probe.doing
                    && let Ok(Poll::Ready(done)) = catch(host, || poll(&mut doing.call, &probe.flag))
                {
                    probe.finish(Some(done), &mut self.history);
                    let last = self.history.writes.last();
                    if last.is_some_and(|seen| matches!(seen.answer, Answer::Applied { .. })) {
                        break;
                    }
                }
                self.kick(host);
                let until = self.now + 10 * MILLISECOND;
                while self.now < until {
                    self.step()?;
                }
            }
        }
        Ok(())
    }

    /// The hosts that are members, as far as the leader knows.
    fn member_hosts(&self) -> Vec<usize> {
        let Some((_, members)) = self.leader() else { return Vec::new() };
        let is_member =
            |host: &usize| members.iter().any(|member| member.node == self.hosts[*host].identity.node);
        (0..self.hosts.len()).filter(is_member).collect()
    }

    fn describe_nodes(&self) -> String {
        let lines = self.hosts.iter().map(|host| match &host.running {
            Some(running) => {
                let status = running.store.status();
                format!(
                    "{:x}: leader {:x} term {} commit {} applied {} revision {}",
                    status.node,
                    status.leader,
                    status.term,
                    status.commit_index,
                    status.applied_index,
                    status.revision
                )
            }
            None => format!("{:x}: down", host.identity.node),
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    /// Lets clients finish, waits until all nodes are equal, cuts the power of all, and looks again.
    fn end(&mut self) -> Result<(), Failure> {
        for index in 0..self.clients.len() {
            self.finish_call(index, None);
        }
        self.clients.clear();
        for index in 0..self.watchers.len() {
            self.watchers[index].leave(&mut self.history);
        }
        self.watchers.clear();
        self.due.retain(|_, event| !matches!(event, Event::Client(_) | Event::Watcher(_)));
        self.probe()?;
        self.settle()?;
        self.compare()?;
        for host in 0..self.hosts.len() {
            self.end_process(host, Loss::Power);
            self.start(host)?;
        }
        self.settle()?;
        self.compare()
    }

    /// Waits until all nodes have applied the same.
    fn settle(&mut self) -> Result<(), Failure> {
        let began = self.now;
        loop {
            let until = self.now + SECOND;
            while self.now < until {
                self.step()?;
            }
            let status = |host: &Host| {
                let running = host.running.as_ref()?;
                let status = running.store.status();
                let settled = status.commit_index == status.applied_index
                    && status.leader != 0
                    && running.shared.recorded.reached() == status.revision;
                settled.then_some((status.applied_index, status.leader))
            };
            let members = self.member_hosts();
            let all: Vec<_> = members.iter().map(|host| status(&self.hosts[*host])).collect();
            if all.first().is_some_and(Option::is_some) && all.iter().all(|status| *status == all[0]) {
                return Ok(());
            }
            if self.now - began > HEALING {
                return Err(Failure::new("progress after healing", self.describe_nodes()));
            }
        }
    }

    /// All nodes must show what the records say.
    fn compare(&mut self) -> Result<(), Failure> {
        if self.damage_unnoticed {
            return Err(Failure::new("damage noticed", "a node started on a damaged log"));
        }
        let mut expected = BTreeMap::new();
        for (revision, record) in &self.truth.records {
            match &record.entry {
                Some(entry) => expected.insert(record.key.as_str(), (*revision, entry.bytes().clone())),
                None => expected.remove(record.key.as_str()),
            };
        }
        for host in self.member_hosts() {
            let host = &self.hosts[host];
            let Some(running) = &host.running else { continue };
            let state = running.store.state();
            if state.revision < self.truth.newest() {
                let what = format!(
                    "node {:x} ends at revision {}, but {} was recorded",
                    host.identity.node,
                    state.revision,
                    self.truth.newest()
                );
                return Err(Failure::new("acknowledged writes present", what));
            }
            let shown = state.buckets().flat_map(|bucket| state.range(bucket.name(), None));
            let shown: BTreeMap<_, _> =
                shown.map(|entry| (entry.key.as_str(), (entry.modified, entry.bytes().clone()))).collect();
            if shown != expected {
                let what = format!("node {:x} does not hold what was recorded", host.identity.node);
                return Err(Failure::new("equal state", what));
            }
        }
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
