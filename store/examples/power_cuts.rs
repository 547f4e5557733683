//! Cuts the power of a real disk under a store that writes, and looks for what was acknowledged.
//!
//! `power_cuts DIRECTORY CUTS`, as root, with nbdkit, libnbd-bin, fuse3 and e2fsprogs installed and the example `torture`
//! built beside it. The disk is an image behind nbdkit, whose cache holds everything that was not flushed; nbdfuse makes a
//! file of it, a loop device a disk of that file, ext4 a file system of that disk. To cut the power is to kill nbdkit. Every
//! fourth time the disk fails with EIO instead. That unsynced data is really lost is shown by a file that nobody syncs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use pintle_store::{Clock, Key, Options, Store, SystemClock};

const IMAGE_BYTES: u64 = 512 << 20;
const WRITERS: &str = "8";
/// How long the disk's parts may take to appear.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("DIRECTORY"));
    let cuts: u64 = arguments.next().and_then(|text| text.parse().ok()).expect("CUTS");
    fs::create_dir_all(directory.join("mounted")).expect("a directory");
    let image = fs::File::create(directory.join("image")).expect("an image");
    image.set_len(IMAGE_BYTES).expect("an image");
    run("mkfs.ext4", &["-q", path(&directory.join("image"))]);
    let mut promised = Promised::new();
    let (mut acknowledged, mut lost, mut canaries, mut slowest) = (0, 0, 0, Duration::ZERO);
    for cut in 1..=cuts {
        let disk = Disk::start(&directory);
        canaries += u64::from(disk.mounted().join("unsynced").exists());
        lost += check(&disk, &promised);
        fs::remove_file(disk.mounted().join("unsynced")).or_else(ignore).expect("a removed file");
        let fails = cut % 4 == 0;
        let (seen, took) = write_until_the_end(&disk, cut, fails);
        acknowledged += seen.len();
        slowest = slowest.max(took.unwrap_or_default());
        promised.extend(seen);
        disk.end();
    }
    let disk = Disk::start(&directory);
    lost += check(&disk, &promised);
    disk.end();
    println!(
        "{cuts} ends, {} of them by EIO (the process ended at most {slowest:?} later): {acknowledged} writes were \
         acknowledged, {lost} of them lost; a file that nobody synced was there again {canaries} times",
        cuts / 4
    );
    assert_eq!(lost, 0, "acknowledged writes were lost");
}

fn ignore(_: std::io::Error) -> std::io::Result<()> {
    Ok(())
}

/// An acknowledged write: key, revision and round.
type Acknowledged = (String, (u64, u64));
/// What was acknowledged last for each key.
type Promised = BTreeMap<String, (u64, u64)>;

/// Writes until the power goes or the disk fails; gives what was acknowledged, and how long the process outlived its disk.
fn write_until_the_end(disk: &Disk, cut: u64, fails: bool) -> (Vec<Acknowledged>, Option<Duration>) {
    let torture = std::env::current_exe().expect("this program").with_file_name("torture");
    let mut writer = Command::new(torture)
        .args([path(&disk.store()), "write", WRITERS])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the example torture, built beside this one");
    let out = BufReader::new(writer.stdout.take().expect("its output"));
    let reader = std::thread::spawn(move || {
        let acknowledged = |line: String| {
            let mut words = line.split(' ');
            let (key, revision, round) = (words.next()?, words.next()?, words.next()?);
            Some((key.to_owned(), (revision.parse().ok()?, round.parse().ok()?)))
        };
        out.lines().map_while(Result::ok).filter_map(acknowledged).collect::<Vec<_>>()
    });
    // Long enough for some starts, short enough to hit flushes and cuts of the log as well.
    sleep(Duration::from_millis(300 + cut * 7_919 % 1_900));
    let mut unsynced = fs::File::create(disk.mounted().join("unsynced")).expect("a file");
    unsynced.write_all(b"nobody syncs this").expect("a file");
    let mut outlived = None;
    if fails {
        fs::write(disk.directory.join("trigger"), "").expect("a trigger");
        let began = SystemClock.now();
        while writer.try_wait().expect("a child").is_none() && SystemClock.now() - began < PATIENCE {
            sleep(Duration::from_millis(5));
        }
        outlived = Some(SystemClock.now() - began);
    }
    disk.cut_power();
    // A process that has ended by itself cannot be killed.
    let _ = writer.kill();
    writer.wait().expect("a child");
    (reader.join().expect("the reader"), outlived)
}

/// Opens the store and counts the acknowledged writes that are not there.
fn check(disk: &Disk, promised: &Promised) -> u64 {
    if !disk.store().exists() {
        return 0;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(Options::new(disk.store())).expect("the store opens after a power cut");
        let state = store.read_barrier().await.expect("a lone node reads");
        let is_lost = |(name, (revision, round)): &(&String, &(u64, u64))| {
            let Some(entry) = state.get(&Key::new(name.as_str())) else { return true };
            let text = String::from_utf8_lossy(entry.bytes());
            let shown = text.split(' ').next().and_then(|round| round.parse::<u64>().ok());
            let is_same = entry.modified == *revision && shown == Some(*round);
            !is_same && entry.modified <= *revision
        };
        let lost = promised.iter().filter(is_lost).count() as u64;
        store.shutdown().await;
        lost
    })
}

/// The parts of which the disk is made.
struct Disk {
    directory: PathBuf,
    server: Child,
    device: String,
}

impl Disk {
    fn start(directory: &Path) -> Disk {
        let at = |name: &str| directory.join(name);
        fs::remove_file(at("trigger")).or_else(ignore).expect("no trigger");
        fs::write(at("file"), "").expect("a file");
        let trigger = format!("error-file={}", path(&at("trigger")));
        let server = Command::new("nbdfuse")
            .args([path(&at("file")), "[", "nbdkit", "--exit-with-parent", "--foreground"])
            .args(["--filter=cache", "--filter=error", "file", path(&at("image")), "cache=writeback"])
            .args(["error=EIO", "error-rate=100%", &trigger, "]"])
            .stderr(Stdio::null())
            .spawn()
            .expect("nbdfuse");
        let began = SystemClock.now();
        while fs::metadata(at("file")).map_or(0, |file| file.len()) != IMAGE_BYTES {
            assert!(SystemClock.now() - began < PATIENCE, "nbdfuse shows no disk");
            sleep(Duration::from_millis(20));
        }
        let device = run("losetup", &["--find", "--show", path(&at("file"))]).trim().to_owned();
        run("mount", &[&device, path(&at("mounted"))]);
        Disk { directory: directory.to_owned(), server, device }
    }

    fn mounted(&self) -> PathBuf {
        self.directory.join("mounted")
    }

    fn store(&self) -> PathBuf {
        self.mounted().join("store")
    }

    fn cut_power(&self) {
        let server = self.server.id();
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).expect("nbdkit");
        for child in children.split_whitespace() {
            run("kill", &["-9", child]);
        }
    }

    /// Takes everything down; nothing of it reaches the image any more.
    fn end(mut self) {
        self.cut_power_if_on();
        run("umount", &["--lazy", path(&self.mounted())]);
        run("losetup", &["--detach", &self.device]);
        run("umount", &["--lazy", path(&self.directory.join("file"))]);
        // It may have ended with nbdkit.
        let _ = self.server.kill();
        self.server.wait().expect("nbdfuse");
    }

    fn cut_power_if_on(&self) {
        let server = self.server.id();
        let children =
            fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap_or_default();
        if !children.trim().is_empty() {
            self.cut_power();
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of plain characters")
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
