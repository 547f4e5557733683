//! Commands that ask a running server, or work on a snapshot. Keeps: whatever asks a server finds it in the same way:
//! by its flags, then by `KUBECONFIG` as kubectl does, then in the default data directory.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::{duration::Length, node_id::NodeId};

/// Which server is asked, and as whom.
#[derive(Args)]
pub(crate) struct ClusterArgs {
    /// Kubeconfig to use; by default $KUBECONFIG, else the administrator's in ./pintle-data.
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Data directory of a server on this machine, whose administrator's kubeconfig is used.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Columns for people.
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,

    /// Form of the output.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub(crate) output: OutputFormat,
}

#[derive(Args)]
pub(crate) struct MembersArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,

    /// Form of the output.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub(crate) output: OutputFormat,
}

#[derive(Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct MemberArgs {
    #[command(subcommand)]
    pub(crate) command: MemberCommand,
}

#[derive(Subcommand)]
pub(crate) enum MemberCommand {
    /// Remove a member; its data directory can only join again after it was emptied.
    Remove {
        /// Its id, from `pintle members`.
        #[arg(value_name = "ID")]
        id: NodeId,

        #[command(flatten)]
        cluster: ClusterArgs,
    },
}

#[derive(Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct LeaderArgs {
    #[command(subcommand)]
    pub(crate) command: LeaderCommand,
}

#[derive(Subcommand)]
pub(crate) enum LeaderCommand {
    /// Hand leadership over to another voter.
    Transfer {
        /// Its id, from `pintle members`; by default the one that is furthest.
        #[arg(value_name = "ID")]
        id: Option<NodeId>,

        #[command(flatten)]
        cluster: ClusterArgs,
    },
}

#[derive(Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token with which nodes join the control plane.
    Create(TokenCreateArgs),
    /// Show all bootstrap tokens, without their secrets.
    List(ClusterArgs),
    /// Delete a token.
    Delete {
        /// The token, or the part before its dot.
        #[arg(value_name = "TOKEN")]
        token: String,

        #[command(flatten)]
        cluster: ClusterArgs,
    },
}

#[derive(Args)]
pub(crate) struct TokenCreateArgs {
    /// How long the token is valid.
    #[arg(long, value_name = "LENGTH", default_value = "1h")]
    pub(crate) ttl: Length,

    /// Print the command that a new node is started with instead of the token alone.
    #[arg(long)]
    pub(crate) print_join_command: bool,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

#[derive(Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    pub(crate) command: SnapshotCommand,
}

#[derive(Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Save the whole cluster to a file while it runs.
    Save(SnapshotSaveArgs),
    /// Make a new cluster of one node out of a file; no server may run on the directory.
    Restore(SnapshotRestoreArgs),
    /// Read a file to its end, check it and show what it holds.
    Status {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// Form of the output.
        #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
        output: OutputFormat,
    },
}

#[derive(Args)]
pub(crate) struct SnapshotSaveArgs {
    /// The file to write; it must not exist.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

#[derive(Args)]
pub(crate) struct SnapshotRestoreArgs {
    /// The file to read.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The new data directory; it may hold nothing but the certificates of the old cluster (`pki`).
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data_dir: PathBuf,
}
