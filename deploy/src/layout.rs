//! What is where in the data directory. The store owns the directory itself: it decides whose it is and locks it.

use std::path::{Path, PathBuf};

/// The administrator's kubeconfig.
pub(crate) fn admin_kubeconfig(data_dir: &Path) -> PathBuf {
    data_dir.join(ADMIN_KUBECONFIG)
}

/// Certificates and keys.
pub(crate) fn pki(data_dir: &Path) -> PathBuf {
    data_dir.join(PKI)
}

/// What a node was told that has not joined completely.
pub(crate) fn joining(data_dir: &Path) -> PathBuf {
    data_dir.join(JOINING)
}

/// The names that stand in the data directory beside the store's own.
pub(crate) fn companions() -> Vec<String> {
    [PKI, ADMIN_KUBECONFIG, JOINING, JOINING_NEW].map(str::to_owned).to_vec()
}

/// Where everything is kept when nothing else is said.
pub(crate) const DEFAULT_DATA_DIR: &str = "./pintle-data";

const JOINING: &str = "joining.json";
const JOINING_NEW: &str = "joining.new";
const ADMIN_KUBECONFIG: &str = "admin.kubeconfig";
const PKI: &str = "pki";
