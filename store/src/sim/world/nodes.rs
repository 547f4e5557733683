//! Nodes: their processes start, take turns, exchange frames and end.

use super::*;
use std::sync::atomic::Ordering;

impl World {
    pub(super) fn start(&mut self, host: usize) -> Result<(), Failure> {
        self.hosts[host].starting = false;
        if self.hosts[host].running.is_some() {
            return Ok(());
        }
        if self.hosts[host].random.chance(30) {
            // Started with a newer release.
            self.hosts[host].level_max = u64::MAX;
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
            Ok(Err(error)) if error.to_string().contains("os error 28") => {
                // Whoever starts processes tries again until there is room.
                self.start_later(host, SECOND / 2);
                return Ok(());
            }
            Ok(Err(error)) => return Err(Failure::new("starts again", error.to_string())),
            Err(end) => return self.after_end(host, end),
        };
        if self.hosts[host].distrusted && !running.shared.awaits_state.load(Ordering::SeqCst) {
            let what = format!("host {host} serves the state that the others have outvoted");
            return Err(Failure::new("outvoted states stay out", what));
        }
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
    pub(super) fn end_process(&mut self, host: usize, loss: Loss) {
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
        if loss == Loss::Process {
            self.spread_end(host);
        }
        self.note(0xdead ^ host as u64);
    }

    /// The others see that a process has ended: most of them at once, some late, when it may run again, some not at all.
    fn spread_end(&mut self, host: usize) {
        let node = self.hosts[host].identity.node;
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            let random = &mut self.network_random;
            let delay = match random.within(0..10) {
                0 => continue,
                1 => random.within(MILLISECOND..SECOND),
                _ => random.within(100..20 * MILLISECOND),
            };
            if !self.network.is_cut(host, other) {
                self.at(delay, Event::Ended(other, node));
            }
        }
    }

    pub(super) fn tell_ended(&mut self, host: usize, node: u64) {
        if let Some(running) = &self.hosts[host].running {
            running.store.report_ended(node);
            self.kick(host);
        }
    }

    pub(super) fn drop_process(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        state.life += 1;
        state.paused_until = 0;
        state.leads = None;
        (state.stalled_until, state.waits_since) = (0, None);
        state.distrusted = state.running.as_ref().is_some_and(Running::has_distrusted);
        if let Some(running) = state.running.take() {
            self.snapshots += running.snapshots();
            self.resumed += running.resumed();
        }
    }

    pub(super) fn disconnect(&mut self, host: usize) {
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

    pub(super) fn start_later(&mut self, host: usize, delay: u64) {
        if !self.hosts[host].starting {
            self.hosts[host].starting = true;
            self.at(delay, Event::Start(host));
        }
    }

    pub(super) fn after_end(&mut self, host: usize, end: End) -> Result<(), Failure> {
        match end {
            End::Node(why) => {
                let stalled = why.contains("has not taken a write") && self.hosts[host].stalled_until > 0;
                if !why.contains("simulated") && !why.contains("os error 5") && !stalled {
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

    pub(super) fn schedule(&mut self, host: usize, part: Part, moment: u64) {
        let state = &mut self.hosts[host];
        let stalled_until = if part == Part::Log { state.stalled_until } else { 0 };
        let moment = moment.max(state.paused_until).max(stalled_until).max(self.now);
        let life = state.life;
        let Some(running) = &mut state.running else { return };
        let scheduled = running.scheduled(part);
        if *scheduled > moment {
            *scheduled = moment;
            self.at_moment(moment, Event::Turn(host, life, part));
        }
    }

    /// Plans the turns of the parts that have something to do, and sends what was left to be sent.
    pub(super) fn kick(&mut self, host: usize) {
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

    pub(super) fn turn(&mut self, host: usize, life: u64, part: Part) -> Result<(), Failure> {
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
            Part::Owner => {
                self.observe(host)?;
                self.look_for_patience(host)?;
            }
            Part::Log => self.hosts[host].waits_since = None,
            _ => {}
        }
        self.kick(host);
        self.finish_stop(host);
        Ok(())
    }

    /// A process whose disk takes nothing must end.
    fn look_for_patience(&mut self, host: usize) -> Result<(), Failure> {
        let now = self.now;
        let state = &mut self.hosts[host];
        let waits = state.running.as_ref().is_some_and(Running::waits_for_log);
        let since = *state.waits_since.get_or_insert(now);
        if !waits || now >= state.stalled_until {
            state.waits_since = None;
        } else if now > since + 23 * SECOND {
            let what = format!("host {host} has waited for its disk for {} s", (now - since) / SECOND);
            return Err(Failure::new("stalled disks end processes", what));
        }
        Ok(())
    }

    pub(super) fn finish_stop(&mut self, host: usize) {
        let stopped = self.hosts[host].running.as_ref().is_some_and(Running::is_stopped);
        if stopped && self.hosts[host].stopping {
            self.end_process(host, Loss::Process);
            let delay = self.random.within(MILLISECOND..SECOND);
            self.start_later(host, delay);
        }
    }

    /// Takes in what a node recorded.
    pub(super) fn collect(&mut self, host: usize) -> Result<(), Failure> {
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

    /// Sees whether a node leads, and whether it has begun a leader's duties. A term has one leader.
    pub(super) fn observe(&mut self, host: usize) -> Result<(), Failure> {
        let state = &mut self.hosts[host];
        let Some(running) = &state.running else { return Ok(()) };
        let replica = *running.shared.replica.lock();
        if replica.leads {
            let node = state.identity.node;
            let first = *self.leaders.entry(replica.term).or_insert(node);
            if first != node {
                let what = format!("{first:x} and {node:x} both led in term {}", replica.term);
                return Err(Failure::new("one leader per term", what));
            }
            let is_new = self.led.is_none_or(|term| term < replica.term);
            if is_new && self.led.is_some() && self.plan.is_calm() && !self.healing {
                let what = format!("{node:x} leads in term {} although nothing has happened", replica.term);
                return Err(Failure::new("leaders that are heard stay", what));
            }
            if is_new {
                self.led = Some(replica.term);
            }
        }
        let leadership = *running.shared.leadership.borrow();
        let leads = leadership.leads.then_some(leadership.term);
        if leads == state.leads {
            return Ok(());
        }
        state.leads = leads;
        if let Some(term) = leads {
            let revision = running.store.state().revision;
            self.history.duties.entry(term).or_insert(revision);
            self.loops.push((host, term));
            self.note(term);
        }
        Ok(())
    }

    pub(super) fn send(&mut self, host: usize) {
        let Some(running) = &self.hosts[host].running else { return };
        let frames = running.outbox.take();
        let life = self.hosts[host].life;
        if self.cuts_voters && frames.iter().any(PeerFrame::gives_vote) && self.random.chance(60) {
            // Before anything else happens here.
            self.at(1, Event::VoteGiven(host, life));
        }
        for frame in frames {
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

    pub(super) fn deliver(&mut self, to: usize, bytes: &[u8]) -> Result<(), Failure> {
        let Some(running) = &self.hosts[to].running else { return Ok(()) };
        let broken = |error| Failure::new("frames decode", format!("{error}"));
        let Some((header, body)) = bytes.split_first_chunk::<FRAME_HEADER_LENGTH>() else { return Ok(()) };
        let frame = FrameHeader::decode(header).and_then(|header| PeerFrame::decode(header, body));
        // A frame that comes too late is refused; that is its right.
        let _ = running.store.receive(frame.map_err(broken)?);
        self.kick(to);
        Ok(())
    }
}
