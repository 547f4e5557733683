//! The handle by which everybody else uses the store.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::asks::Wish;
use crate::backup::{self, BackupError, BackupInfo};
use crate::bugs::{Bug, planted};
use crate::command::Encoded;
use crate::disk::DataDir;
use crate::engine::{Engine, RocksEngine, StateStore};
use crate::entry::Revision;
use crate::error::{AtError, CompactError, Compacted, DiskError, OpenError, TooNew, Unavailable};
use crate::fatal::fatal;
use crate::key::{Key, Prefix};
use crate::mailbox::Mailbox;
use crate::members::{Member, MemberChange, MemberError, members_of};
use crate::milestone::{Late, Milestone};
use crate::open::recover;
use crate::options::Options;
use crate::past;
use crate::peers::{Lane, PeerFrame, PeerRefusal};
use crate::record::Record;
use crate::shared::{FREE_UNKNOWN, NEVER, OwnerEvent, Reader, Shared};
use crate::start::{Started, Threads, start};
use crate::status::{Health, Leadership, Status};
use crate::threads::StateEvent;
use crate::txn::{Compare, Op, Outcome, TXN_BYTES_MAX, TXN_COMPARES_MAX, TXN_OPS_MAX, Txn, Why};
use crate::view::State;
use crate::watch::{Cursor, Interest, Place};

/// How long opening waits for leadership; a sole voter needs one sync.
const OPEN_PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks whether this node is still alone.
const OPEN_LOOK: Duration = Duration::from_millis(20);

/// A store. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    state: Arc<Mailbox<StateEvent>>,
    threads: Mutex<Option<Threads>>,
    /// Holds the directory's lock until everything else is closed.
    _data_dir: DataDir,
}

impl Store {
    /// Opens or creates the store of a directory. Blocks until the records are replayed and, for a sole voter, until
    /// it leads and has applied everything committed before.
    pub fn open(options: Options) -> Result<Store, OpenError> {
        Store::open_with(options, Arc::new(RocksEngine::default()))
    }

    /// Like [`Store::open`], on another engine.
    pub fn open_with(options: Options, engine: Arc<dyn Engine>) -> Result<Store, OpenError> {
        let recovered = recover(&options, &*engine)?;
        let Started { shared, state, threads, data_dir } = start(options, recovered, engine)?;
        let inner = Inner { shared, state, threads: Mutex::new(Some(threads)), _data_dir: data_dir };
        let store = Store { inner: Arc::new(inner) };
        store.wait_until_complete();
        Ok(store)
    }

    /// The ids of the cluster and the node that a directory belongs to; none when a store may be made there.
    pub fn identity(options: &Options) -> Result<Option<(u64, u64)>, OpenError> {
        let identity = DataDir::look(&options.data_dir, &options.companions)?;
        Ok(identity.map(|identity| (identity.cluster, identity.node)))
    }

