//! The store in processes that are killed, or that end themselves when the disk fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pintle_store::{Interest, Key, Options, Prefix, Revision, Store};

const KILLS: usize = 50;
/// Acknowledged writes after which a round is killed; different each time, so that kills hit different moments.
const WRITES_BEFORE_KILL: [usize; 5] = [1, 40, 150, 333, 700];
const BUCKET: &str = "/registry/things/";

/// The example, which cargo builds before the tests of this package.
fn torture() -> PathBuf {
    let mut path = std::env::current_exe().expect("this test's path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.join("examples").join("torture")
}

/// What one key's newest acknowledged write was.
#[derive(Clone, Copy, Debug, Default)]
struct Acknowledged {
    revision: Revision,
    round: u64,
}

#[test]
fn fifty_kills_lose_no_acknowledged_write_and_repeat_no_revision() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut revisions: BTreeSet<Revision> = BTreeSet::new();
    let mut newest: Revision = 0;
    let mut total = 0;
    let mut acknowledged: BTreeMap<String, Acknowledged> = BTreeMap::new();
    for kill in 0..KILLS {
        let count = WRITES_BEFORE_KILL[kill % WRITES_BEFORE_KILL.len()];
        let (opened, lines) = run_and_kill(directory.path(), count);
        assert!(opened >= newest, "kill {kill}: revision {opened} after {newest} was acknowledged");
        for (key, revision, round) in lines {
            assert!(
                revision > opened,
                "kill {kill}: revision {revision} was handed out at or below {opened}"
            );
            assert!(revisions.insert(revision), "kill {kill}: revision {revision} was handed out twice");
            newest = newest.max(revision);
            total += 1;
            let known = acknowledged.entry(key).or_default();
            if revision > known.revision {
                *known = Acknowledged { revision, round };
            }
        }
        newest = newest.max(check_contents(directory.path(), &acknowledged));
    }
    assert!(total > KILLS * 100, "only {total} writes were acknowledged");
}

