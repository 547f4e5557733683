//! Writes until it is killed, and tells what was acknowledged: the child of the crash tests.
//!
//! `torture DIRECTORY write WRITERS` prints one line per acknowledged write: `key revision round`.
//! `torture DIRECTORY fail NUMBER` opens the store on an engine whose log fails its NUMBERth synced write, and
//! writes until that ends the process.
//! `torture DIRECTORY fail-state NUMBER` is the same for the state.
//! `torture DIRECTORY open` opens the store and prints its revision, or the error.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use pintle_store::engine::{
    Engine, LogStore, LogVisitor, LogWrite, RecordVisitor, RocksEngine, StateStore, StateWrite,
};
use pintle_store::{DiskError, Key, NewValue, Op, Options, Outcome, Revision, Store, Txn};
use smallvec::smallvec;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, mode, rest @ ..] = &arguments[..] else { panic!("torture DIRECTORY MODE [NUMBER]") };
    let number: u64 = rest.first().map_or(1, |text| text.parse().expect("a number"));
    let options = Options::new(directory);
    let opened = match mode.as_str() {
        "fail" => {
            Store::open_with(options, Arc::new(FailingEngine { log_writes: number, state_writes: u64::MAX }))
        }
        "fail-state" => {
            Store::open_with(options, Arc::new(FailingEngine { log_writes: u64::MAX, state_writes: number }))
        }
        _ => Store::open(options),
    };
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            eprintln!("{error:?}\n{error}");
            std::process::exit(1);
        }
    };
    say(&format!("opened {}", store.state().revision));
    if mode == "open" {
        return;
    }
    let writers = if mode == "write" { number } else { 4 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let writers = (0..writers).map(|writer| tokio::spawn(write_for_ever(store.clone(), writer)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.expect("a writer");
        }
    });
}

/// So long that every few hundred writes flush the state and cut the log.
const VALUE_BYTES: usize = 3_000;
/// How often the first writer gives up history, in rounds, and how much it keeps.
const COMPACT_ROUNDS: u64 = 50;
const HISTORY_KEPT: Revision = 300;

/// Overwrites the writer's own ten keys, one after the other.
async fn write_for_ever(store: Store, writer: u64) {
    for round in 0.. {
        let name = format!("/registry/things/default/{writer}-{}", round % 10);
        let bytes = Bytes::from(format!("{round} {}", "x".repeat(VALUE_BYTES)));
        let key = Key::new(name.as_str());
        let ops = smallvec![Op::Put { key, value: NewValue { bytes, ..NewValue::default() } }];
        match store.txn(Txn { ops, ..Txn::default() }).await {
            Outcome::Applied { first, .. } => say(&format!("{name} {first} {round}")),
            other => say(&format!("refused {other:?}")),
        }
        if writer == 0 && round % COMPACT_ROUNDS == COMPACT_ROUNDS - 1 {
            let floor = store.state().revision.saturating_sub(HISTORY_KEPT);
            store.compact(floor).await.expect("compacts");
        }
    }
}

/// One whole line, at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The reader may be gone already; then nobody counts on the line.
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}

/// RocksDB, until a given write fails as a broken disk makes it fail.
#[derive(Debug)]
struct FailingEngine {
    log_writes: u64,
    state_writes: u64,
}

#[derive(Debug)]
struct FailingLog {
    log: Box<dyn LogStore>,
    left: u64,
}

#[derive(Debug)]
struct FailingState {
    state: Arc<dyn StateStore>,
    left: AtomicU64,
}

fn broken() -> DiskError {
    DiskError::Io { action: "sync", source: std::io::Error::from_raw_os_error(5) }
}

impl Engine for FailingEngine {
    fn open_log(&self, directory: &Path) -> Result<Box<dyn LogStore>, DiskError> {
        let log = RocksEngine::default().open_log(directory)?;
        Ok(Box::new(FailingLog { log, left: self.log_writes }))
    }

    fn open_state(&self, directory: &Path) -> Result<Arc<dyn StateStore>, DiskError> {
        let state = RocksEngine::default().open_state(directory)?;
        Ok(Arc::new(FailingState { state, left: AtomicU64::new(self.state_writes) }))
    }
}

impl LogStore for FailingLog {
    fn write(&mut self, write: &LogWrite, sync: bool) -> Result<(), DiskError> {
        // The data may have reached the disk or not: the sync says only that nobody knows.
        self.log.write(write, false)?;
        if sync {
            self.left -= 1;
        }
        if self.left == 0 { Err(broken()) } else { Ok(()) }
    }

    fn visit(&mut self, visitor: &mut LogVisitor<'_>) -> Result<(), DiskError> {
        self.log.visit(visitor)
    }

    fn entry(&mut self, index: u64) -> Result<Option<Vec<u8>>, DiskError> {
        self.log.entry(index)
    }

    fn named(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, DiskError> {
        self.log.named(name)
    }
}

impl StateStore for FailingState {
    fn write(&self, write: &StateWrite) -> Result<(), DiskError> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            return Err(broken());
        }
        self.state.write(write)
    }

    fn begin_flush(&self) -> Result<(), DiskError> {
        self.state.begin_flush()
    }

    fn finish_flush(&self) -> Result<(), DiskError> {
        self.state.finish_flush()
    }

    fn meta(&self) -> Result<Option<Vec<u8>>, DiskError> {
        self.state.meta()
    }

    fn record(&self, revision: Revision) -> Result<Option<Vec<u8>>, DiskError> {
        self.state.record(revision)
    }

    fn visit(
        &self,
        above: Revision,
        through: Revision,
        visitor: &mut RecordVisitor<'_>,
    ) -> Result<(), DiskError> {
        self.state.visit(above, through, visitor)
    }
}
