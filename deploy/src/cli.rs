//! The command line. Keeps: every flag has a sentence in `--help`, and `pintle server` needs none of them.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::size::Size;

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
    Server(ServerArgs),
    /// Print a kubeconfig with a new client certificate for a user.
    Kubeconfig(KubeconfigArgs),
    /// Show or renew the certificates of a data directory.
    Certs(CertsArgs),
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

    /// Range that the cluster IP addresses of Services are taken from.
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
