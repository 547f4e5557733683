//! `pintle snapshot`: the whole cluster in a file. Keeps: a file has its name only when it is whole, checked and on the
//! disk.

use std::{
    fs::{self, File},
    io::{self, BufReader, IsTerminal as _, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use pintle_store::{BackupInfo, inspect_backup, restore_backup};
use serde::Serialize;

use crate::{
    cli::{OutputFormat, SnapshotArgs, SnapshotCommand, SnapshotRestoreArgs, SnapshotSaveArgs},
    client::Client,
    clock,
    error::Error,
    layout,
    print::print,
    size::Size,
    table, wire,
};

/// After how many bytes the progress is shown again.
const PROGRESS_BYTES: u64 = 8 << 20;

pub(crate) fn run(args: &SnapshotArgs) -> Result<(), Error> {
    match &args.command {
        SnapshotCommand::Save(args) => save(args),
        SnapshotCommand::Restore(args) => restore(args),
        SnapshotCommand::Status { file, output } => {
            let report = Report::of(&inspect(file)?);
            super::show(&report, *output, Report::table)
        }
    }
}

fn save(args: &SnapshotSaveArgs) -> Result<(), Error> {
    let file = &args.file;
    if file.exists() {
        return Err(Error::FileExists { path: file.clone() });
    }
    let partial = Partial::create(file)?;
    super::ask(&args.cluster, async |client, _| receive(&client, &partial).await)?;
    // What the disk holds is checked, not what was meant to be written.
    let info = inspect(&partial.path)?;
    partial.finish(file)?;
    print(&format!("{} saved\n", file.display()));
    super::show(&Report::of(&info), OutputFormat::Table, Report::table)
}

async fn receive(client: &Client, partial: &Partial) -> Result<(), Error> {
    let expected = client.get::<wire::StatusReport>(wire::STATUS).await?.stored_bytes;
    let answer = client.send(Method::GET, wire::SNAPSHOT, Bytes::new()).await?;
    let mut body = answer.into_body();
    let mut progress = Progress { expected, ..Progress::default() };
    while let Some(frame) = body.frame().await {
        let broken = |error: hyper::Error| crate::client::ClientError::Broken {
            address: client.address.clone(),
            why: error.to_string(),
        };
        let frame = frame.map_err(broken)?;
        let Some(data) = frame.data_ref() else { continue };
        (&partial.file).write_all(data).map_err(|source| partial.failed(source))?;
        progress.add(data.len());
    }
    progress.end();
    partial.file.sync_all().map_err(|source| partial.failed(source))
}

/// A file that has not its final name yet; it is removed unless it gets it.
struct Partial {
    path: PathBuf,
    file: File,
    finished: std::cell::Cell<bool>,
}

impl Partial {
    fn create(target: &Path) -> Result<Partial, Error> {
        let mut name = target.as_os_str().to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let path = PathBuf::from(name);
        // Everything stored may be secret.
        let opened = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
        match opened {
            Ok(file) => Ok(Partial { path, file, finished: false.into() }),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::File { path: self.path.clone(), source }
    }

    fn finish(&self, target: &Path) -> Result<(), Error> {
        let finish = || -> io::Result<()> {
            fs::rename(&self.path, target)?;
            let directory = target.parent().filter(|path| !path.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        };
        finish().map_err(|source| Error::File { path: target.to_owned(), source })?;
        self.finished.set(true);
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.finished.get() {
            // A file that cannot be removed is recognised by its name.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn restore(args: &SnapshotRestoreArgs) -> Result<(), Error> {
    // Nothing is made of a file that is not whole.
    inspect(&args.file)?;
    let mut input = open(&args.file)?;
    let mut options = pintle_store::Options::new(&args.data_dir);
    options.companions = layout::companions();
    let now = u64::try_from(clock::now().as_second()).unwrap_or(0);
    let mut progress = Progress::default();
    let mut shown = 0;
    let restored = restore_backup(&options, now, &mut input, &mut |revision, last| {
        let percent = revision.saturating_mul(100).checked_div(last).unwrap_or(100);
        if percent >= shown + 10 {
            shown = percent;
            progress.show(&format!("{percent} %"));
        }
    });
    progress.end();
    let info = restored.map_err(|source| Error::Backup { path: args.file.clone(), source })?;
    let directory = args.data_dir.display();
    print(&format!(
        "restored {} records into {directory}, a new cluster of one node whose revisions go on above those of the old \
         one\n",
        info.records
    ));
    if !layout::pki(&args.data_dir).exists() {
        print(&format!(
            "copy the directory `pki` of the old cluster into {directory} before the first start, or clients and \
             service accounts will have to be given new credentials\n"
        ));
    }
    Ok(())
}

fn inspect(path: &Path) -> Result<BackupInfo, Error> {
    let mut input = open(path)?;
    inspect_backup(&mut input).map_err(|source| Error::Backup { path: path.to_owned(), source })
}

fn open(path: &Path) -> Result<impl Read, Error> {
    let file = File::open(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

/// What is known of a snapshot.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    revision: u64,
    floor: u64,
    saved_at: String,
    records: u64,
    bytes: u64,
    hash: String,
}

impl Report {
    fn of(info: &BackupInfo) -> Report {
        let saved_at = i64::try_from(info.saved_at).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        Report {
            revision: info.revision,
            floor: info.floor,
            saved_at: saved_at.map_or("-".to_owned(), |at| at.to_string()),
            records: info.records,
            bytes: info.bytes,
            hash: format!("{:016x}", info.hash),
        }
    }

    fn table(&self) -> String {
        let heading = table::row(["REVISION", "FLOOR", "SAVED AT", "RECORDS", "SIZE", "HASH"]);
        let row = vec![
            self.revision.to_string(),
            self.floor.to_string(),
            self.saved_at.clone(),
            self.records.to_string(),
            Size(self.bytes).to_string(),
            self.hash.clone(),
        ];
        table::table(&[heading, row])
    }
}

/// Progress on standard error, for people who look at it.
#[derive(Default)]
struct Progress {
    bytes: u64,
    expected: u64,
    shown: u64,
    line: bool,
}

impl Progress {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.bytes - self.shown >= PROGRESS_BYTES {
            self.shown = self.bytes;
            self.show(&format!("{} of about {}", Size(self.bytes), Size(self.expected.max(self.bytes))));
        }
    }

    fn show(&mut self, text: &str) {
        let mut stderr = io::stderr().lock();
        if stderr.is_terminal() {
            // A closed standard error is no reason to stop.
            let _ = write!(stderr, "\r{text}   ");
            self.line = true;
        } else {
            let _ = writeln!(stderr, "{text}");
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.line) {
            eprintln!();
        }
    }
}
