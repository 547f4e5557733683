//! Fills a small file system under a running store, and checks what it promises about that: growth is refused in time, no
//! write fails, reads and deletes go on, and everything works again once there is room, without a restart.
//!
//! As root, with its own mounts:
//! `unshare -m sh -c 'mount -t tmpfs -o size=64m none /mnt && target/release/examples/disk_full /mnt'`

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use pintle_store::{Health, Key, NewValue, Op, Options, Outcome, Store, Txn, Why};
use smallvec::smallvec;

const BUCKET: &str = "/registry/things/";

fn key(number: u64) -> Key {
    Key::new(format!("{BUCKET}{number:06}"))
}

async fn put(store: &Store, number: u64, bytes: usize) -> Outcome {
    let value = NewValue { bytes: Bytes::from(vec![b'x'; bytes]), ..NewValue::default() };
    store.txn(Txn { ops: smallvec![Op::Put { key: key(number), value }], ..Txn::default() }).await
}

async fn delete(store: &Store, number: u64) -> Outcome {
    store.txn(Txn { ops: smallvec![Op::Delete { key: key(number) }], ..Txn::default() }).await
}

/// Writes until growth is refused; gives how many writes were taken.
async fn grow(store: &Store, from: u64) -> u64 {
    let mut number = from;
    loop {
        match put(store, number, 20_000).await {
            Outcome::Applied { .. } => number += 1,
            Outcome::NotProposed(Why::DiskFull) => return number,
            other => panic!("write {number}: {other:?}"),
        }
    }
}

/// Takes all the room that is left.
fn fill(directory: &Path, name: &str) -> std::path::PathBuf {
    let path = directory.join(name);
    let mut file = std::fs::File::create(&path).expect("a file");
    let block = vec![0; 64 << 10];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    path
}

#[tokio::main]
async fn main() {
    let mount = std::env::args().nth(1).expect("a directory on a small file system");
    let mount = Path::new(&mount);
    let options = || Options { history: Duration::from_secs(1), ..Options::new(mount.join("data")) };
    let store = Store::open(options()).expect("opens");
    let refused_at = grow(&store, 0).await;
    assert!(refused_at > 0);
    let status = store.status();
    println!("growth refused after {refused_at} writes with {:?} bytes free", status.free_bytes);
    assert_eq!(status.health, Health::DiskFull);
    let first = fill(mount, "first");
    println!("a stranger has filled the disk");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let state = store.read_barrier().await.expect("reads go on");
    assert_eq!(state.count(BUCKET) as u64, refused_at);
    for number in 0..20 {
        assert!(matches!(put(&store, number, 10).await, Outcome::Applied { .. }), "a write that shrinks");
        assert!(matches!(delete(&store, number).await, Outcome::Applied { .. }), "a delete");
    }
    println!("reads, shrinking writes and deletes went on");
    assert!(matches!(put(&store, 900_000, 20_000).await, Outcome::NotProposed(Why::DiskFull)));
    // The ballast is gone after this: now writes wait, and none is lost or refused wrongly.
    let second = fill(mount, "second");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { delete(&store, 20).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(store.read_barrier().await.is_ok(), "reads go on without any room");
    println!("with no room at all a delete {}", if waiting.is_finished() { "went through" } else { "waits" });
    for path in [first, second] {
        std::fs::remove_file(path).expect("room");
    }
    let outcome = waiting.await.expect("no panic");
    assert!(matches!(outcome, Outcome::Applied { .. } | Outcome::Unknown), "{outcome:?}");
    for number in 20..refused_at {
        assert!(matches!(delete(&store, number).await, Outcome::Applied { .. }), "delete {number}");
    }
    let mut rounds = 0;
    while !matches!(put(&store, 1_000_000, 20_000).await, Outcome::Applied { .. }) {
        // History has to pass before compaction gives room back.
        tokio::time::sleep(Duration::from_millis(100)).await;
        rounds += 1;
        assert!(rounds < 600, "growth is still refused: {:?}", store.status());
    }
    println!("growth goes on after {:.1} s, without a restart", f64::from(rounds) / 10.0);
    store.shutdown().await;
    let store = Store::open(options()).expect("opens again");
    assert_eq!(store.state().count(BUCKET), 1);
    println!("and a restart finds everything");
    store.shutdown().await;
}
