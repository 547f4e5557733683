//! The command line. Keeps: every flag has a sentence in `--help`, and `pintle server` needs none of them.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use pintle_controllers::settings::Settings;

use crate::{
    address::HostPort, controllers::Selection, duration::Length, ha_config::HaConfigArgs, size::Size,
};

mod administration;

pub(crate) use administration::{
    ClusterArgs, LeaderArgs, LeaderCommand, MemberArgs, MemberCommand, MembersArgs, OutputFormat,
    SnapshotArgs, SnapshotCommand, SnapshotRestoreArgs, SnapshotSaveArgs, StatusArgs, TokenArgs,
    TokenCommand, TokenCreateArgs,
};

/// Who issues service account tokens when nobody says otherwise: upstream's default.
const ISSUER: &str = pintle_apiserver::cluster::DEFAULT_ISSUER;

/// A Kubernetes control plane in one program.
#[derive(Parser)]
#[command(name = "pintle", arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the control plane; it runs until SIGTERM or Ctrl-C.
    Server(Box<ServerArgs>),
    /// Show this node: role, term, revisions, storage, links and alarms.
    Status(StatusArgs),
    /// Show the members of the cluster.
    Members(MembersArgs),
    /// Change the members of the cluster.
    Member(MemberArgs),
    /// Move leadership between the members.
    Leader(LeaderArgs),
    /// Make, show and delete the tokens with which nodes join the control plane.
    Token(TokenArgs),
    /// Save the whole cluster to a file, and make a new cluster of such a file.
    Snapshot(SnapshotArgs),
    /// Run only the controllers, against any API server, while this process holds their Lease.
    Controllers(ControllersArgs),
    /// Print a kubeconfig with a new client certificate for a user.
    Kubeconfig(KubeconfigArgs),
    /// Show or renew the certificates of a data directory.
    Certs(CertsArgs),
    /// Make the configuration of HAProxy and keepalived for several servers behind one virtual address.
    HaConfig(HaConfigArgs),
    /// Print the version of this program and of the Kubernetes API it serves.
    Version,
}

#[derive(Args)]
pub(crate) struct ServerArgs {
    /// Directory for objects, certificates and the administrator's kubeconfig; it is made if it does not exist.
    #[arg(long, value_name = "DIRECTORY", default_value = "./pintle-data")]
    pub(crate) data_dir: PathBuf,

    /// Address and port to serve the Kubernetes API on, over HTTPS; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:6443")]
    pub(crate) listen: SocketAddr,

    /// A further host name or IP address that the server's certificate is valid for; may be repeated.
    #[arg(long = "san", value_name = "NAME")]
    pub(crate) sans: Vec<String>,

    /// Form of the log lines on standard error.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,

    /// Range that the cluster IP addresses of Services are taken from; two with a comma between them, IPv4 and IPv6, for
    /// dual-stack Services.
    #[arg(long, value_name = "CIDR", default_value = "10.96.0.0/12")]
    pub(crate) service_cidr: String,

    /// Who issues service account tokens, as an https URL; may be repeated: the first issues, all are believed.
    #[arg(long = "service-account-issuer", value_name = "URL", default_value = ISSUER)]
    pub(crate) issuers: Vec<String>,

    /// For whom tokens of this API are meant, separated by commas; by default the issuers.
    #[arg(long, value_name = "AUDIENCES", value_delimiter = ',')]
    pub(crate) api_audiences: Vec<String>,

    /// Bytes that stored objects may take (suffixes Ki, Mi, Gi); at the limit writes that grow are refused, while
    /// reads and deletes go on.
    #[arg(long, value_name = "SIZE", default_value = "8Gi")]
    pub(crate) storage_quota: Size,

