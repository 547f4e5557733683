//! Measures the store alone: writes by one and by many clients, bytes that reach the disk, memory, and a restart.
//!
//! `cargo run --release -p pintle-store --example bench -- DIRECTORY [OPERATIONS] [VALUE BYTES] [CLIENTS]`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pintle_store::{
    Clock, Compare, Interest, Key, NewValue, Op, Options, Outcome, Store, SystemClock, Term, Txn,
};
use smallvec::smallvec;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory"));
    let mut number = |default: u64| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (operations, size, clients) = (number(20_000), number(1_000) as usize, number(64));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let started = SystemClock.now();
    let store = Store::open(Options::new(&directory)).expect("opens");
    println!("open: {:.1} ms, revision {}", milliseconds(started), store.state().revision);
    let base = store.state().revision;
    let handle = store.clone();
    runtime.block_on(async {
        measure("create", operations, clients, {
            let store = handle.clone();
            move |index| {
                let store = store.clone();
                async move { create(&store, base + index, size).await }
            }
        })
        .await;
        measure("update", operations, clients, {
            let store = handle.clone();
            move |index| {
                let store = store.clone();
                async move { update(&store, index % 200, 400).await }
            }
        })
        .await;
        measure("create, one client", operations.min(2_000), 1, {
            let store = handle.clone();
            move |index| {
                let store = store.clone();
                async move { create(&store, base + 1_000_000 + index, size).await }
            }
        })
        .await;
    });
    runtime.block_on(async {
        fan_out(&handle, "1000 watchers of everything", 1_000, 200, |_| Interest::All).await;
        let by_node = |index: u64| Interest::Term(Term { tag: 1, value: format!("node-{index}").into() });
        fan_out(&handle, "5000 watchers by term", 5_000, 5_000, by_node).await;
    });
    drop(handle);
    println!("status: {:?}", store.status());
    let stopping = SystemClock.now();
    runtime.block_on(store.shutdown());
    println!("shutdown: {:.1} ms", milliseconds(stopping));
    let started = SystemClock.now();
    let store = Store::open(Options::new(&directory)).expect("opens");
    let state = store.state();
    println!(
        "restart: {:.1} ms, {} objects, {:.1} MB, resident {:.1} MB",
        milliseconds(started),
        state.count("/registry/configmaps/"),
        state.bucket_bytes("/registry/configmaps/") as f64 / 1e6,
        resident_megabytes(),
    );
}

/// Watchers, each with its own interest, and writes that concern one term each.
async fn fan_out(store: &Store, name: &str, watchers: u64, writes: u64, interest: impl Fn(u64) -> Interest) {
    const BUCKET: &str = "/registry/pods/";
    let delivered = Arc::new(AtomicU64::new(0));
    let from = store.state().revision;
    let mut tasks = Vec::new();
    for index in 0..watchers {
        let mut cursor = store.watch(BUCKET, BUCKET.into(), from, interest(index)).expect("a cursor");
        let delivered = delivered.clone();
        tasks.push(tokio::spawn(async move {
            let mut events = Vec::new();
            while cursor.next(64, &mut events).await.is_ok() {
                delivered.fetch_add(events.len() as u64, Ordering::Relaxed);
                events.clear();
            }
        }));
    }
    tokio::task::yield_now().await;
    let (cpu, started) = (cpu_seconds(), SystemClock.now());
    for index in 0..writes {
        let key = Key::new(format!("/registry/pods/default/pod-{:06}", index % 1_000));
        let terms = smallvec![Term { tag: 1, value: format!("node-{}", index % 5_000).into() }];
        let value = NewValue { bytes: Bytes::from(vec![b'x'; 1_000]), terms, ..NewValue::default() };
        let ops = smallvec![Op::Put { key, value }];
        assert!(matches!(store.txn(Txn { ops, ..Txn::default() }).await, Outcome::Applied { .. }));
    }
    println!(
        "{name}: {writes} writes, {} events delivered in {:.0} ms, CPU {:.1} us per write",
        delivered.load(Ordering::Relaxed),
        milliseconds(started),
        (cpu_seconds() - cpu) * 1e6 / writes as f64,
    );
    tasks.into_iter().for_each(|task| task.abort());
}

async fn create(store: &Store, index: u64, size: usize) {
    let key = Key::new(format!("/registry/configmaps/default/object-{index:08}"));
    let value = NewValue {
        bytes: Bytes::from(vec![b'x'; size]),
        splice_at: Some(20),
        facts: Bytes::from_static(b"some facts about the object"),
        terms: smallvec![Term { tag: 1, value: format!("node-{}", index % 100).into() }],
    };
    let ops = smallvec![Op::Put { key: key.clone(), value }];
    let outcome = store.txn(Txn { fence: None, compares: smallvec![Compare::Absent(key)], ops }).await;
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
}

async fn update(store: &Store, index: u64, size: usize) {
    let key = Key::new(format!("/registry/leases/default/lease-{index:08}"));
    let value = NewValue { bytes: Bytes::from(vec![b'x'; size]), splice_at: Some(20), ..NewValue::default() };
    let ops = smallvec![Op::Put { key, value }];
    let outcome = store.txn(Txn { ops, ..Txn::default() }).await;
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
}

async fn measure<F>(
    name: &str,
    operations: u64,
    clients: u64,
    operation: impl Fn(u64) -> F + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let operation = Arc::new(operation);
    let next = Arc::new(AtomicU64::new(0));
    let (cpu, written, started) = (cpu_seconds(), written_bytes(), SystemClock.now());
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let (operation, next) = (operation.clone(), next.clone());
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= operations {
                    return latencies;
                }
                let begun = SystemClock.now();
                operation(index).await;
                latencies.push(SystemClock.now() - begun);
            }
        }));
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("a client"));
    }
    let seconds = (SystemClock.now() - started).as_secs_f64();
    latencies.sort();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "{name}: {operations} by {clients}: {:.0}/s, p50 {:.0} us, p99 {:.0} us, CPU {:.1} us each, {:.0} bytes to disk each, resident {:.1} MB",
        operations as f64 / seconds,
        at(0.5),
        at(0.99),
        (cpu_seconds() - cpu) * 1e6 / operations as f64,
        (written_bytes() - written) as f64 / operations as f64,
        resident_megabytes(),
    );
}

fn milliseconds(since: Duration) -> f64 {
    (SystemClock.now() - since).as_secs_f64() * 1e3
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("procfs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().expect("ticks")).sum();
    ticks / 100.0
}

fn written_bytes() -> u64 {
    number_in("/proc/self/io", "write_bytes:")
}

fn resident_megabytes() -> f64 {
    number_in("/proc/self/status", "VmRSS:") as f64 / 1024.0
}

fn number_in(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).expect("procfs");
    let line = text.lines().find(|line| line.starts_with(name)).expect("a line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}
