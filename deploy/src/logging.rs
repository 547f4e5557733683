//! Log lines on standard error, and what happens on a panic. Keeps: a panic anywhere ends the process, because a
//! thread of the store that is gone without the others noticing would be worse than a restart. The interpreter of users'
//! rules is the exception: it holds nothing of ours.

use std::{io::IsTerminal, panic, process};

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// Starts logging. `RUST_LOG` may change what is logged; by default information, warnings and errors.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if pintle_apiserver::cel::is_guarded() {
            return tracing::error!(place, "a rule cannot be evaluated: {message}");
        }
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(thread, place, "panic, the process ends: {message}");
        process::abort();
    }));
}
