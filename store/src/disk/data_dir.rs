//! The data directory of a store: its lock, its identity and its layout.
//!
//! Keeps: one process at a time; nothing is written into a directory that is not empty and not ours; the identity
//! is written last at the first start, so a directory with an identity is complete.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{DiskError, OpenError};

const FORMAT: u32 = 1;
const LOCK_FILE: &str = "store.lock";
const IDENTITY_FILE: &str = "store.identity";
const UNFINISHED_FILE: &str = "store.unfinished";
const WATERMARK_FILE: &str = "store.watermark";
const LOG_DIRECTORY: &str = "log";
const STATE_DIRECTORY: &str = "state";

/// Which cluster and which node a directory belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: u64,
    pub(crate) node: u64,
}

/// A locked data directory.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    identity: Option<Identity>,
    /// The lock lasts as long as the file is open. A simulated disk needs none.
    _lock: Option<File>,
}

impl DataDir {
    /// Checks and locks a directory, making it when it does not exist.
    pub(crate) fn claim(path: &Path, companions: &[String]) -> Result<DataDir, OpenError> {
        make_directory(path)?;
        let names = names_in(path)?;
        let ours = names.iter().any(|name| name == IDENTITY_FILE || name == UNFINISHED_FILE);
        let foreign = names.iter().find(|name| !allowed_beside(name, companions));
        if let (false, Some(found)) = (ours, foreign) {
            return Err(refuse(path, found));
        }
        let identity = read_identity(path)?;
        let lock = lock(path)?;
        if identity.is_none() {
            // A start that ended before the identity was written acknowledged nothing: begin again.
            remove_unfinished(path).map_err(|error| classify(path, "remove an unfinished store", error))?;
        }
        Ok(DataDir { path: path.to_owned(), identity, _lock: Some(lock) })
    }

    /// The identity in a directory that may be a store; it is neither locked nor changed.
    pub(crate) fn look(path: &Path, companions: &[String]) -> Result<Option<Identity>, OpenError> {
        if !path.try_exists().map_err(|error| classify(path, "look at the directory", error))? {
            return Ok(None);
        }
        let names = names_in(path)?;
        let ours = names.iter().any(|name| name == IDENTITY_FILE || name == UNFINISHED_FILE);
        let foreign = names.iter().find(|name| !allowed_beside(name, companions));
        match foreign {
            Some(found) if !ours => Err(refuse(path, found)),
            _ => read_identity(path),
        }
    }

    /// A directory that only a simulated engine knows.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn simulated(path: &Path, identity: Identity) -> DataDir {
        DataDir { path: path.to_owned(), identity: Some(identity), _lock: None }
    }

    /// None until the first start has finished.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log_directory(&self) -> PathBuf {
        self.path.join(LOG_DIRECTORY)
    }

    pub(crate) fn state_directory(&self, name: &str) -> PathBuf {
        self.path.join(STATE_DIRECTORY).join(name)
    }

    /// The directory that holds the states.
    pub(crate) fn states_directory(&self) -> PathBuf {
        self.path.join(STATE_DIRECTORY)
    }

    pub(crate) fn watermark_file(&self) -> PathBuf {
        self.path.join(WATERMARK_FILE)
    }

    /// Marks the directory as ours before anything else is put into it.
    pub(crate) fn begin(&self) -> Result<(), OpenError> {
        let begin = || -> io::Result<()> {
            write_synced(&self.path.join(UNFINISHED_FILE), b"")?;
            sync_directory(&self.path)?;
            // Stored objects may be secret: nobody else may list or read these.
            create_private(&self.path.join(LOG_DIRECTORY))?;
            create_private(&self.path.join(STATE_DIRECTORY))
        };
        begin().map_err(|error| classify(&self.path, "prepare the directory", error))
    }

    /// Writes the identity: from now on the directory is a store.
    pub(crate) fn finish(&mut self, identity: Identity) -> Result<(), OpenError> {
        let finish = || -> io::Result<()> {
            let temporary = self.path.join(format!("{IDENTITY_FILE}.new"));
            write_synced(&temporary, encode_identity(identity).as_bytes())?;
            fs::rename(&temporary, self.path.join(IDENTITY_FILE))?;
            sync_directory(&self.path.join(STATE_DIRECTORY))?;
            sync_directory(&self.path)?;
            fs::remove_file(self.path.join(UNFINISHED_FILE))
        };
        finish().map_err(|error| classify(&self.path, "write the identity", error))?;
        self.identity = Some(identity);
        Ok(())
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> OpenError {
        OpenError::Damaged { directory: self.path.clone(), what: what.into() }
    }

    /// The log is damaged; whether the node was its cluster's only one is told when it is known.
    pub(crate) fn log_damaged(&self, what: impl Into<String>, alone: Option<bool>) -> OpenError {
        let node = self.identity.map_or(0, |identity| identity.node);
        OpenError::LogDamaged { directory: self.path.clone(), node, what: what.into(), alone }
    }

    pub(crate) fn disk(&self, source: DiskError) -> OpenError {
        OpenError::Disk { directory: self.path.clone(), source }
    }
}

/// Whether a name may stand in a directory that is about to become a store.
fn allowed_beside(name: &str, companions: &[String]) -> bool {
    name == LOCK_FILE || name == "lost+found" || companions.iter().any(|companion| companion == name)
}

/// A directory with parts of a store but without identity has lost it; anything else is foreign.
fn refuse(path: &Path, found: &str) -> OpenError {
    if [LOG_DIRECTORY, STATE_DIRECTORY, WATERMARK_FILE].iter().all(|name| path.join(name).exists()) {
        let what = format!("the file {IDENTITY_FILE} is missing");
        return OpenError::Damaged { directory: path.to_owned(), what };
    }
    OpenError::Foreign { directory: path.to_owned(), found: found.to_owned() }
}

