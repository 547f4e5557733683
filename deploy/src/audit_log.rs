//! The log of requests: `--audit-policy-file` says which, `--audit-log-path` where, and the other flags how much is kept.
//!
//! Keeps: a line is in the file, for the system to write out, before its request is answered; a file that cannot be
//! written to stops no request, but the server's own log says so.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use pintle_apiserver::{
    audit::{Audit, Policy, Sink},
    clock::SystemClock,
};

use crate::{cli::AuditArgs, clock, error::Error};

/// The path that means standard output.
const STANDARD_OUTPUT: &str = "-";
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// As the names of what was put aside say when that was, in UTC.
const NAME_TIME: &str = "%Y-%m-%dT%H-%M-%S.%3f";

/// Who records requests, if anybody shall.
pub(crate) fn open(args: &AuditArgs) -> Result<Option<Arc<Audit>>, Error> {
    // One is not given without the other.
    let (Some(policy), Some(path)) = (&args.policy_file, &args.log_path) else { return Ok(None) };
    let text = fs::read(policy).map_err(|source| Error::AuditPolicyRead { path: policy.clone(), source })?;
    let policy = Policy::read(&text).map_err(|source| Error::AuditPolicy { path: policy.clone(), source })?;
    let sink: Box<dyn Sink> = if path == Path::new(STANDARD_OUTPUT) {
        Box::new(StandardOutput)
    } else {
        Box::new(Log::open(path, args).map_err(|source| Error::AuditLog { path: path.clone(), source })?)
    };
    Ok(Some(Arc::new(Audit::new(policy, sink, Arc::new(SystemClock::default())))))
}

struct StandardOutput;

impl Sink for StandardOutput {
    fn write(&self, line: &[u8]) {
        // Whoever closed it does not want to know.
        let _ = io::stdout().lock().write_all(line);
    }
}

/// A file that is put aside when it has become large.
struct Log {
    path: PathBuf,
    bytes_max: u64,
    /// Files put aside that are kept; 0 for all.
    kept_max: usize,
    /// How long they are kept; zero for ever.
    age_max: SignedDuration,
    current: Mutex<Current>,
}

struct Current {
    file: File,
    bytes: u64,
    /// The last line could not be written.
    fails: bool,
}

impl Log {
    fn open(path: &Path, args: &AuditArgs) -> io::Result<Log> {
        let current = Mutex::new(Current::open(path)?);
        Ok(Log {
            path: path.to_owned(),
            bytes_max: u64::from(args.log_maxsize) << 20,
            kept_max: args.log_maxbackup,
            age_max: DAY * i32::try_from(args.log_maxage).unwrap_or(i32::MAX),
            current,
        })
    }

    fn append(&self, current: &mut Current, line: &[u8]) -> io::Result<()> {
        if current.bytes > 0 && current.bytes + line.len() as u64 > self.bytes_max {
            // The line is written in any case, if need be to the file that is open.
            self.put_aside(current)
                .unwrap_or_else(|error| self.complain("the file cannot be put aside", &error));
        }
        let written = current.file.write_all(line);
        match &written {
            Ok(()) => current.bytes += line.len() as u64,
            // Half a line would spoil the next one.
            Err(_) => drop(current.file.set_len(current.bytes)),
        }
        written
    }

