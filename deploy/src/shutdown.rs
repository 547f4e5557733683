//! The signals that end the server. Keeps: the first one ends it cleanly, the second one at once.

use std::{io, process, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::error::Error;

/// What shells report for a program ended by Ctrl-C.
const EXIT_CODE_INTERRUPTED: i32 = 130;

/// Turns true with the first signal.
#[derive(Clone)]
pub(crate) struct Stop {
    told: watch::Receiver<bool>,
    tell: Arc<watch::Sender<bool>>,
}

impl Stop {
    /// From now on signals no longer end the process by themselves. Needs a tokio runtime.
    pub(crate) fn listen() -> Result<Stop, Error> {
        let signals = Signals::new().map_err(Error::Runtime)?;
        let (sender, told) = watch::channel(false);
        let tell = Arc::new(sender);
        let signalled = tell.clone();
        tokio::spawn(async move {
            signals.received().await;
            signalled.send_replace(true);
        });
        Ok(Stop { told, tell })
    }

    /// Stops as the first signal does.
    pub(crate) fn now(&self) {
        self.tell.send_replace(true);
    }

    /// Waits for the first signal.
    pub(crate) async fn received(mut self) {
        // The sender is gone only after it has sent.
        let _ = self.told.wait_for(|stop| *stop).await;
    }

    /// What `work` comes to, unless the signal is faster.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            _ = self.told.wait_for(|stop| *stop) => None,
            done = work => Some(done),
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first signal; a second one then ends the process without waiting for anything.
    async fn received(mut self) {
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
