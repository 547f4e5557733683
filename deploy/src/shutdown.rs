//! The signals that end the server. Keeps: the first one ends it cleanly, the second one at once.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What shells report for a program ended by Ctrl-C.
const EXIT_CODE_INTERRUPTED: i32 = 130;

pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on signals no longer end the process by themselves.
    pub(crate) fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first signal; a second one then ends the process without waiting for anything.
    pub(crate) async fn received(mut self) {
        let name = self.next().await;
        tracing::info!(
            signal = name,
            "shutting down; in-flight requests finish, a second signal ends at once"
        );
        tokio::spawn(async move {
            let name = self.next().await;
            tracing::warn!(signal = name, "second signal, ending at once");
            process::exit(EXIT_CODE_INTERRUPTED);
        });
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