    /// The handle of a store whose parts take their turns in a simulation.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn simulated(
        shared: Arc<Shared>,
        state: Arc<Mailbox<StateEvent>>,
        data_dir: DataDir,
    ) -> Store {
        Store { inner: Arc::new(Inner { shared, state, threads: Mutex::new(None), _data_dir: data_dir }) }
    }

    fn wait_until_complete(&self) {
        let shared = &self.inner.shared;
        if !shared.lone {
            // Others decide with this node; they may start later.
            return;
        }
        let own = shared.identity.node;
        let deadline = shared.options.clock.now() + OPEN_PATIENCE;
        let mut replica = shared.replica.lock();
        // A log that is longer than the state may say that others have joined: then they decide with this node, too.
        while !replica.complete
            && shared.members.borrow().conf.voters == [own]
            && shared.options.clock.now() < deadline
        {
            shared.replica_changed.wait_for(&mut replica, OPEN_LOOK);
        }
    }

    /// Applies a transaction.
    pub async fn txn(&self, txn: Txn) -> Outcome {
        if txn.ops.len() > TXN_OPS_MAX || txn.compares.len() > TXN_COMPARES_MAX {
            return Outcome::NotProposed(Why::TooLarge);
        }
        if let Some(why) = self.refuses_growth().filter(|_| self.grows(&txn)) {
            return Outcome::NotProposed(why);
        }
        if planted(Bug::StaleRefusal)
            && let Some(refused) = self.refuse_early(&txn)
        {
            return refused;
        }
        if self.inner.shared.out_of_service.load(Ordering::SeqCst) {
            return Outcome::NotProposed(Why::NoLeader);
        }
        let command = Encoded::txn(&txn);
        if command.len() > TXN_BYTES_MAX {
            return Outcome::NotProposed(Why::TooLarge);
        }
        // The values are in the command now; the caller's buffers need not live until the answer.
        let fence = txn.fence;
        drop(txn);
        match self.inner.shared.propose(command, fence) {
            Ok(receiver) => receiver.await.unwrap_or(Outcome::Unknown),
            Err(why) => Outcome::NotProposed(why),
        }
    }

    /// Decides compares on the local view, as a planted bug does.
    fn refuse_early(&self, txn: &Txn) -> Option<Outcome> {
        let state = self.state();
        let holds = |compare: &Compare| {
            let current = state.get(compare.key());
            match compare {
                Compare::Absent(_) => current.is_none(),
                Compare::Present(_) => current.is_some(),
                Compare::Modified(_, revision) => current.is_some_and(|entry| entry.modified == *revision),
            }
        };
        if txn.compares.iter().all(holds) {
            return None;
        }
        let current = txn.compares.iter().map(|compare| state.get(compare.key()).cloned()).collect();
        Some(Outcome::Failed { current, revision: state.revision })
    }

    /// Why the store may not grow now, if it may not.
    fn refuses_growth(&self) -> Option<Why> {
        let shared = &self.inner.shared;
        if shared.refuses_growth.load(Ordering::Relaxed) {
            return Some(Why::DiskFull);
        }
        let full = shared.figures.retained_bytes.load(Ordering::Relaxed) >= shared.options.quota_bytes;
        full.then_some(Why::QuotaExceeded)
    }

    /// Deletes and puts that do not grow their entry always pass, so that a full store can be cleaned up and its nodes'
    /// leases go on.
    fn grows(&self, txn: &Txn) -> bool {
        let state = self.inner.shared.state.load();
        txn.ops.iter().any(|op| match op {
            Op::Delete { .. } => false,
            Op::Put { key, value } => {
                let size = value.bytes.len() + value.facts.len();
                // The stored bytes have a revision spliced in, the new ones not yet.
                state.get(key).is_none_or(|entry| {
                    let spliced = entry.splice().map_or(0, |(_, length)| length);
                    size > entry.bytes().len() - spliced + entry.facts().len()
                })
            }
        })
    }

    /// The newest published state. O(1).
    pub fn state(&self) -> Arc<State> {
        self.inner.shared.state.load_full()
    }

    /// A state that holds every write that was acknowledged, by any node, before this call.
    pub async fn read_barrier(&self) -> Result<Arc<State>, Unavailable> {
        let shared = &self.inner.shared;
        if shared.out_of_service.load(Ordering::SeqCst) {
            return Err(Unavailable);
        }
        // The only member, when it leads its term, acknowledged every write itself, after publishing it. The gate is read
        // before the state: whatever happens in between, the state is at least as new as the gate's moment.
        let from = shared.fast_reads.load(Ordering::SeqCst);
        if from != NEVER && shared.applied.reached() >= from {
            return Ok(self.state());
        }
        let deadline = shared.options.clock.now() + shared.options.request_timeout;
        let (reply, receiver) = oneshot::channel();
        shared.owner.push(OwnerEvent::Read(Reader { reply, deadline }));
        let index = receiver.await.map_err(|_| Unavailable)?;
        if !planted(Bug::ReadBeforeApply) {
            shared.applied.wait(index, deadline).await.map_err(|Late| Unavailable)?;
        }
        Ok(self.state())
    }

    /// A state that is not older than `revision`, waiting for it at most `deadline`.
    pub async fn state_at_least(&self, revision: Revision, deadline: Duration) -> Result<Arc<State>, TooNew> {
        let shared = &self.inner.shared;
        let state = self.state();
        if state.revision >= revision {
            return Ok(state);
        }
        let deadline = shared.options.clock.now() + deadline;
        match shared.published.wait(revision, deadline).await {
            Ok(()) => Ok(self.state()),
            Err(Late) => Err(TooNew { current: shared.published.reached() }),
        }
    }

    /// The state of one bucket at exactly `revision`; it holds no other bucket.
    pub async fn state_at(&self, bucket: &str, revision: Revision) -> Result<Arc<State>, AtError> {
        let shared = &self.inner.shared;
        let current = self.state();
        if revision > current.revision {
            return Err(TooNew { current: current.revision }.into());
        }
        check_floor(&current, revision)?;
        if current.bucket_modified(bucket) <= revision {
            return Ok(Arc::new(current.only(bucket, revision)));
        }
        if let Some(root) = shared.roots.lock().find(bucket, revision) {
            return Ok(root);
        }
        let mut state = current.only(bucket, current.revision);
        // The state is published a moment before its events.
        self.wait_for(&shared.published, current.revision).await;
        let events = shared.hubs.hub(bucket).since(revision);
        let bytes = match events {
            Some(mut events) => {
                events.retain(|event| event.revision <= current.revision);
                past::undo_events(&mut state, &events, revision)
            }
            None => {
                self.wait_for(&shared.recorded, current.revision).await;
                let undone = self.undo_records(state, bucket, revision).await;
                // Records may have been erased while they were read; then the result is not complete.
                check_floor(&self.state(), revision)?;
                let (undone, bytes) = match undone {
                    Ok(undone) => undone,
                    // The runtime is shutting down and will drop this future.
                    Err(DiskError::Cancelled) => std::future::pending().await,
                    Err(error) => fatal(format_args!("records could not be read: {error}")),
                };
                state = undone;
                bytes
            }
        };
        let state = Arc::new(state);
        shared.roots.lock().keep(bucket, state.clone(), bytes, self.state().floor);
        Ok(state)
    }

    async fn undo_records(
        &self,
        mut state: State,
        bucket: &str,
        revision: Revision,
    ) -> Result<(State, usize), DiskError> {
        let bucket = bucket.to_owned();
        self.with_records(move |records| {
            let bytes = past::undo_records(records, &mut state, &bucket, revision)?;
            Ok((state, bytes))
        })
        .await
    }

    /// Runs a read of records where it may block.
    async fn with_records<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn StateStore) -> Result<T, DiskError> + Send + 'static,
    ) -> Result<T, DiskError> {
        let records = self.inner.shared.records();
        let (sender, receiver) = oneshot::channel();
        // A caller that went away needs no answer.
        let work = move || drop(sender.send(read(&*records)));
        self.inner.shared.options.tasks.block(Box::new(work));
        receiver.await.unwrap_or(Err(DiskError::Cancelled))
    }

    /// Waits for what the state thread does in a moment; without a deadline, because only its end could prevent it.
    async fn wait_for(&self, milestone: &Milestone, number: u64) {
        let _ = milestone.wait(number, Duration::MAX).await;
    }

    /// A cursor over the events of `range` above `from`, which lies in `bucket`.
    pub fn watch(
        &self,
        bucket: &str,
        range: Prefix,
        from: Revision,
        interest: Interest,
    ) -> Result<Cursor, Compacted> {
        let shared = &self.inner.shared;
        let floor = shared.state.load().floor;
        if from < floor {
            return Err(Compacted { floor });
        }
        let hub = shared.hubs.hub(bucket);
        Ok(Cursor::new(shared.clone(), hub, Place::new(range, interest, from)))
    }

    /// The changes of a key that are still recorded, newest first.
    pub async fn history(&self, key: &Key, limit: usize) -> Vec<Record> {
        let shared = &self.inner.shared;
        let state = self.state();
        self.wait_for(&shared.recorded, state.revision).await;
        let (key, floor, through) = (key.clone(), state.floor, state.revision);
        let current = state.get(&key).map(|entry| entry.modified);
        let read = self.with_records(move |records| {
            let newest = match current {
                Some(newest) => newest,
                None => past::newest_change(records, &key, floor, through)?,
            };
            past::versions(records, newest, floor, limit)
        });
        match read.await {
            Ok(records) => records,
            Err(DiskError::Cancelled) => std::future::pending().await,
            Err(error) if self.state().floor <= floor => {
                fatal(format_args!("records could not be read: {error}"))
            }
            // Compaction overtook the read; what is left of the history is the current entry.
            Err(error) => {
                tracing::debug!(%error, "history was compacted while it was read");
                Vec::new()
            }
        }
    }

    /// Raises the floor: history at or below it is given up.
    pub async fn compact(&self, floor: Revision) -> Result<Revision, CompactError> {
        let current = self.state().revision;
        if floor > current {
            return Err(TooNew { current }.into());
        }
        let receiver = self.inner.shared.propose(Encoded::compact(floor), None)?;
        match receiver.await.unwrap_or(Outcome::Unknown) {
            Outcome::Applied { .. } => Ok(self.state().floor),
            Outcome::NotProposed(why) => Err(why.into()),
            Outcome::Failed { .. } | Outcome::Unknown => Err(CompactError::Unknown),
        }
    }

    /// The store's condition.
    pub fn status(&self) -> Status {
        let shared = &self.inner.shared;
        let replica = *shared.replica.lock();
        let state = shared.state.load();
        let figures = &shared.figures;
        let stored_bytes = figures.retained_bytes.load(Ordering::Relaxed);
        let health = if shared.is_stopping() {
            Health::Stopping
        } else if shared.awaits_state.load(Ordering::SeqCst) || shared.out_of_service.load(Ordering::SeqCst) {
            Health::AwaitsState
        } else if replica.leader == 0 {
            Health::NoLeader
        } else if shared.refuses_growth.load(Ordering::Relaxed) {
            Health::DiskFull
        } else if stored_bytes >= shared.options.quota_bytes {
            Health::QuotaExceeded
        } else {
            Health::Good
        };
        Status {
            cluster: shared.identity.cluster,
            node: shared.identity.node,
            leader: replica.leader,
            term: replica.term,
            commit_index: replica.commit,
            applied_index: shared.applied.reached(),
            revision: state.revision,
            floor: state.floor,
            stored_bytes,
            quota_bytes: shared.options.quota_bytes,
            ring_bytes: figures.ring_bytes.load(Ordering::Relaxed),
            proposals_in_flight: shared.admission.in_flight(),
            free_bytes: Some(figures.free_bytes.load(Ordering::Relaxed)).filter(|free| *free != FREE_UNKNOWN),
            disk_full: figures.disk_full.load(Ordering::Relaxed),
            cluster_level: shared.members.borrow().level,
            log_syncs: figures.log_syncs.load(Ordering::Relaxed),
            health,
            alarms: Some(shared.divergence.lock().clone())
                .filter(|alarm| !alarm.is_empty())
                .into_iter()
                .collect(),
        }
    }

    /// Takes in a frame of another node. The carrier has made sure that it comes from the node that it names.
    pub fn receive(&self, frame: PeerFrame) -> Result<(), PeerRefusal> {
        let shared = &self.inner.shared;
        if frame.cluster != shared.identity.cluster {
            return Err(PeerRefusal::OtherCluster(frame.cluster));
        }
        if frame.to != shared.identity.node || frame.from == shared.identity.node {
            return Err(PeerRefusal::OtherNode(frame.to));
        }
        if shared.is_stopping() && frame.lane() == Lane::Snapshots {
            return Err(PeerRefusal::Stopping);
        }
        if shared.inbound.newest_boot(frame.from, frame.boot) > frame.boot {
            return Err(PeerRefusal::OldBoot(frame.boot));
        }
        if shared.members.borrow().removed.contains(&frame.from) {
            return Err(PeerRefusal::Removed(frame.from));
        }
        if !shared.inbound.admit(frame.size()) {
            return Err(PeerRefusal::Overloaded);
        }
        shared.owner.push(OwnerEvent::Peer(frame));
        Ok(())
    }

    /// Saves everything, as it is now, while writes go on. `now` are Unix seconds. Blocks; `progress` is told how far it
    /// is, in revisions.
    pub fn save_backup(
        &self,
        now: u64,
        out: &mut dyn std::io::Write,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupInfo, BackupError> {
        if self.inner.shared.is_stopping() {
            return Err(BackupError::Stopping);
        }
        let state = &self.inner.state;
        backup::save(&self.inner.shared, |event| state.push(event), now, out, progress)
    }

    /// The members of the cluster as applied here, by id, with what the leader last said about each: on any node, as long
    /// as it hears a leader.
    pub fn members(&self) -> Vec<Member> {
        let shared = &self.inner.shared;
        let replica = *shared.replica.lock();
        let known = shared.roll.lock().clone();
        let now = shared.options.clock.now();
        let membership = shared.members.borrow();
        let commit = known.roll.commit;
        members_of(&membership.conf, &membership.addresses, replica.leader, commit, |node| {
            known.entry(node, replica.term, now)
        })
    }

    /// Who was a member of the cluster and must never be one again.
    pub fn removed_members(&self) -> Vec<u64> {
        self.inner.shared.members.borrow().removed.iter().copied().collect()
    }

    /// Resolves after the membership or an address has changed since the last call on the same receiver.
    pub fn members_changed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut members = self.inner.shared.members.subscribe();
        async move {
            // The sender lives as long as the store; without it nothing changes any more.
            let _ = members.changed().await;
        }
    }

    /// Changes the membership, from any node; the answer comes when the change is complete and shown here. It is asked of the leader once:
    /// when that one is lost meanwhile, the outcome is unknown.
    pub async fn change_members(&self, change: MemberChange) -> Result<(), MemberError> {
        self.wish(Wish::Change(change)).await?;
        // The change is complete; a node that cannot confirm that it has seen it merely shows it a moment later.
        if self.read_barrier().await.is_ok() {
            let shared = &self.inner.shared;
            let commit = shared.replica.lock().commit;
            let deadline = shared.options.clock.now() + shared.options.request_timeout;
            let _ = shared.applied.wait(commit, deadline).await;
        }
        Ok(())
    }

    /// Hands leadership to another voter, from any node: to this one, or to the one that is furthest. Gives the leader
    /// afterwards.
    pub async fn hand_over(&self, to: Option<u64>) -> Result<u64, MemberError> {
        self.wish(Wish::HandOver(to)).await?;
        if let Some(to) = to {
            return Ok(to);
        }
        let leader = || self.inner.shared.replica.lock().leader;
        if leader() == 0 {
            // This node has not heard of the new leader yet, who answers the barrier.
            self.read_barrier().await.map_err(|_| MemberError::Unknown)?;
        }
        Ok(leader())
    }

    async fn wish(&self, wish: Wish) -> Result<(), MemberError> {
        let (sender, receiver) = oneshot::channel();
        self.inner.shared.owner.push(OwnerEvent::Wish(wish, sender));
        receiver.await.unwrap_or(Err(MemberError::Unknown))
    }

    /// Tells that frames for a node do not arrive, so that the leader sends it no more than probes.
    pub fn report_unreachable(&self, node: u64) {
        self.inner.shared.owner.push(OwnerEvent::Unreachable(node));
    }

    /// Tells that the process of a node has ended: its connections broke, and where it listened nobody does any more. A
    /// wrong report harms nobody, because a leader that others hear stays.
    pub fn report_ended(&self, node: u64) {
        self.inner.shared.owner.push(OwnerEvent::Ended(node));
    }

    /// Tells when this node begins and ceases to lead.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.shared.leadership.subscribe()
    }

    /// Finishes what is in flight, flushes, and ends the threads. Reads by other handles go on working.
    pub async fn shutdown(self) {
        let Some(threads) = self.inner.stop() else { return };
        let stopped = tokio::task::spawn_blocking(move || threads.join()).await;
        if stopped.is_err() {
            tracing::warn!("the store's threads were not joined");
        }
    }
}

fn check_floor(state: &State, revision: Revision) -> Result<(), Compacted> {
    if revision < state.floor { Err(Compacted { floor: state.floor }) } else { Ok(()) }
}

impl Inner {
    fn stop(&self) -> Option<Threads> {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.threads.lock().take()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(threads) = self.stop() {
            threads.join();
        }
    }
}
