//! Kubeconfigs: a server's address, the authority to trust, and a client certificate, in one file that kubectl reads.
//! Keeps: a kubeconfig that still works is not rewritten.

use std::{io::Write, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use crate::{
    Error, Result,
    authority::Authority,
    files::{self, Batch},
    leaf::{Issued, Leaf, Usage},
};

const CLUSTER: &str = "pintle";

/// A kubeconfig for one user at one server.
pub struct Kubeconfig<'a> {
    authority: &'a Authority,
    leaf: Leaf<'a>,
    server: &'a str,
}

impl<'a> Kubeconfig<'a> {
    pub(crate) fn new(
        authority: &'a Authority,
        user: &'a str,
        groups: &'a [String],
        server: &'a str,
    ) -> Result<Kubeconfig<'a>> {
        let host = server.strip_prefix("https://").unwrap_or_default();
        if host.is_empty()
            || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"' || c == '\\')
        {
            return Err(Error::ServerUrl { url: server.to_owned() });
        }
        let leaf = Leaf { common_name: user, organizations: groups, usage: Usage::Client };
        Ok(Kubeconfig { authority, leaf, server })
    }

    /// Writes the kubeconfig with a new client certificate.
    pub fn write_to(&self, out: &mut impl Write, now: Timestamp) -> Result<()> {
        out.write_all(self.text(now)?.as_bytes()).map_err(Error::Output)
    }

    /// Writes the kubeconfig to a file of mode 0600, unless the one that is there still works.
    pub fn write_file(&self, path: &Path, now: Timestamp) -> Result<()> {
        if files::read(path)?.is_some_and(|text| self.fits(&text, now)) {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.add(path.to_owned(), self.text(now)?);
        batch.commit()
    }

    fn text(&self, now: Timestamp) -> Result<String> {
        let issued = self.leaf.issue(self.authority, now)?;
        let user = quoted(self.leaf.common_name);
        let context = quoted(&format!("{}@{CLUSTER}", self.leaf.common_name));
        Ok(format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: {CLUSTER}\n  \
               cluster:\n    \
                 certificate-authority-data: {authority}\n    \
                 server: \"{server}\"\n\
             users:\n\
             - name: {user}\n  \
               user:\n    \
                 client-certificate-data: {certificate}\n    \
                 client-key-data: {key}\n\
             contexts:\n\
             - name: {context}\n  \
               context:\n    \
                 cluster: {CLUSTER}\n    \
                 user: {user}\n\
             current-context: {context}\n",
            authority = STANDARD.encode(self.authority.pem()),
            server = self.server,
            certificate = STANDARD.encode(issued.certificate),
            key = STANDARD.encode(issued.key),
        ))
    }

    fn fits(&self, text: &str, now: Timestamp) -> bool {
        let Some(client) = client_of(text) else { return false };
        value(text, "server") == Some(self.server)
            && decoded(text, "certificate-authority-data").as_deref() == Some(self.authority.pem())
            && self.leaf.fits(&client, self.authority, now)
    }
}

/// The client certificate and key in a kubeconfig that this crate wrote.
pub(crate) fn client_of(text: &str) -> Option<Issued> {
    let certificate = decoded(text, "client-certificate-data")?;
    Some(Issued { certificate, key: decoded(text, "client-key-data")? })
}

fn decoded(text: &str, name: &str) -> Option<String> {
    STANDARD.decode(value(text, name)?).ok().and_then(|it| String::from_utf8(it).ok())
}

/// The server address in a kubeconfig that this crate wrote; `None` when the file or the address is not there.
pub fn server_of(path: &Path) -> Result<Option<String>> {
    let text = files::read(path)?;
    Ok(text.as_deref().and_then(|text| value(text, "server")).map(str::to_owned))
}

/// The first value of a key in block style, quoted or not: all that a kubeconfig of one user needs, whether we wrote
/// it or kubectl did.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().trim_matches('"'))
}

/// A YAML double-quoted scalar; control characters were refused before.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
