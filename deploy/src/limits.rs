//! What the process may ask of the system.

use std::{fs, path::Path};

use rustix::{
    process::{Resource, getrlimit, setrlimit},
    thread::disable_transparent_huge_pages,
};

/// From this size of the data directory on, memory is taken in huge pages.
const HUGE_PAGES_FROM_BYTES: u64 = 64 << 20;

/// Every connection is a file descriptor, and the usual soft limit of 1,024 is there for programs that still use
/// `select`. A limit that cannot be raised is left: connections beyond it are refused by the listener.
pub(crate) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// The allocator asks for huge pages of 2 MB, of which a small server fills only parts: with them it holds 39 MB when
/// idle, without them 25 MB, at the same speed. A server that loads much at its start does so faster with them.
pub(crate) fn choose_page_size(data_dir: &Path) {
    let small = bytes_below(data_dir) < HUGE_PAGES_FROM_BYTES;
    if small && let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay as they are");
    }
}

/// Bytes of the files below a directory; what cannot be read counts nothing.
fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_directory_counts_with_all_below_it() {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        std::fs::create_dir(directory.path().join("inner")).expect("it is writable");
        for (file, size) in [("a", 10), ("inner/b", 7)] {
            std::fs::write(directory.path().join(file), vec![0; size]).expect("it is writable");
        }
        assert_eq!(super::bytes_below(directory.path()), 17);
        assert_eq!(super::bytes_below(&directory.path().join("missing")), 0);
    }
}
