//! Private files, written together. Keeps: a file is absent, whole and old, or whole and new, also after a crash,
//! and nobody but its owner could read it at any moment.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{Error, Result};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Files to be written as one: all contents reach the disk before the first file gets its name, and the names are
/// given in the order of `add`. So a key that is added before its certificate is there whenever the certificate is.
#[derive(Default)]
pub(crate) struct Batch {
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Batch {
    pub(crate) fn add(&mut self, path: PathBuf, content: impl Into<Vec<u8>>) {
        self.files.push((path, content.into()));
    }

    pub(crate) fn commit(self) -> Result<()> {
        let directories: BTreeSet<&Path> = self.files.iter().filter_map(|(path, _)| path.parent()).collect();
        for directory in &directories {
            let created = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
            created.map_err(|source| write_error(directory, source))?;
        }
        let mut written = Vec::with_capacity(self.files.len());
        for (path, content) in &self.files {
            let temporary = temporary(path);
            let file = write(&temporary, content).map_err(|source| write_error(path, source))?;
            written.push((path, temporary, file));
        }
        // Writing everything first lets the file system put all files into one journal commit.
        for (path, _, file) in &written {
            file.sync_all().map_err(|source| write_error(path, source))?;
        }
        for (path, temporary, _) in &written {
            fs::rename(temporary, path).map_err(|source| write_error(path, source))?;
        }
        for directory in &directories {
            let synced = File::open(directory).and_then(|directory| directory.sync_all());
            synced.map_err(|source| write_error(directory, source))?;
        }
        Ok(())
    }
}

/// Reads a text file; `None` when it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

fn write(temporary: &Path, content: &[u8]) -> io::Result<File> {
    // A file left over by a crash may have other permissions; only a new one has ours from its first moment.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(temporary)?;
    file.write_all(content)?;
    Ok(file)
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn write_error(path: &Path, source: io::Error) -> Error {
    Error::Write { path: path.to_owned(), source }
}
