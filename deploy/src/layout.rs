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

const ADMIN_KUBECONFIG: &str = "admin.kubeconfig";
const PKI: &str = "pki";
