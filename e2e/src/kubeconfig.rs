//! Reads any kubeconfig with a client certificate or a token: server, authority and credentials of its current
//! context. It understands what kubectl, kubeadm and other clusters' tools write (block YAML or JSON).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// The current context of a kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// `https://HOST:PORT`, without a path.
    pub server: String,
    /// The authorities to trust, PEM.
    pub authority: String,
    /// The client's certificate chain and key, PEM.
    pub client: Option<(String, String)>,
    /// A bearer token.
    pub token: Option<String>,
}

impl Kubeconfig {
    /// Reads a file.
    pub fn read(path: &Path) -> io::Result<Kubeconfig> {
        let text = fs::read_to_string(path)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Kubeconfig::parse(&text, directory).ok_or_else(|| {
            io::Error::other(format!("{} is not a kubeconfig with an authority", path.display()))
        })
    }

    /// Reads a kubeconfig that names no files.
    pub fn from_text(text: &str) -> Option<Kubeconfig> {
        Kubeconfig::parse(text, Path::new(""))
    }

    fn parse(text: &str, directory: &Path) -> Option<Kubeconfig> {
        let config: Value = serde_saphyr::from_str(text).ok()?;
        let context = named(&config, "contexts", "context", config["current-context"].as_str()?)?;
        let cluster = named(&config, "clusters", "cluster", context["cluster"].as_str()?)?;
        let user = named(&config, "users", "user", context["user"].as_str()?)?;
        let certificate = pem(user, "client-certificate", directory);
        Some(Kubeconfig {
            server: cluster["server"].as_str()?.trim_end_matches('/').to_owned(),
            authority: pem(cluster, "certificate-authority", directory)?,
            client: certificate.zip(pem(user, "client-key", directory)),
            token: user["token"].as_str().map(str::to_owned),
        })
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
    let file: PathBuf = directory.join(object[field].as_str()?);
    fs::read_to_string(file).ok()
}
