//! Reading kubeconfigs: server, authority and credentials of the current context, as kubectl, kubeadm and other tools
//! write them (block YAML or JSON).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::Value;

use crate::{address::HostPort, error::Error};

/// The current context of a kubeconfig.
pub(crate) struct KubeconfigFile {
    path: PathBuf,
    /// Where the server is.
    pub(crate) server: HostPort,
    /// The authorities to trust, PEM.
    pub(crate) authority: String,
    client: Option<(String, String)>,
    pub(crate) token: Option<String>,
}

impl KubeconfigFile {
    pub(crate) fn read(path: &Path) -> Result<KubeconfigFile, Error> {
        let text = fs::read_to_string(path)
            .map_err(|source| Error::KubeconfigRead { path: path.to_owned(), source })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        KubeconfigFile::parse(&text, path, directory)
            .ok_or_else(|| Error::KubeconfigMalformed { path: path.to_owned() })
    }

    fn parse(text: &str, path: &Path, directory: &Path) -> Option<KubeconfigFile> {
        let config: Value = serde_saphyr::from_str(text).ok()?;
        let context = named(&config, "contexts", "context", config["current-context"].as_str()?)?;
        let cluster = named(&config, "clusters", "cluster", context["cluster"].as_str()?)?;
        let user = named(&config, "users", "user", context["user"].as_str()?)?;
        let server = cluster["server"].as_str()?.trim_end_matches('/');
        let host = server.strip_prefix("https://")?;
        Some(KubeconfigFile {
            path: path.to_owned(),
            server: host.parse().or_else(|_| format!("{host}:443").parse()).ok()?,
            authority: pem(cluster, "certificate-authority", directory)?,
            client: pem(user, "client-certificate", directory).zip(pem(user, "client-key", directory)),
            token: user["token"].as_str().map(str::to_owned),
        })
    }

    /// TLS that trusts the authority and shows the certificate.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, Error> {
        self.client_config()
            .map(Arc::new)
            .ok_or_else(|| Error::KubeconfigMalformed { path: self.path.clone() })
    }

    fn client_config(&self) -> Option<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(self.authority.as_bytes()) {
            roots.add(authority.ok()?).ok()?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots);
        let Some((certificate, key)) = &self.client else { return Some(builder.with_no_client_auth()) };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
        builder.with_client_auth_cert(chain.ok()?, key).ok()
    }
}

fn named<'a>(config: &'a Value, list: &str, item: &str, name: &str) -> Option<&'a Value> {
    config[list].as_array()?.iter().find(|entry| entry["name"] == name).map(|entry| &entry[item])
}

/// The field itself names a file, the one with `-data` holds the content.
fn pem(object: &Value, field: &str, directory: &Path) -> Option<String> {
    if let Some(data) = object[format!("{field}-data")].as_str() {
        return String::from_utf8(STANDARD.decode(data).ok()?).ok();
    }
    fs::read_to_string(directory.join(object[field].as_str()?)).ok()
}
