//! The `pki` directory, laid out as kubeadm does. Keeps: what is there and fits is used as it is; what is missing is
//! made, at the first start in one batch of files.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::{
    AuthorityHash, FrontProxy, Kubeconfig, KubeletTls, PeerNames, PeerTls, Result, ServerNames, ServerTls,
    ServiceAccountKeys,
    authority::Authority,
    files::Batch,
    leaf::{Issued, Leaf, Usage},
    service_account_keys,
};

const KUBERNETES: &str = "ca";
const FRONT_PROXY: &str = "front-proxy-ca";
const SERVING: &str = "apiserver";
/// As kubeadm names the directory of the authority that members of the store trust.
const PEERS: &str = "etcd";
const PEER: &str = "peer";

/// The authorities of a cluster and where they are kept.
pub struct Pki {
    directory: PathBuf,
    kubernetes: Authority,
    front_proxy: Authority,
    peers: Authority,
}

impl Pki {
    /// Opens the directory to sign with its authority; nothing is made or changed.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Pki> {
        let kubernetes = Authority::open(directory, KUBERNETES, now)?;
        let front_proxy = Authority::open(directory, FRONT_PROXY, now)?;
        let peers = Authority::open(&directory.join(PEERS), KUBERNETES, now)?;
        Ok(Pki { directory: directory.to_owned(), kubernetes, front_proxy, peers })
    }

    /// Opens the directory for a server; authorities, keys and leaves that are missing, no longer fit `names` or are
    /// about to expire are made.
    pub fn open_or_create(directory: &Path, names: &ServerNames, now: Timestamp) -> Result<(Pki, ServerTls)> {
        let mut batch = Batch::default();
        let kubernetes = Authority::open_or_create(directory, KUBERNETES, "kubernetes-ca", now, &mut batch)?;
        let front_proxy =
            Authority::open_or_create(directory, FRONT_PROXY, "front-proxy-ca", now, &mut batch)?;
        let peers =
            Authority::open_or_create(&directory.join(PEERS), KUBERNETES, "etcd-ca", now, &mut batch)?;
        service_account_keys::create_missing(directory, &mut batch)?;

        let serving = serving(names).open_or_issue(directory, SERVING, &kubernetes, now, &mut batch)?;
        let tls = ServerTls::new(&serving, &kubernetes)?;
        let pki = Pki { directory: directory.to_owned(), kubernetes, front_proxy, peers };
        pki.clients(now, &mut batch)?;
        batch.commit()?;
        Ok((pki, tls))
    }

    /// The certificates with which the API server calls others.
    fn clients(&self, now: Timestamp, batch: &mut Batch) -> Result<()> {
        self.issue_kubelet_client(now, batch)?;
        self.issue_front_proxy_client(now, batch)?;
        Ok(())
    }

    fn issue_front_proxy_client(&self, now: Timestamp, batch: &mut Batch) -> Result<Issued> {
        let leaf = client("front-proxy-client", &[]);
        leaf.open_or_issue(&self.directory, "front-proxy-client", &self.front_proxy, now, batch)
    }

    fn issue_kubelet_client(&self, now: Timestamp, batch: &mut Batch) -> Result<Issued> {
        let masters = ["system:masters".to_owned()];
        let leaf = client("kube-apiserver-kubelet-client", &masters);
        leaf.open_or_issue(&self.directory, "apiserver-kubelet-client", &self.kubernetes, now, batch)
    }

    /// The TLS configurations for connections to nodes; kubelets are checked against the certificates in the file
    /// `authority`, or not at all.
    pub fn kubelet_tls(&self, authority: Option<&Path>, now: Timestamp) -> Result<KubeletTls> {
        KubeletTls::new(&self.kubelet_client(now)?, authority)
    }

    /// Lets `tls` use the certificate for kubelets that is on disk, made anew if it is about to expire.
    pub fn renew_kubelet(&self, tls: &KubeletTls, now: Timestamp) -> Result<()> {
        tls.replace(&self.kubelet_client(now)?)
    }

    /// The certificate for other API servers.
    pub fn front_proxy(&self, now: Timestamp) -> Result<FrontProxy> {
        FrontProxy::new(&committed(|batch| self.issue_front_proxy_client(now, batch))?)
    }

    /// Lets `proxy` use the certificate that is on disk, made anew if it is about to expire.
    pub fn renew_front_proxy(&self, proxy: &FrontProxy, now: Timestamp) -> Result<()> {
        proxy.replace(&committed(|batch| self.issue_front_proxy_client(now, batch))?)
    }

    fn kubelet_client(&self, now: Timestamp) -> Result<Issued> {
        committed(|batch| self.issue_kubelet_client(now, batch))
    }

    /// Issues leaves anew that are about to expire or do not fit any more, and lets `tls` use the serving certificate
    /// that is on disk from now on.
    pub fn renew(&self, tls: &ServerTls, names: &ServerNames, now: Timestamp) -> Result<()> {
        let mut batch = Batch::default();
        let issued =
            serving(names).open_or_issue(&self.directory, SERVING, &self.kubernetes, now, &mut batch)?;
        self.clients(now, &mut batch)?;
        batch.commit()?;
        tls.replace(&issued)
    }

    /// The TLS configurations of the peer port. The node's certificate is made if it is missing, no longer fits
    /// `names` or is about to expire.
    pub fn peer_tls(&self, names: &PeerNames, now: Timestamp) -> Result<PeerTls> {
        let issued = self.peer(names, now)?;
        PeerTls::new(&issued, &self.peers)
    }

    /// Issues the peer certificate anew when it is about to expire, and lets `tls` use what is on disk from now on.
    /// Connections that are open stay open.
    pub fn renew_peer(&self, tls: &PeerTls, names: &PeerNames, now: Timestamp) -> Result<()> {
        tls.replace(&self.peer(names, now)?)
    }

    fn peer(&self, names: &PeerNames, now: Timestamp) -> Result<Issued> {
        let mut batch = Batch::default();
        let directory = self.directory.join(PEERS);
        let issued = names.leaf().open_or_issue(&directory, PEER, &self.peers, now, &mut batch)?;
        batch.commit()?;
        Ok(issued)
    }

    /// The certificate of the authority that signs servers and clients, in PEM form.
    pub fn authority_pem(&self) -> &str {
        self.kubernetes.pem()
    }

    /// The hash by which nodes that join know this authority.
    pub fn authority_hash(&self) -> Option<AuthorityHash> {
        AuthorityHash::of(self.kubernetes.der())
    }

    /// The certificate of the authority that signs front proxies, in PEM form.
    pub fn front_proxy_authority_pem(&self) -> &str {
        self.front_proxy.pem()
    }

    /// The keys of service-account tokens.
    pub fn service_account_keys(&self) -> Result<ServiceAccountKeys> {
        ServiceAccountKeys::open(&self.directory)
    }

    /// A kubeconfig for `user`, member of `groups`, at the server `server` (`https://HOST:PORT`).
    pub fn kubeconfig<'a>(
        &'a self,
        user: &'a str,
        groups: &'a [String],
        server: &'a str,
    ) -> Result<Kubeconfig<'a>> {
        Kubeconfig::new(&self.kubernetes, user, groups, server)
    }
}

/// What is made, and on disk by then.
fn committed(make: impl FnOnce(&mut Batch) -> Result<Issued>) -> Result<Issued> {
    let mut batch = Batch::default();
    let issued = make(&mut batch)?;
    batch.commit()?;
    Ok(issued)
}

fn serving(names: &ServerNames) -> Leaf<'_> {
    Leaf { common_name: "kube-apiserver", organizations: &[], usage: Usage::Server(names) }
}

fn client<'a>(common_name: &'a str, organizations: &'a [String]) -> Leaf<'a> {
    Leaf { common_name, organizations, usage: Usage::Client }
}

#[cfg(test)]
mod tests;
