//! The certificate of a node on the peer port: how it names the node, and the TLS configurations made from it.
//!
//! A node is named by a DNS name made of its ids, [`peer_name`]; whoever dials a node asks for that name, whoever is
//! dialed looks for it in the caller's certificate. The node's host names and addresses stand beside it for people
//! and other tools. Keeps: both sides prove themselves to the peer authority, and no session outlives a renewal by
//! being resumed.

use std::{net::IpAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::ring,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};

use crate::{
    Error, Result, ServerNames,
    authority::Authority,
    current::Current,
    leaf::{Issued, Leaf, Usage},
};

/// The DNS name by which a node's certificate names it. It is never resolved.
pub fn peer_name(cluster: u64, node: u64) -> String {
    format!("node-{node:016x}.{cluster:016x}.pintle.peer")
}

/// What the certificate of a node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerNames {
    common_name: String,
    names: ServerNames,
}

impl PeerNames {
    /// The name of a node of a cluster.
    pub fn new(cluster: u64, node: u64) -> PeerNames {
        let mut names = ServerNames::default();
        names.add_host(&peer_name(cluster, node));
        PeerNames { common_name: format!("node-{node:016x}"), names }
    }

    /// Adds an address that others dial; the unspecified address is left out.
    pub fn add_address(&mut self, address: IpAddr) {
        self.names.add_address(address);
    }

    /// Adds a host name or an address that others dial.
    pub fn add(&mut self, name: &str) -> Result<()> {
        self.names.add(name)
    }

    pub(crate) fn leaf(&self) -> Leaf<'_> {
        Leaf { common_name: &self.common_name, organizations: &[], usage: Usage::Peer(&self.names) }
    }
}

/// The TLS side of the peer port, in both directions.
#[derive(Debug)]
pub struct PeerTls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    current: Arc<Current>,
}

impl PeerTls {
    pub(crate) fn new(issued: &Issued, authority: &Authority) -> Result<PeerTls> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current::new(issued, &provider)?);
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone())?;
        let roots = Arc::new(roots);
        let callers = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| Error::Crypto(error.to_string()))?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(callers)
            .with_cert_resolver(current.clone());
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_cert_resolver(current.clone());
        client.resumption = Resumption::disabled();
        Ok(PeerTls { server: Arc::new(server), client: Arc::new(client), current })
    }

    /// For connections that others open. It stays the same when the certificate is renewed.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// For connections to others; the name to ask for is [`peer_name`]. It stays the same when the certificate is
    /// renewed.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    pub(crate) fn replace(&self, issued: &Issued) -> Result<()> {
        self.current.replace(issued, self.server.crypto_provider())
    }
}
