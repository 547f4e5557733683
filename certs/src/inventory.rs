//! All certificates of a data directory: which there are, until when they are valid, and making them anew by hand.
//! Keeps: looking changes nothing and works however damaged a file is; a certificate made anew says what the old one
//! said, and the running server takes it from the disk.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{
    Error, Kubeconfig, Result, ServerNames,
    authority::Authority,
    files::{self, Batch},
    kubeconfig,
    leaf::{Issued, Leaf, Usage},
};

const SECONDS_PER_DAY: i64 = 24 * 3600;

/// Where the certificates of a data directory are.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The directory that kubeadm calls `pki`.
    pub pki: PathBuf,
    /// The administrator's kubeconfig.
    pub admin_kubeconfig: PathBuf,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called in commands: its file without extension, below the `pki` directory.
    pub name: &'static str,
    /// The file that it is in.
    pub path: PathBuf,
    /// The authority that should have signed it, by name; its own name for an authority.
    pub authority: &'static str,
    /// Whom it names, and until when it is valid; `None` if it cannot be read.
    pub content: Option<Content>,
    /// What is wrong with it.
    pub problem: Option<Problem>,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its subject, as `O=..., CN=...`.
    pub subject: String,
    /// When it expires.
    pub expires: Timestamp,
    /// Whole days until then; negative when it has expired.
    pub days_left: i64,
}

/// What can be wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no such file.
    Missing,
    /// The file cannot be read, or holds no certificate.
    Unreadable,
    /// Its time is over.
    Expired,
    /// Its private key is missing or belongs to another certificate.
    WithoutKey,
    /// The authority beside it did not sign it.
    OtherAuthority,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Missing => "missing",
            Problem::Unreadable => "unreadable",
            Problem::Expired => "expired",
            Problem::WithoutKey => "without its key",
            Problem::OtherAuthority => "of another authority",
        })
    }
}

/// A certificate that every data directory may have.
struct Known {
    name: &'static str,
    authority: &'static str,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Authority,
    Leaf,
    /// A leaf that only members of a larger cluster have.
    MemberLeaf,
    Kubeconfig,
}

const ADMIN: &str = "admin.kubeconfig";

/// Authorities first.
const KNOWN: [Known; 8] = [
    Known { name: "ca", authority: "ca", place: Place::Authority },
    Known { name: "front-proxy-ca", authority: "front-proxy-ca", place: Place::Authority },
    Known { name: "etcd/ca", authority: "etcd/ca", place: Place::Authority },
    Known { name: "apiserver", authority: "ca", place: Place::Leaf },
    Known { name: "apiserver-kubelet-client", authority: "ca", place: Place::Leaf },
    Known { name: "front-proxy-client", authority: "front-proxy-ca", place: Place::Leaf },
    Known { name: "etcd/peer", authority: "etcd/ca", place: Place::MemberLeaf },
    Known { name: ADMIN, authority: "ca", place: Place::Kubeconfig },
];

/// What was read of a certificate and its key, both in PEM form.
struct Found {
    certificate: String,
    key: Option<String>,
}

impl Inventory {
    /// Every certificate, authorities first.
    pub fn check(&self, now: Timestamp) -> Vec<Entry> {
        let entries = KNOWN.iter().map(|known| self.entry(known, now));
        entries.filter(|entry| !(entry.is_optional() && entry.problem == Some(Problem::Missing))).collect()
    }