    /// File with the authorities, in PEM form, that sign the kubelets' serving certificates. Without it these are not
    /// checked: kubelets sign them themselves unless told otherwise.
    #[arg(long = "kubelet-certificate-authority", value_name = "FILE")]
    pub(crate) kubelet_authority: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) controllers: ControllerFlags,

    #[command(flatten)]
    pub(crate) authentication: AuthenticationArgs,

    #[command(flatten)]
    pub(crate) audit: AuditArgs,

    /// Address and port for the other members of the cluster; without it this node is a cluster of its own.
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Cluster")]
    pub(crate) peer_listen: Option<SocketAddr>,

    /// Where other members reach this node, if not by the address of --peer-listen.
    #[arg(long, value_name = "HOST:PORT", requires = "peer_listen", help_heading = "Cluster")]
    pub(crate) peer_address: Option<HostPort>,

    /// Join the cluster of the servers at these addresses, of which one must answer; may be repeated. A node that
    /// belongs to a cluster already ignores it.
    #[arg(
        long,
        value_name = "HOST:PORT,…",
        value_delimiter = ',',
        requires = "peer_listen",
        help_heading = "Cluster"
    )]
    pub(crate) join: Vec<HostPort>,

    /// The token to join with, from `pintle token create`.
    #[arg(long, value_name = "TOKEN", help_heading = "Cluster")]
    pub(crate) token: Option<String>,

    /// The hash by which the cluster's authority is known, from `pintle token create --print-join-command`.
    #[arg(long, value_name = "sha256:HASH", help_heading = "Cluster")]
    pub(crate) ca_cert_hash: Option<String>,

    /// Address and port at which load balancers ask, over plain HTTP, whether to send clients here: `GET /readyz` is
    /// answered with 200 (yes), 404 (the server is about to stop) or 503 (no).
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Cluster")]
    pub(crate) health_listen: Option<SocketAddr>,

    /// How often the leader is heard of.
    #[arg(long, value_name = "LENGTH", default_value = "30ms", help_heading = "Cluster")]
    pub(crate) heartbeat: Length,

    /// After how long without the leader another one is elected, at the least.
    #[arg(long, value_name = "LENGTH", default_value = "120ms", help_heading = "Cluster")]
    pub(crate) election_timeout: Length,

    /// How long the server goes on after /readyz has begun to fail, so that load balancers notice; by default 0s, and
    /// 3s for a member of a cluster.
    #[arg(long, value_name = "LENGTH", help_heading = "Cluster")]
    pub(crate) shutdown_delay: Option<Length>,
}

/// Who is believed besides the cluster's own certificates and tokens; the names are kube-apiserver's.
#[derive(Args)]
#[command(next_help_heading = "Authentication")]
pub(crate) struct AuthenticationArgs {
    /// Provider of OpenID Connect whose tokens are believed, as its https URL stands in them (`iss`).
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    pub(crate) oidc_issuer_url: Option<String>,

    /// For whom the provider's tokens must be (`aud`).
    #[arg(long, value_name = "NAME", requires = "oidc_issuer_url")]
    pub(crate) oidc_client_id: Option<String>,

    /// File with the authorities, in PEM form, of the provider's certificate; by default the machine's own.
    #[arg(long, value_name = "FILE", requires = "oidc_issuer_url")]
    pub(crate) oidc_ca_file: Option<PathBuf>,

    /// The claim that is the user's name.
    #[arg(long, value_name = "CLAIM", default_value = "sub")]
    pub(crate) oidc_username_claim: String,

    /// What is put in front of names; by default the URL of the provider and #, and nothing for the claim email. `-` is
    /// nothing.
    #[arg(long, value_name = "PREFIX", requires = "oidc_issuer_url", allow_hyphen_values = true)]
    pub(crate) oidc_username_prefix: Option<String>,

    /// The claim that holds the user's groups: a text or a list of texts.
    #[arg(long, value_name = "CLAIM", requires = "oidc_issuer_url")]
    pub(crate) oidc_groups_claim: Option<String>,

    /// What is put in front of groups.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub(crate) oidc_groups_prefix: String,

    /// A claim that tokens must have, with its value; may be repeated.
    #[arg(long, value_name = "CLAIM=VALUE", value_parser = pair, requires = "oidc_issuer_url")]
    pub(crate) oidc_required_claim: Vec<(String, String)>,

    /// How the provider may sign, separated by commas.
    #[arg(long, value_name = "ALGORITHMS", value_delimiter = ',', default_value = "RS256")]
    pub(crate) oidc_signing_algs: Vec<String>,

    /// File with an AuthenticationConfiguration (apiserver.config.k8s.io/v1): several providers, and expressions that make
    /// users of claims.
    #[arg(
        long = "authentication-config",
        value_name = "FILE",
        conflicts_with_all = ["oidc_issuer_url", "oidc_client_id"]
    )]
    pub(crate) config: Option<PathBuf>,

    /// Whether those are let in who do not say who they are, as system:anonymous, to do what is granted to them. If not, load
    /// balancers that ask for /readyz need --health-listen.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) anonymous_auth: Option<bool>,
}

