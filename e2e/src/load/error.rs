//! Why a scenario could not be measured.

use std::io;

/// The result of every fallible function of the load program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a scenario could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, socket or process did not do what was asked.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The kubeconfig's certificates or address cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Connection(#[from] hyper::Error),
    /// The server answered something else than what the scenario expects.
    #[error("{request} answered {status}: {body}")]
    Answer {
        /// Method and path.
        request: String,
        /// The HTTP status.
        status: http::StatusCode,
        /// The beginning of the body.
        body: String,
    },
    /// A successful answer does not have what every API server's answer has.
    #[error("{0}")]
    Unreadable(&'static str),
    /// Not every watcher got every event in time.
    #[error("{delivered} of {expected} events were delivered within the limit")]
    Undelivered {
        /// Events received by all watchers.
        delivered: usize,
        /// Events that should have been received.
        expected: usize,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }
}