    /// The names of the certificates that can be made anew.
    pub fn renewable() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().filter(|known| known.place != Place::Authority).map(|known| known.name)
    }

    /// Makes certificates anew, signed by the authorities that are there: the one with this name, or all that there
    /// are. Gives the names of those that were made. They say what the old ones said; keys are new, too.
    pub fn renew(&self, name: Option<&str>, now: Timestamp) -> Result<Vec<&'static str>> {
        let chosen = |known: &&Known| match name {
            Some(name) => known.name == name,
            None => known.place != Place::Authority,
        };
        let mut batch = Batch::default();
        let mut renewed = Vec::new();
        for known in KNOWN.iter().filter(chosen) {
            if known.place == Place::Authority {
                return Err(Error::NotRenewable { name: known.name.to_owned() });
            }
            match files::read(&self.path(known))? {
                None if name.is_none() => continue,
                None => return Err(Error::LeafMissing { path: self.path(known) }),
                Some(_) => self.renew_one(known, now, &mut batch)?,
            }
            renewed.push(known.name);
        }
        match name {
            Some(name) if renewed.is_empty() => Err(Error::NotRenewable { name: name.to_owned() }),
            _ => batch.commit().map(|()| renewed),
        }
    }

    fn renew_one(&self, known: &Known, now: Timestamp, batch: &mut Batch) -> Result<()> {
        let path = self.path(known);
        let malformed = |expected| Error::Malformed { path: path.clone(), expected };
        let found = self.found(known)?.ok_or_else(|| malformed("a client certificate"))?;
        let der = CertificateDer::from_pem_slice(found.certificate.as_bytes())
            .map_err(|_| malformed("a PEM certificate"))?;
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|_| malformed("an X.509 certificate"))?;
        let said = Said::by(&certificate).ok_or_else(|| malformed("a certificate that names somebody"))?;
        let authority = self.authority(known, now)?;
        if known.place == Place::Kubeconfig {
            let server = kubeconfig::server_of(&path)?.ok_or_else(|| malformed("the address of a server"))?;
            let kubeconfig = Kubeconfig::new(&authority, &said.common_name, &said.organizations, &server)?;
            let mut text = Vec::new();
            kubeconfig.write_to(&mut text, now)?;
            batch.add(path, text);
            return Ok(());
        }
        let Issued { certificate, key } = said.leaf().issue(&authority, now)?;
        batch.add(self.pki.join(format!("{}.key", known.name)), key);
        batch.add(path, certificate);
        Ok(())
    }

    fn entry(&self, known: &Known, now: Timestamp) -> Entry {
        let (content, problem) = match self.found(known) {
            Ok(Some(found)) => self.judge(known, &found, now),
            Ok(None) if matches!(files::read(&self.path(known)), Ok(None)) => (None, Some(Problem::Missing)),
            Ok(None) | Err(_) => (None, Some(Problem::Unreadable)),
        };
        Entry { name: known.name, path: self.path(known), authority: known.authority, content, problem }
    }

    fn judge(&self, known: &Known, found: &Found, now: Timestamp) -> (Option<Content>, Option<Problem>) {
        let Ok(der) = CertificateDer::from_pem_slice(found.certificate.as_bytes()) else {
            return (None, Some(Problem::Unreadable));
        };
        let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
            return (None, Some(Problem::Unreadable));
        };
        let Ok(expires) = Timestamp::from_second(certificate.validity().not_after.timestamp()) else {
            return (None, Some(Problem::Unreadable));
        };
        let seconds_left = expires.as_second() - now.as_second();
        let days_left = seconds_left.div_euclid(SECONDS_PER_DAY);
        let content = Content { subject: certificate.subject().to_string(), expires, days_left };
        let key = found.key.as_deref().and_then(|key| KeyPair::from_pem(key).ok());
        let key_fits =
            key.is_some_and(|key| certificate.public_key().subject_public_key.data == key.der_bytes());
        let problem = if seconds_left <= 0 {
            Some(Problem::Expired)
        } else if !key_fits {
            Some(Problem::WithoutKey)
        } else if !self.is_signed(known, &certificate) {
            Some(Problem::OtherAuthority)
        } else {
            None
        };
        (Some(content), problem)
    }

    /// Whether the authority on disk, in whatever condition it is, signed a certificate.
    fn is_signed(&self, known: &Known, certificate: &X509Certificate<'_>) -> bool {
        let path = self.pki.join(format!("{}.crt", known.authority));
        let Ok(Some(pem)) = files::read(&path) else { return false };
        let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else { return false };
        X509Certificate::from_der(&der)
            .is_ok_and(|(_, authority)| certificate.verify_signature(Some(authority.public_key())).is_ok())
    }

    fn found(&self, known: &Known) -> Result<Option<Found>> {
        let Some(text) = files::read(&self.path(known))? else { return Ok(None) };
        if known.place == Place::Kubeconfig {
            let client = kubeconfig::client_of(&text);
            return Ok(client.map(|Issued { certificate, key }| Found { certificate, key: Some(key) }));
        }
        let key = files::read(&self.pki.join(format!("{}.key", known.name)))?;
        Ok(Some(Found { certificate: text, key }))
    }

    fn authority(&self, known: &Known, now: Timestamp) -> Result<Authority> {
        let (directory, stem) = match known.authority.rsplit_once('/') {
            Some((directory, stem)) => (self.pki.join(directory), stem),
            None => (self.pki.clone(), known.authority),
        };
        Authority::open(&directory, stem, now)
    }

    fn path(&self, known: &Known) -> PathBuf {
        match known.place {
            Place::Kubeconfig => self.admin_kubeconfig.clone(),
            Place::Authority | Place::Leaf | Place::MemberLeaf => {
                self.pki.join(Path::new(&format!("{}.crt", known.name)))
            }
        }
    }
}

impl Entry {
    fn is_optional(&self) -> bool {
        KNOWN.iter().any(|known| known.name == self.name && known.place == Place::MemberLeaf)
    }
}

/// What a leaf on disk says, to say it again.
struct Said {
    common_name: String,
    organizations: Vec<String>,
    names: ServerNames,
    is_server: bool,
    is_client: bool,
}

impl Said {
    fn by(certificate: &X509Certificate<'_>) -> Option<Said> {
        let subject = certificate.subject();
        let common_name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
        let organizations = subject.iter_organization().map(|name| name.as_str().map(str::to_owned));
        let usage = certificate.extended_key_usage().ok()??.value;
        Some(Said {
            common_name,
            organizations: organizations.collect::<std::result::Result<_, _>>().ok()?,
            names: ServerNames::from_certificate(certificate),
            is_server: usage.server_auth,
            is_client: usage.client_auth,
        })
    }

    fn leaf(&self) -> Leaf<'_> {
        let usage = match (self.is_server, self.is_client) {
            (true, true) => Usage::Peer(&self.names),
            (true, false) => Usage::Server(&self.names),
            (false, _) => Usage::Client,
        };
        Leaf { common_name: &self.common_name, organizations: &self.organizations, usage }
    }
}

#[cfg(test)]
mod tests;
