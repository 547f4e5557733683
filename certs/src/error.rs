//! What can go wrong with certificates and their files, each with the sentence that an operator needs.

use std::{io, path::PathBuf};

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a certificate, key or kubeconfig could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{path} cannot be read ({source}): make it readable for the user that runs pintle", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{path} cannot be written ({source}): make its directory writable for the user that runs pintle, or choose another one with --data-dir", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The stream that a kubeconfig should go to did not take it.
    #[error("the kubeconfig cannot be written: {0}")]
    Output(io::Error),
    /// An authority has a certificate, but the key to sign with is missing.
    #[error("{path} is missing although its certificate is there: put the key back, or remove the certificate to have a new authority made (existing clients will not trust it)", path = path.display())]
    KeyMissing {
        /// The file that should hold the key.
        path: PathBuf,
    },
    /// There is no authority here to sign with.
    #[error("{path} does not exist: start `pintle server` once with this data directory, it makes the certificates", path = path.display())]
    AuthorityMissing {
        /// The file that should hold the authority's certificate.
        path: PathBuf,
    },
    /// A file is not what its name says.
    #[error("{path} does not hold {expected}: restore it from a backup, or remove it to have a new one made", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was looked for in it.
        expected: &'static str,
    },
    /// A certificate and a key that should belong together do not.
    #[error("{path} does not belong to the certificate beside it: restore both from the same backup", path = path.display())]
    KeyMismatch {
        /// The file with the key.
        path: PathBuf,
    },
    /// An authority's validity is over.
    #[error("the certificate authority {path} has expired: remove it and its key to have a new one made, then hand out new kubeconfigs", path = path.display())]
    Expired {
        /// The file with the certificate.
        path: PathBuf,
    },
    /// The file that kubelets are to be checked against holds no authority.
    #[error("{path} holds no certificates in PEM form: name the file with the authority that signs the kubelets' serving certificates", path = path.display())]
    KubeletAuthority {
        /// The file.
        path: PathBuf,
    },
    /// A host name, user or group that cannot stand in a certificate.
    #[error("{name:?} cannot stand in a certificate: {why}")]
    Name {
        /// The name as given.
        name: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A join token that is none.
    #[error(
        "a join token has the form abcdef.0123456789abcdef, in lower case: copy it whole from `pintle token create`"
    )]
    Token,
    /// The hash of an authority that is none.
    #[error(
        "the hash of an authority has the form sha256: and 64 hexadecimal digits: copy it whole from `pintle token create --print-join-command`"
    )]
    AuthorityHash,
    /// The authorities of a cluster were not received whole.
    #[error(
        "what the other node sent cannot be used: {0}; join again, with the same version of pintle on both nodes"
    )]
    Bundle(&'static str),
    /// The other side has another authority than the operator named.
    #[error(
        "the authority of the other node does not have the hash {expected}: somebody else may be answering there, or the hash is of another cluster; copy the whole command from `pintle token create --print-join-command`"
    )]
    WrongAuthority {
        /// The hash that the operator gave.
        expected: String,
    },
    /// The directory belongs to another cluster.
    #[error("{path} belongs to another cluster: join with an empty data directory", path = path.display())]
    OtherCluster {
        /// The file that differs.
        path: PathBuf,
    },
    /// There is no certificate of this name, or it is an authority's.
    #[error("{name} cannot be renewed: only {} can; an authority is replaced by removing its files", crate::Inventory::renewable().collect::<Vec<_>>().join(", "))]
    NotRenewable {
        /// The name as given.
        name: String,
    },
    /// A certificate that should be renewed is not there.
    #[error("{path} does not exist: start `pintle server` with this data directory, it makes what it needs", path = path.display())]
    LeafMissing {
        /// The file that should hold it.
        path: PathBuf,
    },
    /// The server address of a kubeconfig is not an https URL.
    #[error("{url:?} is not the address of an API server: give it as https://HOST:PORT")]
    ServerUrl {
        /// The address as given.
        url: String,
    },
    /// The cryptographic library refused; keys it made itself should never cause this.
    #[error("a certificate could not be made: {0}")]
    Crypto(String),
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Error {
        Error::Crypto(error.to_string())
    }
}

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Error {
        Error::Crypto(error.to_string())
    }
}
