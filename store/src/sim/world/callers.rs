//! Clients and watchers: each takes its next step when it was woken.

use super::*;

impl World {
    /// Plans the next step of every client and watcher that was woken.
    pub(super) fn wake_all(&mut self) {
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

    pub(super) fn client(&mut self, index: usize) -> Result<(), Failure> {
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

    pub(super) fn finish_call(&mut self, index: usize, done: Option<crate::sim::client::Done>) {
        let trace = self.clients[index].finish(done, &mut self.history);
        self.note(trace ^ mix(index as u64));
        let think = self.plan.think;
        let delay = self.clients[index].random.within(10..think);
        self.at(delay, Event::Client(index));
    }

    /// Begins a call on some node; false when none is there for this client.
    pub(super) fn begin_call(&mut self, index: usize) -> bool {
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

    pub(super) fn watcher(&mut self, index: usize) -> Result<(), Failure> {
        let watcher = &mut self.watchers[index];
        let nodes = self.hosts.len() as u64;
        // Towards the end nobody hops: whoever waits must be woken.
        if !self.healing && watcher.random.chance(2) {
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
}