fn make_directory(path: &Path) -> Result<(), OpenError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(OpenError::NotADirectory(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create_private(path).map_err(|error| match error.kind() {
                ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                    OpenError::NotADirectory(path.to_owned())
                }
                _ => classify(path, "create the directory", error),
            })
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            Err(OpenError::NotADirectory(path.to_owned()))
        }
        Err(_) => Err(OpenError::Unreadable(path.to_owned())),
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn names_in(path: &Path) -> Result<Vec<String>, OpenError> {
    let unreadable = |_| OpenError::Unreadable(path.to_owned());
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn read_identity(path: &Path) -> Result<Option<Identity>, OpenError> {
    match fs::read_to_string(path.join(IDENTITY_FILE)) {
        Ok(text) => decode_identity(path, &text).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(OpenError::Unreadable(path.to_owned()))
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(identity_damaged(path)),
        Err(error) => Err(classify(path, "read the identity", error)),
    }
}

fn identity_damaged(path: &Path) -> OpenError {
    OpenError::Damaged { directory: path.to_owned(), what: format!("the file {IDENTITY_FILE} is not valid") }
}

fn encode_identity(identity: Identity) -> String {
    let body =
        format!("pintle-store {FORMAT}\ncluster {:016x}\nnode {:016x}\n", identity.cluster, identity.node);
    let sum = crc32fast::hash(body.as_bytes());
    format!("{body}sum {sum:08x}\n")
}

fn decode_identity(path: &Path, text: &str) -> Result<Identity, OpenError> {
    let format = text.strip_prefix("pintle-store ").and_then(|rest| rest.lines().next());
    let found: u32 = format.and_then(|format| format.parse().ok()).ok_or_else(|| identity_damaged(path))?;
    if found > FORMAT {
        return Err(OpenError::TooNew { directory: path.to_owned(), found, known: FORMAT });
    }
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let identity = number("cluster ").zip(number("node "));
    let identity = identity.map(|(cluster, node)| Identity { cluster, node });
    identity.filter(|identity| encode_identity(*identity) == text).ok_or_else(|| identity_damaged(path))
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false);
    let file =
        options.open(path.join(LOCK_FILE)).map_err(|error| classify(path, "open the lock file", error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(classify(path, "lock the directory", error)),
    }
}

fn remove_unfinished(path: &Path) -> io::Result<()> {
    for directory in [LOG_DIRECTORY, STATE_DIRECTORY] {
        ignore_missing(fs::remove_dir_all(path.join(directory)))?;
    }
    ignore_missing(fs::remove_file(path.join(WATERMARK_FILE)))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Turns a system error into what the operator can do about it.
fn classify(path: &Path, action: &'static str, error: io::Error) -> OpenError {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OpenError::ReadOnly(path.to_owned()),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => OpenError::Full(path.to_owned()),
        _ => OpenError::Disk { directory: path.to_owned(), source: DiskError::io(action)(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(path: &Path) -> Result<DataDir, OpenError> {
        DataDir::claim(path, &["pki".to_owned()])
    }

    #[test]
    fn an_empty_directory_with_companions_is_taken() {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(directory.path().join("pki")).expect("companion");
        assert!(claim(directory.path()).is_ok_and(|claimed| claimed.identity().is_none()));
    }

    #[test]
    fn a_foreign_directory_is_left_alone() {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::write(directory.path().join("thesis.txt"), "x").expect("file");
        assert!(
            matches!(claim(directory.path()), Err(OpenError::Foreign { found, .. }) if found == "thesis.txt")
        );
        assert_eq!(names_in(directory.path()).expect("names"), ["thesis.txt"]);
    }

    #[test]
    fn a_second_claim_is_refused_while_the_first_lives() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let first = claim(directory.path()).expect("first");
        assert!(matches!(claim(directory.path()), Err(OpenError::InUse(_))));
        drop(first);
        assert!(claim(directory.path()).is_ok());
    }

    #[test]
    fn identity_survives_and_a_changed_one_is_damage() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let identity = Identity { cluster: 7, node: 9 };
        let mut data_dir = claim(directory.path()).expect("claim");
        data_dir.begin().expect("begin");
        data_dir.finish(identity).expect("finish");
        drop(data_dir);
        assert_eq!(claim(directory.path()).expect("claim").identity(), Some(identity));
        let file = directory.path().join(IDENTITY_FILE);
        let text = fs::read_to_string(&file).expect("read");
        fs::write(&file, text.replace("node 0000", "node 0001")).expect("write");
        assert!(matches!(claim(directory.path()), Err(OpenError::Damaged { .. })));
        fs::write(&file, text.replace("pintle-store 1", "pintle-store 2")).expect("write");
        assert!(matches!(claim(directory.path()), Err(OpenError::TooNew { found: 2, .. })));
    }

    #[test]
    fn an_unfinished_first_start_begins_again() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let data_dir = claim(directory.path()).expect("claim");
        data_dir.begin().expect("begin");
        fs::write(data_dir.log_directory().join("half"), "").expect("half a log");
        drop(data_dir);
        let data_dir = claim(directory.path()).expect("claim");
        assert!(data_dir.identity().is_none() && !data_dir.log_directory().exists());
    }

    #[test]
    fn a_store_without_its_identity_is_damaged_not_new() {
        let directory = tempfile::tempdir().expect("temporary directory");
        for name in [LOG_DIRECTORY, STATE_DIRECTORY] {
            fs::create_dir(directory.path().join(name)).expect("directory");
        }
        fs::write(directory.path().join(WATERMARK_FILE), "").expect("file");
        assert!(matches!(claim(directory.path()), Err(OpenError::Damaged { .. })));
    }
}
