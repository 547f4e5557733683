//! What a node needs of the others before it can be one of them: the three authorities and the service-account key.
//!
//! How a control-plane node joins:
//!
//! 1. The operator carries a [`Token`](crate::Token) and an [`AuthorityHash`] to the new node.
//! 2. The node fetches the authority's certificate from a member, without knowing whom it talks to
//!    ([`unverified_client`](crate::unverified_client)), and sends no secret. In a cluster that serves kubeadm this is
//!    the `cluster-info` ConfigMap, which anybody may read.
//! 3. Only if the certificate has the hash does the node connect again, trusting that authority and no other
//!    ([`pinned_client`](crate::pinned_client)), and shows its token. A wrong hash ends the attempt here, so nobody in
//!    between ever sees the token.
//! 4. The member checks the token: its secret, its expiry, and that it was made for joining the control plane. A token
//!    for kubelets must never do: what follows is every key of the cluster. It answers with the bundle, the cluster's
//!    id, a node id that was never used, and the members' addresses.
//! 5. The node writes the bundle ([`Bundle::install`]), issues its own leaves, opens its peer port, and is added as a
//!    learner.
//!
//! Keeps: a bundle names only the files listed here, each authority fits its key, and files of another cluster are never
//! overwritten.

use std::{io::Write, path::Path};

use jiff::Timestamp;
use rcgen::KeyPair;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::{
    AuthorityHash, Error, Result,
    authority::Authority,
    files::{self, Batch},
};

/// Keys stand before their certificates, in the order in which they are written.
const FILES: [&str; 8] = [
    "ca.key",
    "ca.crt",
    "front-proxy-ca.key",
    "front-proxy-ca.crt",
    "etcd/ca.key",
    "etcd/ca.crt",
    "sa.key",
    "sa.pub",
];
/// The authorities among them.
const AUTHORITIES: [(&str, &str); 3] = [("", "ca"), ("", "front-proxy-ca"), ("etcd", "ca")];
const KUBERNETES: &str = "ca.crt";

const FIRST_LINE: &str = "pintle bundle 1";
/// No key or certificate is longer.
const FILE_BYTES_MAX: usize = 64 << 10;

/// The authorities and the service-account key of a cluster.
pub struct Bundle {
    /// The contents of [`FILES`].
    contents: [String; FILES.len()],
}

impl Bundle {
    /// What is in a `pki` directory.
    pub fn open(directory: &Path) -> Result<Bundle> {
        let mut contents = [const { String::new() }; FILES.len()];
        for (content, name) in contents.iter_mut().zip(FILES) {
            let path = directory.join(name);
            *content = files::read(&path)?.ok_or(Error::AuthorityMissing { path })?;
        }
        Ok(Bundle { contents })
    }

