//! The certificate of a node on the peer port: how it names the node, and the TLS configurations made from it.
//!
//! A node is named by a DNS name made of its ids, [`peer_name`]; whoever dials a node asks for that name, whoever is
//! dialed looks for it in the caller's certificate. The node's host names and addresses stand beside it for people
//! and other tools. Keeps: both sides prove themselves to the peer authority, and no session outlives a renewal by
//! being resumed.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme,
    client::{ResolvesClientCert, Resumption},
    crypto::ring,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};

use crate::{
    Error, Result, ServerNames,
    authority::Authority,
    leaf::{Issued, Leaf, Usage},
    server_tls::certified_key,
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
        let current = Arc::new(Current(RwLock::new(certified_key(issued, &provider)?)));
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
        let key = certified_key(issued, self.server.crypto_provider())?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }
}

/// The certificate in use, for both directions.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    fn key(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
