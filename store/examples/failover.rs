//! Measures how long writes stop when the leader is cut off: three stores in this process on real disks, joined by
//! encoded frames.
//!
//! `cargo run --release -p pintle-store --example failover -- [ROUNDS] [TICK MS] [HEARTBEAT TICKS] [ELECTION TICKS]`

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pintle_store::{
    Clock, FRAME_HEADER_LENGTH, Founding, FrameHeader, Key, NewValue, Op, Options, Outcome, PeerFrame, Peers,
    Store, SystemClock, Txn,
};
use smallvec::smallvec;

const NODES: [u64; 3] = [1, 2, 3];
const CLIENTS: u64 = 16;

#[derive(Debug)]
struct Wire {
    frames: SyncSender<Vec<u8>>,
    /// The node that is cut off, 0 for none.
    cut: Arc<AtomicU64>,
}

impl Peers for Wire {
    fn send(&self, frame: PeerFrame) {
        let cut = self.cut.load(Ordering::Relaxed);
        if cut != frame.from() && cut != frame.to() {
            // A full wire loses frames.
            let _ = self.frames.try_send(frame.encode());
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (rounds, tick, heartbeat, election) = (number(20), number(20), number(2), number(10));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure(rounds, tick, heartbeat as usize, election as usize));
}

async fn measure(rounds: u64, tick: u64, heartbeat_ticks: usize, election_ticks: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let (frames, carried) = sync_channel::<Vec<u8>>(10_000);
    let cut = Arc::new(AtomicU64::new(0));
    let stores: Arc<Mutex<BTreeMap<u64, Store>>> = Arc::default();
    for node in NODES {
        let options = Options {
            founding: Some(Founding { cluster: 1, node, voters: NODES.to_vec() }),
            peers: Arc::new(Wire { frames: frames.clone(), cut: cut.clone() }),
            tick: Duration::from_millis(tick),
            heartbeat_ticks,
            election_ticks,
            ..Options::new(directory.path().join(node.to_string()))
        };
        let store = Store::open(options).expect("opens");
        stores.lock().expect("no panic").insert(node, store);
    }
    let receivers = stores.clone();
    std::thread::spawn(move || {
        for bytes in carried {
            let (header, body) = bytes.split_first_chunk::<FRAME_HEADER_LENGTH>().expect("a header");
            let header = FrameHeader::decode(header).expect("a header");
            let frame = PeerFrame::decode(header, body).expect("a body");
            let store = receivers.lock().expect("no panic").get(&frame.to()).cloned();
            // A store that stops refuses frames.
            let _ = store.map(|store| store.receive(frame));
        }
    });
    let all: Vec<Store> = stores.lock().expect("no panic").values().cloned().collect();
    let last = Arc::new(AtomicU64::new(0));
    let gap = Arc::new(AtomicU64::new(0));
    for client in 0..CLIENTS {
        let (all, cut, last, gap) = (all.clone(), cut.clone(), last.clone(), gap.clone());
        tokio::spawn(async move {
            for round in client.. {
                let at = (round % 3) as usize;
                if cut.load(Ordering::Relaxed) == at as u64 + 1 {
                    // The load balancer has noticed.
                    continue;
                }
                let key = Key::new(format!("/registry/things/{client}"));
                let value = NewValue { bytes: Bytes::from(vec![b'x'; 500]), ..NewValue::default() };
                let write = all[at].txn(Txn { ops: smallvec![Op::Put { key, value }], ..Txn::default() });
                // A client of a cut-off node gives up and goes to another one.
                let Ok(outcome) = tokio::time::timeout(Duration::from_millis(100), write).await else {
                    continue;
                };
                if matches!(outcome, Outcome::Applied { .. }) {
                    let now = SystemClock.now().as_micros() as u64;
                    let before = last.swap(now, Ordering::Relaxed);
                    gap.fetch_max(now.saturating_sub(before), Ordering::Relaxed);
                }
            }
        });
    }
    let mut gaps = Vec::new();
    let mut elections = 0;
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        all[0].read_barrier().await.expect("a leader");
        let status = all[0].status();
        gap.store(0, Ordering::Relaxed);
        cut.store(status.leader, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        gaps.push(gap.load(Ordering::Relaxed) as f64 / 1_000.0);
        cut.store(0, Ordering::Relaxed);
        elections = status.term;
    }
    gaps.sort_by(f64::total_cmp);
    let at = |part: usize| gaps[(gaps.len() * part / 100).min(gaps.len() - 1)];
    println!(
        "tick {tick} ms, heartbeat {heartbeat_ticks}, election {election_ticks}: n={rounds}, write gap p50 {:.0} ms, \
         p90 {:.0} ms, max {:.0} ms; term {elections}",
        at(50),
        at(90),
        at(100)
    );
}
