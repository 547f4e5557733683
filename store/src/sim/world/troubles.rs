//! What goes wrong, and how it is undone.

use super::*;
use crate::asks::Wish;
use crate::level::KEEPS_REMOVED;
use crate::sim::disk::PLENTY;
use std::sync::atomic::Ordering;

impl World {
    pub(super) fn fault(&mut self) {
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
                if part == Part::Owner {
                    // It counts its own ticks.
                    self.hosts[host].waits_since = None;
                }
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
            Fault::DamageState => self.damage_state(host),
            Fault::ChangeMembers => self.change_members(),
            Fault::HandOver => {
                self.ask(host, Wish::HandOver(None));
            }
            Fault::LoseDisk => self.lose_disk(host),
            Fault::FlipMemory if !self.flipped => {
                let bit = self.random.next();
                if let Some(running) = &mut self.hosts[host].running {
                    running.flip_memory(bit);
                    self.flipped = true;
                }
            }
            // Two wrong nodes of three would have no majority against them.
            Fault::FlipMemory => {}
            Fault::FarHost => {
                let away = self.random.within(self.election() / 3..self.election() * 2);
                self.network.far.insert(host, away);
                self.at(short, Event::Heal(fault));
            }
            Fault::CrashLoop => {
                let away = self.random.within(MILLISECOND..self.election());
                self.network.far.insert(host, away);
                self.hosts[host].ends_left = self.random.within(2..7);
                self.end_again(host);
                self.at(3 * SECOND, Event::Heal(fault));
            }
            Fault::PowerAtVote => {
                self.cuts_voters = true;
                self.network.delay = self.random.within(self.election() / 8..self.election());
                let leader = self.leader().map_or(host, |(leader, _)| leader);
                self.pause(leader, short + self.election());
                self.at(short, Event::Heal(fault));
            }
            Fault::StallDisk => {
                self.hosts[host].stalled_until = self.now + self.random.within(15..40) * SECOND;
                if let Some(running) = &mut self.hosts[host].running {
                    *running.scheduled(Part::Log) = NEVER_SCHEDULED;
                }
                self.schedule(host, Part::Log, self.now);
            }
            Fault::FalseEnds => {
                // A majority that is wrong at the same time may well elect another leader; one node must not.
                let host =
                    if self.plan.is_calm() { self.plan.seed as usize % self.hosts.len() } else { host };
                for _ in 0..self.random.within(1..10) {
                    let other = self.random.within(0..self.hosts.len() as u64) as usize;
                    let node = self.hosts[other].identity.node;
                    let delay = self.random.within(1..short);
                    self.at(delay, Event::Ended(host, node));
                }
            }
            Fault::EndReceivers => {
                for host in 0..self.hosts.len() {
                    if self.hosts[host].running.as_ref().is_some_and(Running::receives_snapshot) {
                        self.end_process(host, Loss::Process);
                        let away = self.random.within(1..5 * MILLISECOND);
                        self.start_later(host, away);
                    }
                }
            }
            Fault::FillDisk => {
                // Some room below the reserve, or none.
                let free = if self.random.chance(50) { 0 } else { self.random.within(0..200 << 20) };
                self.hosts[host].disk.set_free(free);
                self.kick(host);
                self.at(short, Event::Heal(fault));
            }
        }
    }

    /// The least election timeout, in microseconds.
    fn election(&self) -> u64 {
        self.plan.tick * self.options(0).election_ticks as u64
    }

    /// Ends a process that is to end several times in a row, and starts it again at once.
    pub(super) fn end_again(&mut self, host: usize) {
        if self.hosts[host].ends_left == 0 || self.healing {
            return;
        }
        self.hosts[host].ends_left -= 1;
        self.end_process(host, Loss::Process);
        let away = self.random.within(1..5 * MILLISECOND);
        self.start_later(host, away);
        let life = self.random.within(10 * MILLISECOND..4 * self.election());
        self.at(away + life, Event::EndAgain(host));
    }

    /// Cuts the power of a host that has just given its vote; it is back before the other candidates have given up.
    pub(super) fn cut_voter(&mut self, host: usize, life: u64) {
        if self.hosts[host].life == life && !self.healing {
            self.end_process(host, Loss::Power);
            let delay = self.random.within(1..5 * MILLISECOND);
            self.start_later(host, delay);
        }
    }

    /// The host that leads and what it knows of the members.
    pub(super) fn leader(&self) -> Option<(usize, Vec<Member>)> {
        let leads =
            |host: &&usize| self.hosts[**host].leads.is_some() && self.hosts[**host].paused_until <= self.now;
        let hosts: Vec<usize> = (0..self.hosts.len()).collect();
        let leader = *hosts.iter().find(leads)?;
        Some((leader, self.hosts[leader].running.as_ref()?.store.members()))
    }

    /// Asks the leader for some change of membership.
    pub(super) fn change_members(&mut self) {
        let Some((leader, members)) = self.leader() else { return };
        let own = self.hosts[leader].identity.node;
        let learner = members.iter().find(|member| member.role == MemberRole::Learner);
        let mut voters = voters(&members);
        voters.retain(|node| *node != own);
        let is_spare = |host: &Host| {
            host.running.is_some() && members.iter().all(|member| member.node != host.identity.node)
        };
        let spare = self.hosts.iter().position(is_spare);
        let spare = spare.map(|host| (host, self.hosts[host].identity.node));
        let change = match (learner, spare) {
            (Some(learner), _) => {
                let replaces = self.random.chance(70).then(|| self.random.pick(&voters).copied()).flatten();
                MemberChange::Promote { node: learner.node, replaces }
            }
            (None, Some((spare, node))) if self.gone.contains(&node) && self.random.chance(70) => {
                // Removed for good: it comes back as another node.
                self.end_process(spare, Loss::Power);
                self.begin_anew(spare);
                return;
            }
            (None, Some((_, node))) => MemberChange::Add { node, address: "simulated".to_owned() },
            (None, None) if voters.len() >= self.plan.nodes => {
                let Some(node) = self.random.pick(&voters) else { return };
                MemberChange::Remove { node: *node }
            }
            (None, None) => return,
        };
        // Any node takes it to the leader.
        let any = self.random.within(0..self.hosts.len() as u64) as usize;
        let host = if self.random.chance(50) { leader } else { any };
        self.ask(host, Wish::Change(change));
        self.changes += 1;
    }

    /// Whoever was removed is never a member again.
    pub(super) fn watch_members(&mut self) -> Result<(), Failure> {
        // An earlier leader may still show what was once.
        let newest = self
            .hosts
            .iter()
            .filter_map(|host| Some((host.leads?, host.running.as_ref()?)))
            .max_by_key(|(term, _)| *term);
        let Some((term, running)) = newest.filter(|(term, _)| *term >= self.seen_members.0) else {
            return Ok(());
        };
        let level = running.store.status().cluster_level;
        let members: BTreeSet<u64> = running.store.members().into_iter().map(|member| member.node).collect();
        if let Some(back) = members.intersection(&self.gone).next() {
            return Err(Failure::new(
                "ids are used once",
                format!("{back:x} was removed and is a member again"),
            ));
        }
        self.gone.extend(self.seen_members.1.difference(&members));
        self.seen_members = (term, if level >= KEEPS_REMOVED { members } else { BTreeSet::new() });
        Ok(())
    }

    fn ask(&mut self, host: usize, wish: Wish) {
        let Some(running) = &self.hosts[host].running else { return };
        // Nobody waits for the answer: the members show it.
        let (reply, _) = tokio::sync::oneshot::channel();
        running.shared.owner.push(OwnerEvent::Wish(wish, reply));
        self.kick(host);
    }

    /// A host that is no member loses its disk and comes back under a new id, to be taken in again.
    pub(super) fn lose_disk(&mut self, host: usize) {
        let Some((_, members)) = self.leader() else { return };
        let old = self.hosts[host].identity.node;
        if members.iter().any(|member| member.node == old) {
            return;
        }
        self.end_process(host, Loss::Power);
        self.begin_anew(host);
    }

    pub(super) fn stop(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        if let Some(running) = &state.running
            && !state.stopping
        {
            state.stopping = true;
            running.shared.owner.push(OwnerEvent::Stop);
            self.kick(host);
        }
    }

    pub(super) fn pause(&mut self, host: usize, length: u64) {
        self.hosts[host].paused_until = self.now + length;
        self.hosts[host].waits_since = None;
        self.at(length, Event::Resume(host));
    }

    /// Damages the log of a node that ended: it must notice and refuse to start. Then the damage is undone, as if the
    /// disk had been replaced by a copy, or the host joins again in place of the old node.
    pub(super) fn damage(&mut self, host: usize) {
        if self.hosts[host].running.is_none() {
            // After a power cut the watermark is only a lower bound.
            return;
        }
        self.end_process(host, Loss::Process);
        let options = self.options(host);
        let Host { disk, identity, random, .. } = &mut self.hosts[host];
        let copy = disk.copy();
        if disk.damage(random) {
            let node = identity.node;
            let started = catch(host, || Running::start(options, *identity, disk, 0));
            let noticed = match &started {
                Ok(Err(error)) => error.must_rejoin() == Some(node),
                _ => false,
            };
            if !noticed && !planted(Bug::NoFsync) {
                self.damage_unnoticed = true;
            }
            if self.random.chance(50) && self.rejoin(host) {
                return;
            }
            self.hosts[host].disk.restore(&copy);
            self.hosts[host].disk.take_written();
        }
        let delay = self.random.within(MILLISECOND..SECOND);
        self.start_later(host, delay);
    }

    /// Begins anew on an empty disk under a new id, to take the place of the old node; one node at a time.
    fn rejoin(&mut self, host: usize) -> bool {
        let old = self.hosts[host].identity.node;
        let Some((_, members)) = self.leader() else { return false };
        let voters = voters(&members);
        let votes = voters.contains(&old);
        // A disk whose loss takes the majority away is nothing that a cluster comes back from.
        let is_left =
            |node: &&u64| **node != old && self.hosts.iter().any(|host| host.identity.node == **node);
        let majority_is_left = voters.iter().filter(is_left).count() * 2 > voters.len();
        if !votes || !majority_is_left || self.lost.is_some() || !self.begin_anew(host) {
            return false;
        }
        self.lost = Some((old, host));
        true
    }

    fn begin_anew(&mut self, host: usize) -> bool {
        let node = (self.random.next() >> 1).max(1);
        self.by_id.insert(node, host);
        let state = &mut self.hosts[host];
        state.identity.node = node;
        state.distrusted = false;
        state.disk.restore(&SimDisk::new());
        state.disk.set_free(PLENTY);
        state.disk.take_written();
        let created = self.create(host, false).is_ok();
        if created {
            self.start_later(host, MILLISECOND);
        }
        created
    }

    /// A member that is no host any more: it lost its disk just as it was taken in.
    pub(super) fn orphan(&self, members: &[Member]) -> Option<u64> {
        let is_host = |node| self.hosts.iter().any(|host| host.identity.node == node);
        members.iter().map(|member| member.node).find(|node| !is_host(*node))
    }

    /// Takes the next step towards replacing the member that was lost.
    pub(super) fn replace_lost(&mut self) {
        let Some((leader, members)) = self.leader() else { return };
        let Some((old, host)) = self.lost else {
            if let Some(node) = self.orphan(&members).filter(|_| self.healing) {
                self.ask(leader, Wish::Change(MemberChange::Remove { node }));
            }
            return;
        };
        let new = self.hosts[host].identity.node;
        let role_of = |node| members.iter().find(|member| member.node == node).map(|member| member.role);
        let change = match (role_of(old), role_of(new)) {
            (None, _) => {
                self.lost = None;
                return;
            }
            (Some(_), None) => MemberChange::Add { node: new, address: "simulated".to_owned() },
            (Some(MemberRole::Voter), Some(MemberRole::Learner)) => {
                MemberChange::Promote { node: new, replaces: Some(old) }
            }
            (Some(_), Some(_)) => MemberChange::Remove { node: old },
        };
        self.ask(leader, Wish::Change(change));
    }

    /// Flips a byte in the state of a node whose log is sound. It must notice, keep its id, and have the state sent by
    /// another node; never are all states damaged.
    fn damage_state(&mut self, host: usize) {
        let Some((_, members)) = self.leader() else { return };
        let has_state = |host: &Host| {
            let serves = |running: &Running| {
                running.shared.applied.reached() > 0 && !running.shared.awaits_state.load(Ordering::SeqCst)
            };
            host.running.as_ref().is_some_and(serves)
        };
        let is_member = |host: &&Host| members.iter().any(|member| member.node == host.identity.node);
        let all_serve = self.hosts.iter().filter(is_member).all(has_state);
        if self.lost.is_some() || !all_serve || !is_member(&&self.hosts[host]) {
            return;
        }
        self.end_process(host, Loss::Process);
        self.hosts[host].disk.damage_states();
        let delay = self.random.within(MILLISECOND..SECOND);
        self.start_later(host, delay);
    }

    pub(super) fn heal_fault(&mut self, fault: Fault) {
        match fault {
            Fault::Lossy => {
                self.network.loss_percent = 0;
                self.network.repeat_percent = 0;
                self.network.late_percent = 0;
            }
            Fault::Slow => self.network.delay = Network::healthy().delay,
            Fault::FarHost | Fault::CrashLoop => self.network.far.clear(),
            Fault::PowerAtVote => {
                self.cuts_voters = false;
                self.network.delay = Network::healthy().delay;
            }
            Fault::FillDisk => self.hosts.iter_mut().for_each(|host| host.disk.set_free(PLENTY)),
            Fault::SlowDisk => self.hosts.iter_mut().for_each(|host| host.disk_delay = 0),
            _ => self.network.cut.clear(),
        }
    }
}

fn voters(members: &[Member]) -> Vec<u64> {
    members.iter().filter(|member| member.role == MemberRole::Voter).map(|member| member.node).collect()
}
