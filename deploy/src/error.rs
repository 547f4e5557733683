//! Why `pintle` did not start or stopped: one sentence each that says what to do.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{address::HostPort, client::ClientError, node_id::NodeId};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Store(pintle_store::OpenError),
    /// A member whose log is damaged.
    #[error(
        "the log of member {node} in {directory} is damaged: {what}. Nothing was changed. It has promised things to the other members, so it cannot come back under its id, but it can join as a new member that takes its place: move the directory away (mv {directory} {directory}.damaged), run `pintle token create --print-join-command` on another member, and start this server with the --join, --token and --ca-cert-hash that this prints beside its own flags; if `pintle members` lists {node} after that, remove it there with `pintle member remove {node}`. If there is no other member, restore the last backup into an empty data directory with `pintle snapshot restore`",
        directory = directory.display()
    )]
    MustRejoin { node: NodeId, directory: PathBuf, what: String },
    #[error(
        "{address} is already in use: stop the program that listens there, or choose another address with {flag}"
    )]
    AddressInUse { address: SocketAddr, flag: &'static str },
    #[error("{address} cannot be listened on ({source}): choose another address with {flag}")]
    Listen { address: SocketAddr, flag: &'static str, source: io::Error },
    #[error("{0}")]
    Certificates(#[from] pintle_certs::Error),
    #[error("{0}: restore sa.key and sa.pub of the data directory's pki from a backup")]
    ServiceAccountKeys(pintle_apiserver::service_account::KeyError),
    #[error("{path} does not say which server to use: give its address with --server https://HOST:PORT", path = path.display())]
    ServerUnknown { path: PathBuf },
    #[error("{path} cannot be read ({source}): give another file with {flag}", path = path.display())]
    AuthenticationFile { path: PathBuf, flag: &'static str, source: io::Error },
    #[error("{path} (--authentication-config) cannot be used: {source}", path = path.display())]
    AuthenticationConfig { path: PathBuf, source: pintle_apiserver::authentication::oidc::ConfigError },
    #[error("{0}")]
    Oidc(String),
    #[error("the file of --authentication-config says who may be anonymous: leave --anonymous-auth out")]
    AnonymousTwice,
    #[error("the audit policy {path} cannot be read ({source}): give another file with --audit-policy-file", path = path.display())]
    AuditPolicyRead { path: PathBuf, source: io::Error },
    #[error("the audit policy {path} cannot be used: {source}", path = path.display())]
    AuditPolicy { path: PathBuf, source: pintle_apiserver::audit::PolicyError },
    #[error("{path} cannot be written to ({source}): give another file with --audit-log-path", path = path.display())]
    AuditLog { path: PathBuf, source: io::Error },
    #[error("{source} (--service-cidr)")]
    ServiceCidr { source: crate::service_networks::NotNetworks },
    #[error(
        "the objects that every cluster has could not be written ({0}): see the log above, then start again"
    )]
    Bootstrap(pintle_apiserver::status::Error),
    #[error(
        "{address} is every address of this machine: say with --peer-address HOST:PORT by which one other members reach it"
    )]
    PeerAddressUnknown { address: SocketAddr },
    #[error("the port for other members cannot be served ({0}): raise the process limits of this user")]
    Transport(io::Error),
    #[error("the port for load balancers cannot be served ({0}): raise the process limits of this user")]
    HealthPort(io::Error),
    #[error(
        "this node belongs to a cluster of several members: start it with --peer-listen ADDRESS:PORT, as before"
    )]
    PeerListenMissing,
    #[error("--election-timeout must be at least three times --heartbeat, which must be at least 3ms")]
    Timers,
    #[error("a node that joins needs a port for the other members: add --peer-listen ADDRESS:PORT")]
    JoinWithoutPeerPort,
    #[error(
        "joining needs --token and --ca-cert-hash: copy the whole command from `pintle token create --print-join-command`"
    )]
    JoinIncomplete,
    #[error(
        "the token is not known to the cluster, has expired or was deleted: make a new one with `pintle token create --print-join-command` on a member"
    )]
    JoinToken,
    #[error(
        "the cluster knows no token with the id {id}: it was deleted, or has expired long ago, or is another cluster's; make a new one with `pintle token create --print-join-command` on a member"
    )]
    JoinTokenUnknown { id: String },
    #[error(
        "the cluster knows the token {id} with another secret: copy the whole command again from `pintle token create --print-join-command`"
    )]
    JoinTokenSecret { id: String },
    #[error(
        "the token {id} expired at {expiration}: make a new one with `pintle token create --print-join-command` on a member"
    )]
    JoinTokenExpired { id: String, expiration: String },
    #[error(
        "the token is not one for joining the control plane: make one with `pintle token create --print-join-command` on a member"
    )]
    JoinForbidden,
    #[error("this node cannot join: {0}")]
    Join(ClientError),
    #[error(
        "the clocks of this machine and of {address} differ by {seconds} s: set both, for example with an NTP service, then start again"
    )]
    JoinClock { address: HostPort, seconds: u64 },
    #[error(
        "the cluster takes the addresses of Services from {cidr}: start this node with --service-cidr {cidr}"
    )]
    JoinServiceCidr { cidr: String },
    #[error("{path} cannot be read or written ({source}): make it accessible for the user that runs pintle, or remove the data directory to join anew", path = path.display())]
    JoinFile { path: PathBuf, source: io::Error },
    #[error("{path} cannot be read ({source}): name the administrator's kubeconfig with --kubeconfig, or the server's data directory with --data-dir", path = path.display())]
    KubeconfigRead { path: PathBuf, source: io::Error },
    #[error("{path} is not a kubeconfig with a server, its authority and a user: name another one with --kubeconfig", path = path.display())]
    KubeconfigMalformed { path: PathBuf },
    #[error("{0}")]
    Client(#[from] ClientError),
    #[error("{path} cannot be read or written ({source}): choose another file", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{path} exists already: choose another name, or remove it first", path = path.display())]
    FileExists { path: PathBuf },
    #[error("{path}: {source}", path = path.display())]
    Backup { path: PathBuf, source: pintle_store::BackupError },
    #[error("the answer cannot be printed: {why}")]
    Output { why: String },
    #[error("a token must be valid for some time: give --ttl a length like 1h")]
    TokenLifetime,
    #[error("member {id} has not said where it serves the API: start it, or name all members with --member")]
    MemberSilent { id: NodeId },
    #[error("{0} (--member, --vip)")]
    Members(&'static str),
    #[error(
        "this node was removed from its cluster: to take it in again, empty its data directory and start it with --join"
    )]
    Removed,
    #[error("the program's threads cannot be started ({0}): raise the process limits of this user")]
    Runtime(io::Error),
}

impl Error {
    /// Whether the cluster does not take the token.
    pub(crate) fn is_about_token(&self) -> bool {
        use Error::{JoinForbidden, JoinToken, JoinTokenExpired, JoinTokenSecret, JoinTokenUnknown};
        matches!(
            self,
            JoinToken
                | JoinForbidden
                | JoinTokenUnknown { .. }
                | JoinTokenSecret { .. }
                | JoinTokenExpired { .. }
        )
    }
}

impl From<pintle_store::OpenError> for Error {
    fn from(error: pintle_store::OpenError) -> Error {
        use pintle_store::OpenError::LogDamaged;
        match (error.must_rejoin(), error) {
            (Some(node), LogDamaged { directory, what, .. }) => {
                Error::MustRejoin { node: NodeId(node), directory, what }
            }
            (_, error) => Error::Store(error),
        }
    }
}
