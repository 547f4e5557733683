//! The end of the process, when going on could lose or falsify data.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

/// Ends the process with a clear message. After a failed write or sync nothing may be retried: the kernel reports
/// the next sync as fine while the data is gone.
pub(crate) fn fatal(what: impl Display) -> ! {
    let message = format!("the store cannot go on and ends this process: {what}");
    tracing::error!("{message}");
    eprintln!("pintle: {message}");
    std::process::abort()
}

/// Starts a thread whose panic ends the process: a store without one of its threads must not stay half alive.
pub(crate) fn spawn(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            fatal(format_args!("the thread {name} panicked"));
        }
    })
}