/// Runs writers until `count` writes were acknowledged, then kills them with SIGKILL. Gives the revision at which
/// they began and everything that was acknowledged up to the kill.
fn run_and_kill(directory: &Path, count: usize) -> (Revision, Vec<(String, Revision, u64)>) {
    let mut command = Command::new(torture());
    command.arg(directory).args(["write", "8"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the torture example runs");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut next = move || lines.next().map(|line| line.expect("a line"));
    let first = next().expect("a first line");
    let opened = first.strip_prefix("opened ").and_then(|text| text.parse().ok()).expect("a revision");
    let mut acknowledged = Vec::new();
    while let Some(line) = next() {
        acknowledged.extend(parse(&line));
        if acknowledged.len() == count {
            // SIGKILL; what the child said before is still in the pipe and counts.
            child.kill().expect("kill");
        }
    }
    child.wait().expect("the child ends");
    assert!(acknowledged.len() >= count, "the child ended by itself");
    (opened, acknowledged)
}

/// A whole line `key revision round`; the last line may have been cut by the kill.
fn parse(line: &str) -> Option<(String, Revision, u64)> {
    assert!(!line.starts_with("refused"), "{line}");
    let mut words = line.split(' ');
    let (key, revision, round) = (words.next()?, words.next()?, words.next()?);
    Some((key.to_owned(), revision.parse().ok()?, round.parse().ok()?))
}

/// Each key holds its newest acknowledged write or a later one, and the events lead to exactly this state.
fn check_contents(directory: &Path, acknowledged: &BTreeMap<String, Acknowledged>) -> Revision {
    let store = Store::open(Options::new(directory)).expect("opens after a kill");
    let state = store.state();
    for (key, known) in acknowledged {
        let entry = state.get(&Key::new(key.as_str())).expect("an acknowledged key is there");
        assert!(entry.modified >= known.revision, "{key}: {} after {known:?}", entry.modified);
        if entry.modified == known.revision {
            assert!(entry.bytes().starts_with(format!("{} x", known.round).as_bytes()), "{key}: other bytes");
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let range = Prefix::from(BUCKET);
        let mut cursor = store.watch(BUCKET, range, state.floor, Interest::All).expect("a cursor");
        let oldest = store.state_at(BUCKET, state.floor).await.expect("the state at the floor");
        let mut seen: BTreeMap<_, _> =
            oldest.range(BUCKET, None).map(|entry| (entry.key.clone(), entry.modified)).collect();
        let mut events = Vec::new();
        let mut last = state.floor;
        while last < state.revision {
            events.clear();
            cursor.next(1_000, &mut events).await.expect("events");
            for event in &events {
                assert_eq!(event.revision, last + 1, "each write is one event");
                assert_eq!(
                    event.old.as_ref().map(|old| old.modified),
                    seen.insert(event.key.clone(), event.revision)
                );
                last = event.revision;
            }
        }
        let entries: BTreeMap<_, _> =
            state.range(BUCKET, None).map(|entry| (entry.key.clone(), entry.modified)).collect();
        assert_eq!(entries, seen);
    });
    state.revision
}

fn run(arguments: &[&str]) -> Output {
    Command::new(torture()).args(arguments).output().expect("the torture example runs")
}

fn text(directory: &Path) -> &str {
    directory.to_str().expect("a path of text")
}

fn acknowledged_in(output: &Output) -> Vec<(String, Revision, u64)> {
    String::from_utf8_lossy(&output.stdout).lines().skip(1).filter_map(parse).collect()
}

#[test]
fn a_failed_sync_of_the_log_ends_the_process_and_says_why() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // The first writes make the store; this one comes while writers wait for it.
    assert!(run(&[text(directory.path()), "open"]).status.success());
    let output = run(&[text(directory.path()), "fail", "20"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        message.contains("ends this process") && message.contains("log could not be written"),
        "{message}"
    );
    assert!(message.contains("Input/output error"), "{message}");
    let acknowledged = acknowledged_in(&output);
    assert!(!acknowledged.is_empty());
    let mut newest: BTreeMap<String, Acknowledged> = BTreeMap::new();
    for (key, revision, round) in acknowledged {
        newest.insert(key, Acknowledged { revision, round });
    }
    check_contents(directory.path(), &newest);
}

#[test]
fn a_failed_write_of_the_state_ends_the_process_and_says_why() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert!(run(&[text(directory.path()), "open"]).status.success());
    let output = run(&[text(directory.path()), "fail-state", "20"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        message.contains("ends this process") && message.contains("records could not be written"),
        "{message}"
    );
    check_contents(directory.path(), &BTreeMap::new());
}

#[test]
fn a_second_process_is_refused_with_advice() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let _first = Store::open(Options::new(directory.path())).expect("opens");
    let output = run(&[text(directory.path()), "open"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(message.contains("InUse") && message.contains("stop that one first"), "{message}");
}

/// Runs `torture DIRECTORY open` as a user without privileges when this one has them, because root may write
/// anywhere.
fn open_without_privileges(directory: &Path) -> String {
    const NOBODY: u32 = 65_534;
    let copy = directory.ancestors().nth(1).expect("a parent").join("torture");
    // Another process copies: were the copy open for writing in this one, a child that a parallel test starts
    // could inherit it, and the kernel would not run it.
    let copied = Command::new("cp").arg(torture()).arg(&copy).status();
    assert!(copied.is_ok_and(|status| status.success()), "a copy that nobody may run");
    let mut command = Command::new(copy);
    command.args([text(directory), "open"]);
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0"));
    if root {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("the torture example runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn a_directory_that_cannot_be_written_or_read_is_refused_with_advice() {
    let outer = tempfile::tempdir().expect("a temporary directory");
    set_mode(outer.path(), 0o755);
    let directory = outer.path().join("data");
    std::fs::create_dir(&directory).expect("a directory");
    set_mode(&directory, 0o555);
    let message = open_without_privileges(&directory);
    assert!(message.contains("ReadOnly") && message.contains("make it writable"), "{message}");
    set_mode(&directory, 0o000);
    let message = open_without_privileges(&directory);
    assert!(message.contains("Unreadable") && message.contains("owner and mode"), "{message}");
    set_mode(&directory, 0o755);
    std::fs::write(directory.join("photo.jpg"), "").expect("a file");
    let message = open_without_privileges(&directory);
    assert!(message.contains("Foreign") && message.contains("photo.jpg"), "{message}");
    let file = outer.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let message = open_without_privileges(&file);
    assert!(message.contains("NotADirectory"), "{message}");
}
