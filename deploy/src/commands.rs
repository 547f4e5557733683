//! Commands that ask a running server, as the administrator, over HTTPS; and those that read or restore snapshots.

pub(crate) mod leader;
pub(crate) mod members;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod token;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    cli::{ClusterArgs, OutputFormat},
    client::Client,
    error::Error,
    kubeconfig_file::KubeconfigFile,
    layout,
    print::print,
};

/// The kubeconfig that a command uses.
fn kubeconfig(args: &ClusterArgs) -> Result<KubeconfigFile, Error> {
    KubeconfigFile::read(&kubeconfig_path(args))
}

#[allow(clippy::disallowed_methods, reason = "KUBECONFIG is how every client of Kubernetes is told")]
fn kubeconfig_path(args: &ClusterArgs) -> PathBuf {
    let told = args.kubeconfig.clone().or(args.data_dir.as_deref().map(layout::admin_kubeconfig));
    // As kubectl: several files may be named; the first one counts here.
    let named = || std::env::split_paths(&std::env::var_os("KUBECONFIG")?).find(|path| path.is_file());
    told.or_else(named).unwrap_or_else(|| layout::admin_kubeconfig(Path::new(layout::DEFAULT_DATA_DIR)))
}

/// Runs what a command asks of a server.
pub(crate) fn ask<T>(
    args: &ClusterArgs,
    question: impl AsyncFnOnce(Client, KubeconfigFile) -> Result<T, Error>,
) -> Result<T, Error> {
    // An error says that a provider is installed already, which is what counts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = kubeconfig(args)?;
    let client = Client::of(&file)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(question(client, file))
}

/// Prints an answer as JSON or YAML, or as the table that is made of it.
fn show<T: Serialize>(
    answer: &T,
    format: OutputFormat,
    table: impl FnOnce(&T) -> String,
) -> Result<(), Error> {
    let text = match format {
        OutputFormat::Table => Ok(table(answer)),
        OutputFormat::Json => serde_json::to_string_pretty(answer)
            .map(|text| format!("{text}\n"))
            .map_err(|error| error.to_string()),
        OutputFormat::Yaml => serde_saphyr::to_string(answer).map_err(|error| error.to_string()),
    };
    print(&text.map_err(|why| Error::Output { why })?);
    Ok(())
}