/// What stands on both sides of the first `=`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write CLAIM=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Which requests are recorded, and where; the names are kube-apiserver's.
#[derive(Args, Default)]
pub(crate) struct AuditArgs {
    /// File with the policy (`Policy` of audit.k8s.io/v1) that says which requests are recorded, and how much of them.
    #[arg(
        long = "audit-policy-file",
        value_name = "FILE",
        requires = "log_path",
        help_heading = "Audit",
        id = "policy_file"
    )]
    pub(crate) policy_file: Option<PathBuf>,

    /// File that records are appended to, a line of JSON each; `-` is standard output.
    #[arg(
        long = "audit-log-path",
        value_name = "FILE",
        requires = "policy_file",
        help_heading = "Audit",
        id = "log_path"
    )]
    pub(crate) log_path: Option<PathBuf>,

    /// Size in MiB from which the file is put aside under a name with the time.
    #[arg(
        long = "audit-log-maxsize",
        value_name = "MEGABYTES",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..),
        requires = "log_path",
        help_heading = "Audit"
    )]
    pub(crate) log_maxsize: u32,

    /// How many files that were put aside are kept; 0 keeps all.
    #[arg(
        long = "audit-log-maxbackup",
        value_name = "NUMBER",
        default_value_t = 0,
        requires = "log_path",
        help_heading = "Audit"
    )]
    pub(crate) log_maxbackup: usize,

    /// How many days they are kept; 0 is for ever.
    #[arg(
        long = "audit-log-maxage",
        value_name = "DAYS",
        default_value_t = 0,
        requires = "log_path",
        help_heading = "Audit"
    )]
    pub(crate) log_maxage: u32,
}

/// With what a node joins.
pub(crate) struct JoinArgs {
    pub(crate) token: pintle_certs::Token,
    pub(crate) hash: pintle_certs::AuthorityHash,
}

/// What is said about controllers, wherever they run.
#[derive(Args)]
pub(crate) struct ControllerFlags {
    /// Controllers to run, in a server while it leads: names separated by commas, `*` for all, `-NAME` for all but that
    /// one, `-*` for none.
    #[arg(long = "controllers", value_name = "NAMES", default_value = "*", allow_hyphen_values = true)]
    pub(crate) selection: Selection,

    /// How many terminated pods are kept before the oldest are deleted; 0 keeps all.
    #[arg(long, value_name = "NUMBER", default_value_t = Settings::TERMINATED_PODS_MAX)]
    pub(crate) terminated_pod_gc_threshold: usize,
}

#[derive(Args)]
pub(crate) struct ControllersArgs {
    /// Kubeconfig whose current context names the server and the user to act as.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: PathBuf,

    #[command(flatten)]
    pub(crate) controllers: ControllerFlags,

    /// Address and port to serve `/metrics` and `/healthz` on, over plain HTTP to whoever asks; not served without it.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,

    /// Form of the log lines on standard error.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Args)]
pub(crate) struct KubeconfigArgs {
    /// User name to put into the certificate, as RBAC rules name it.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,

    /// A group that the user is a member of; may be repeated.
    #[arg(long = "group", value_name = "NAME")]
    pub(crate) groups: Vec<String>,

    /// Data directory of the server whose authority signs the certificate.
    #[arg(long, value_name = "DIRECTORY", default_value = "./pintle-data")]
    pub(crate) data_dir: PathBuf,

    /// Address of the server, as https://HOST:PORT; by default the one the server was last started with.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

#[derive(Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct CertsArgs {
    #[command(subcommand)]
    pub(crate) command: CertsCommand,
}

#[derive(Subcommand)]
pub(crate) enum CertsCommand {
    /// Show every certificate with its expiry; fails when one has a problem.
    Check(CertsCheckArgs),
    /// Make certificates anew; a running server takes them without a restart.
    Renew(CertsRenewArgs),
}

#[derive(Args)]
pub(crate) struct CertsCheckArgs {
    /// Data directory of the server.
    #[arg(long, value_name = "DIRECTORY", default_value = "./pintle-data")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct CertsRenewArgs {
    /// Which certificate, as `pintle certs check` names it; `all` for all but the authorities.
    #[arg(value_name = "NAME", default_value = "all")]
    pub(crate) name: String,

    /// Data directory of the server.
    #[arg(long, value_name = "DIRECTORY", default_value = "./pintle-data")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
