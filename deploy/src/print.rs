//! Standard output.

use std::io::{self, Write};

/// A closed standard output is no error: whoever reads has seen enough.
pub(crate) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
