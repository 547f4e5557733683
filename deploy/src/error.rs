//! Why `pintle` did not start or stopped: one sentence each that says what to do.

use std::{io, net::SocketAddr, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Store(#[from] pintle_store::OpenError),
    #[error(
        "{address} is already in use: stop the program that listens there, or choose another address with --listen"
    )]
    AddressInUse { address: SocketAddr },
    #[error("{address} cannot be listened on ({source}): choose another address with --listen")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("{0}")]
    Certificates(#[from] pintle_certs::Error),
    #[error("{0}: restore sa.key and sa.pub of the data directory's pki from a backup")]
    ServiceAccountKeys(pintle_apiserver::service_account::KeyError),
    #[error("{path} does not say which server to use: give its address with --server https://HOST:PORT", path = path.display())]
    ServerUnknown { path: PathBuf },
    #[error("{source} (--service-cidr)")]
    ServiceCidr { source: pintle_apiserver::cluster::NotANetwork },
    #[error(
        "the objects that every cluster has could not be written ({0}): see the log above, then start again"
    )]
    Bootstrap(pintle_apiserver::status::Error),
    #[error("the program's threads cannot be started ({0}): raise the process limits of this user")]
    Runtime(io::Error),
}