    /// Writes the bundle to a connection that nobody else can read.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let mut text = format!("{FIRST_LINE}\n");
        for (content, name) in self.contents.iter().zip(FILES) {
            text.push_str(&format!("{name} {}\n{content}", content.len()));
        }
        out.write_all(text.as_bytes()).map_err(Error::Output)
    }

    /// Reads what [`Bundle::write_to`] wrote.
    pub fn parse(text: &str) -> Result<Bundle> {
        Bundle::read(text).ok_or(Error::Bundle("it is damaged, or made by another version of pintle"))
    }

    fn read(text: &str) -> Option<Bundle> {
        let mut rest = text.strip_prefix(FIRST_LINE)?.strip_prefix('\n')?;
        let mut contents = [const { String::new() }; FILES.len()];
        for (content, name) in contents.iter_mut().zip(FILES) {
            let (line, tail) = rest.split_once('\n')?;
            let length: usize = line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()?;
            let (own, tail) = (length <= FILE_BYTES_MAX).then(|| tail.split_at_checked(length))??;
            *content = own.to_owned();
            rest = tail;
        }
        rest.is_empty().then_some(Bundle { contents })
    }

    /// Writes the files, after checking that they belong together and to the authority with this hash. A directory
    /// that holds them already stays as it is.
    pub fn install(&self, directory: &Path, hash: AuthorityHash, now: Timestamp) -> Result<()> {
        self.check(directory, hash, now)?;
        let mut batch = Batch::default();
        for (content, name) in self.contents.iter().zip(FILES) {
            let path = directory.join(name);
            match files::read(&path)? {
                Some(present) if present == *content => {}
                Some(_) => return Err(Error::OtherCluster { path }),
                None => batch.add(path, content.clone()),
            }
        }
        batch.commit()
    }

    fn check(&self, directory: &Path, hash: AuthorityHash, now: Timestamp) -> Result<()> {
        let authority = CertificateDer::from_pem_slice(self.content(KUBERNETES).as_bytes()).ok();
        if authority.and_then(|authority| AuthorityHash::of(&authority)) != Some(hash) {
            return Err(Error::WrongAuthority { expected: hash.to_string() });
        }
        for (below, stem) in AUTHORITIES {
            let name = Path::new(below).join(stem);
            let [certificate, key] =
                ["crt", "key"].map(|extension| name.with_extension(extension).display().to_string());
            let (certificate, key) = (self.content(&certificate), self.content(&key));
            Authority::from_pem(&directory.join(below), stem, certificate.to_owned(), key, now)?;
        }
        let pair = KeyPair::from_pem(self.content("sa.key"))
            .map_err(|_| Error::Bundle("its service-account key is none"))?;
        if !self.content("sa.pub").contains(&pair.public_key_pem()) {
            return Err(Error::Bundle("its service-account keys do not belong together"));
        }
        Ok(())
    }

    fn content(&self, name: &str) -> &str {
        let found = FILES.iter().zip(&self.contents).find(|(file, _)| **file == name);
        found.map_or("", |(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use tempfile::TempDir;

    use super::*;
    use crate::{Pki, ServerNames};

    fn start() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn cluster() -> (TempDir, Pki) {
        let directory = TempDir::new().unwrap();
        let (pki, _) = Pki::open_or_create(directory.path(), &ServerNames::new(), start()).unwrap();
        (directory, pki)
    }

    fn text(bundle: &Bundle) -> String {
        let mut out = Vec::new();
        bundle.write_to(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_node_that_joins_has_the_authorities_of_the_others_and_leaves_of_its_own() {
        let (first, pki) = cluster();
        let hash = pki.authority_hash().unwrap();
        let sent = text(&Bundle::open(first.path()).unwrap());
        let second = TempDir::new().unwrap();
        let received = Bundle::parse(&sent).unwrap();
        for _ in 0..2 {
            received.install(second.path(), hash, start()).unwrap();
        }
        for name in FILES {
            assert_eq!(
                fs::read(first.path().join(name)).unwrap(),
                fs::read(second.path().join(name)).unwrap()
            );
            let mode = fs::metadata(second.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let (joined, _) = Pki::open_or_create(second.path(), &ServerNames::new(), start()).unwrap();
        assert_eq!(joined.authority_hash(), Some(hash));
        let leaf = |directory: &TempDir| fs::read(directory.path().join("apiserver.crt")).unwrap();
        assert_ne!(leaf(&first), leaf(&second));
    }

    #[test]
    fn a_bundle_of_another_cluster_is_refused_before_anything_is_written() {
        let [(first, pki), (other, _)] = [cluster(), cluster()];
        let hash = pki.authority_hash().unwrap();
        let directory = TempDir::new().unwrap();
        let foreign = Bundle::open(other.path()).unwrap();
        let refused = foreign.install(directory.path(), hash, start());
        assert!(matches!(refused, Err(Error::WrongAuthority { .. })));

        // The right authority with somebody else's keys is no better.
        for name in ["ca.key", "etcd/ca.crt", "sa.pub"] {
            let mut mixed = Bundle::open(first.path()).unwrap();
            let at = FILES.iter().position(|file| *file == name).unwrap();
            mixed.contents[at].clone_from(&foreign.contents[at]);
            mixed.install(directory.path(), hash, start()).unwrap_err();
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);

        let own = Bundle::open(first.path()).unwrap();
        let refused = own.install(other.path(), hash, start());
        assert!(matches!(refused, Err(Error::OtherCluster { .. })));
    }

    #[test]
    fn damaged_bundles_are_refused() {
        let (directory, _) = cluster();
        let good = text(&Bundle::open(directory.path()).unwrap());
        assert!(Bundle::parse(&good).is_ok());
        for length in 0..good.len() {
            assert!(Bundle::parse(&good[..length]).is_err(), "{length}");
        }
        for (from, to) in [
            ("bundle 1", "bundle 2"),
            ("ca.key ", "../ca.key "),
            ("ca.key ", "ca.key 9999999999"),
            ("ca.key ", "ca.key -"),
        ] {
            assert!(Bundle::parse(&good.replacen(from, to, 1)).is_err(), "{to}");
        }
        assert!(Bundle::parse(&format!("{good}\n")).is_err());
    }
}