    fn put_aside(&self, current: &mut Current) -> io::Result<()> {
        let time = clock::now().strftime(NAME_TIME).to_string();
        match fs::rename(&self.path, self.aside(&time)) {
            // Somebody else has put it aside.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        *current = Current { fails: current.fails, ..Current::open(&self.path)? };
        self.forget().unwrap_or_else(|error| self.complain("what was put aside cannot be removed", &error));
        Ok(())
    }

    fn complain(&self, what: &str, error: &io::Error) {
        tracing::warn!(path = %self.path.display(), %error, "audit log: {what}");
    }

    /// The path of what was put aside at a time.
    fn aside(&self, time: &str) -> PathBuf {
        let (start, end) = self.name();
        self.path.with_file_name(format!("{start}{time}{end}"))
    }

    /// What stands before and behind the time in such names.
    fn name(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let end = self.path.extension().map(|_| format!(".{}", text(self.path.extension())));
        (format!("{}-", text(self.path.file_stem())), end.unwrap_or_default())
    }

    /// Removes what was put aside and is too old, or too much.
    fn forget(&self) -> io::Result<()> {
        let (start, end) = self.name();
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut times = Vec::new();
        for entry in fs::read_dir(directory.unwrap_or(Path::new(".")))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let time = name.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&end));
            let aside = time.and_then(|time| Some((at(time)?, time.to_owned())));
            times.extend(aside);
        }
        times.sort_unstable();
        let oldest = clock::now().checked_sub(self.age_max).ok().filter(|_| !self.age_max.is_zero());
        let too_many = if self.kept_max == 0 { 0 } else { times.len().saturating_sub(self.kept_max) };
        for (i, (time, name)) in times.into_iter().enumerate() {
            if i < too_many || oldest.is_some_and(|oldest| time < oldest) {
                fs::remove_file(self.aside(&name))?;
            }
        }
        Ok(())
    }
}

/// The time in the name of a file put aside.
fn at(text: &str) -> Option<Timestamp> {
    let time = jiff::civil::DateTime::strptime("%Y-%m-%dT%H-%M-%S%.f", text).ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

impl Current {
    fn open(path: &Path) -> io::Result<Current> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Current { file, bytes, fails: false })
    }
}

impl Sink for Log {
    fn write(&self, line: &[u8]) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.append(&mut current, line);
        if let Err(error) = &written
            && !current.fails
        {
            tracing::error!(path = %self.path.display(), %error, "requests are not recorded");
        }
        current.fails = written.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(directory: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let text = fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), text)
            })
            .collect();
        files.sort();
        files
    }

    fn log(path: &Path, args: AuditArgs) -> Log {
        let log = Log::open(path, &args).unwrap();
        Log { bytes_max: 8, ..log }
    }

    #[test]
    fn a_large_file_is_put_aside_and_the_oldest_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        for old in ["2020-01-01T00-00-00.000", "2020-01-02T00-00-00.000", "not-a-time"] {
            fs::write(directory.path().join(format!("audit-{old}.log")), "old").unwrap();
        }
        fs::write(&path, "first\n").unwrap();
        let log = log(&path, AuditArgs { log_maxbackup: 2, ..AuditArgs::default() });
        log.write(b"2\n");
        log.write(b"third\n");
        let files = files(directory.path());
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "audit-2020-01-02T00-00-00.000.log");
        assert_eq!(names[2..], ["audit-not-a-time.log", "audit.log"]);
        assert_eq!((files[1].1.as_str(), files[3].1.as_str()), ("first\n2\n", "third\n"));
    }

    #[test]
    fn a_file_that_somebody_moved_is_made_anew_and_what_cannot_be_removed_stops_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let stuck = directory.path().join("audit-2020-01-01T00-00-00.000.log");
        fs::create_dir(&stuck).unwrap();
        let log = log(&path, AuditArgs { log_maxbackup: 1, ..AuditArgs::default() });
        log.write(b"12345678\n");
        fs::rename(&path, directory.path().join("elsewhere")).unwrap();
        log.write(b"2\n");
        log.write(b"3\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "2\n3\n");
        log.write(b"12345678\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "12345678\n");
        assert!(stuck.exists());
    }

    #[test]
    fn what_is_too_old_goes_and_a_log_without_an_extension_has_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit");
        fs::write(directory.path().join("audit-2020-01-02T00-00-00.000"), "old").unwrap();
        let log = log(&path, AuditArgs { log_maxage: 30, ..AuditArgs::default() });
        log.write(b"12345678\n");
        log.write(b"9\n");
        let files = files(directory.path());
        assert_eq!(files.len(), 2, "{files:?}");
        assert!(files.iter().all(|(name, _)| !name.contains("2020")));
    }
}
