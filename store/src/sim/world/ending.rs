//! The end of a run: every fault is undone, every node must serve, and all must be equal, also after a power cut.

use super::*;
use crate::sim::disk::PLENTY;
use crate::sim::node::Flag;

impl World {
    /// Undoes every fault and waits until every node serves and all are equal.
    pub(super) fn heal(&mut self) -> Result<(), Failure> {
        self.healing = true;
        self.network = Network::healthy();
        self.cuts_voters = false;
        for host in 0..self.hosts.len() {
            let state = &mut self.hosts[host];
            state.disk_delay = 0;
            (state.stalled_until, state.waits_since) = (0, None);
            if let Some(running) = &mut state.running {
                *running.scheduled(Part::Log) = NEVER_SCHEDULED;
            }
            state.paused_until = state.paused_until.min(self.now);
            state.disk.clear_trouble();
            state.disk.set_free(PLENTY);
            if state.running.is_none() {
                self.start_later(host, 10 * MILLISECOND);
            }
            self.kick(host);
            self.schedule(host, Part::Owner, self.now + 1);
            self.schedule(host, Part::Log, self.now + 1);
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
            self.replace_lost();
            let acknowledged = self.history.writes[writes..]
                .iter()
                .any(|seen| matches!(seen.answer, Answer::Applied { .. }));
            let read = self.history.reads.len() > reads;
            writes = self.history.writes.len();
            reads = self.history.reads.len();
            let members = self.member_hosts();
            let is_wrong = |host: &usize| {
                self.hosts[*host].running.as_ref().is_some_and(|running| running.is_out_of_service())
            };
            let orphan = self.leader().and_then(|(_, members)| self.orphan(&members));
            let all_right = self.lost.is_none() && orphan.is_none() && !members.iter().any(is_wrong);
            rounds = if acknowledged && read && all_right { rounds + 1 } else { 0 };
            if self.now - began > HEALING {
                return Err(Failure::new("progress after healing", self.describe_nodes()));
            }
        }
        Ok(())
    }

    /// Every node must take a write again.
    pub(super) fn probe(&mut self) -> Result<(), Failure> {
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

    /// A node that does not lead must be able to have leadership handed over, and know how every member stands.
    pub(super) fn ask_from_a_follower(&mut self) -> Result<(), Failure> {
        let voters = self.leader().map_or(0, |(_, members)| {
            members.iter().filter(|member| member.role == MemberRole::Voter).count()
        });
        if voters < 2 {
            return Ok(());
        }
        let flag = Flag::raised();
        let began = self.now;
        loop {
            if self.now - began > HEALING {
                return Err(Failure::new("progress after healing", "leadership was not handed over"));
            }
            let leader = self.leader().map(|(leader, _)| leader);
            let follower = self.member_hosts().into_iter().find(|host| Some(*host) != leader);
            let Some(follower) = follower.filter(|_| leader.is_some()) else {
                self.run_for(100 * MILLISECOND)?;
                continue;
            };
            let Some(store) = self.hosts[follower].running.as_ref().map(|running| running.store.clone())
            else {
                return Err(Failure::new("progress after healing", self.describe_nodes()));
            };
            self.hosts[follower].clock.set(self.now);
            let mut call = Box::pin(async move { store.hand_over(None).await });
            let answer = loop {
                if let Ok(Poll::Ready(answer)) = catch(follower, || poll(&mut call, &flag)) {
                    break answer;
                }
                self.kick(follower);
                self.run_for(10 * MILLISECOND)?;
                if self.now - began > HEALING {
                    return Err(Failure::new("progress after healing", "nobody answered a hand-over"));
                }
            };
            // An outcome may be unknown, and another node may have begun to lead meanwhile.
            if answer.is_ok_and(|now| Some(now) != leader.map(|leader| self.hosts[leader].identity.node)) {
                break;
            }
        }
        self.run_for(3 * SECOND)?;
        for host in self.member_hosts() {
            let Some(running) = &self.hosts[host].running else { continue };
            self.hosts[host].clock.set(self.now);
            let members = running.store.members();
            let known = members.iter().all(|member| member.active == Some(true) && member.applied.is_some());
            if !known || members.iter().filter(|member| member.leads).count() != 1 {
                return Err(Failure::new("members known everywhere", format!("{members:?}")));
            }
        }
        Ok(())
    }

    fn run_for(&mut self, time: u64) -> Result<(), Failure> {
        let until = self.now + time;
        while self.now < until {
            self.step()?;
        }
        Ok(())
    }

    /// The hosts that are members, as far as the leader knows.
    pub(super) fn member_hosts(&self) -> Vec<usize> {
        let Some((_, members)) = self.leader() else { return Vec::new() };
        let is_member =
            |host: &usize| members.iter().any(|member| member.node == self.hosts[*host].identity.node);
        (0..self.hosts.len()).filter(is_member).collect()
    }

    pub(super) fn describe_nodes(&self) -> String {
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
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        for index in 0..self.clients.len() {
            self.finish_call(index, None);
        }
        self.retired.0 = std::mem::take(&mut self.clients);
        self.due.retain(|_, event| !matches!(event, Event::Client(_)));
        self.probe()?;
        self.ask_from_a_follower()?;
        self.settle()?;
        self.catch_up_watchers()?;
        self.compare()?;
        for host in 0..self.hosts.len() {
            self.end_process(host, Loss::Power);
            self.start(host)?;
        }
        self.settle()?;
        self.compare()
    }

    /// Every watcher must come to the end of the history, and wake up for that.
    fn catch_up_watchers(&mut self) -> Result<(), Failure> {
        let members = self.member_hosts();
        for index in 0..self.watchers.len() {
            let away = !members.contains(&self.watchers[index].node);
            let watcher = &mut self.watchers[index];
            watcher.pace = 100;
            if away {
                watcher.leave(&mut self.history);
                watcher.node = members.first().copied().unwrap_or(0);
                watcher.flag.raise();
            }
        }
        self.wake_all();
        let (began, newest) = (self.now, self.truth.newest());
        while self.watchers.iter().any(|watcher| watcher.reached().is_none_or(|reached| reached < newest)) {
            self.run_for(10 * MILLISECOND)?;
            if self.now - began > HEALING {
                let reached: Vec<_> =
                    self.watchers.iter().map(|watcher| (watcher.node, watcher.reached())).collect();
                let nodes = self.describe_nodes();
                let what = format!("watchers reached {reached:?}, but {newest} was recorded: {nodes}");
                return Err(Failure::new("watchers catch up", what));
            }
        }
        for watcher in &mut self.watchers {
            watcher.leave(&mut self.history);
        }
        self.retired.1 = std::mem::take(&mut self.watchers);
        self.due.retain(|_, event| !matches!(event, Event::Watcher(_)));
        Ok(())
    }

    /// Waits until all nodes have applied the same.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
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
    pub(super) fn compare(&mut self) -> Result<(), Failure> {
        self.watch_members()?;
        if self.damage_unnoticed {
            return Err(Failure::new("damage noticed", "a node started on a damaged log"));
        }
        let mut hashes = BTreeMap::new();
        for host in self.member_hosts() {
            let Some((index, hash)) = self.hosts[host].running.as_ref().and_then(Running::hash) else {
                continue;
            };
            if *hashes.entry(index).or_insert(hash) != hash {
                let what = format!("host {host} differs from another one at log entry {index}");
                return Err(Failure::new("equal hashes", what));
            }
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
