//! The port for other nodes: its socket, its certificate and the transport behind the store's seam for peers.
//!
//! Keeps: the store opens first and says who this node is; only then its certificate can be made and the transport
//! starts. What the store sends before that is lost, as on any network.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use pintle_certs::{PeerNames, PeerTls, Pki, peer_name};
use pintle_store::{Links, PeerFrame, Peers, Store, Transport, TransportOptions, TransportTls};
use tokio::sync::watch;

use crate::{address::HostPort, error::Error};

/// Where the address comes from.
const FLAG: &str = "--peer-listen";

/// The seam that the store is opened with; the transport follows.
#[derive(Debug, Default)]
pub(crate) struct LatePeers(OnceLock<Arc<dyn Peers>>);

impl Peers for LatePeers {
    fn send(&self, frame: PeerFrame) {
        if let Some(peers) = self.0.get() {
            peers.send(frame);
        }
    }
}

/// The socket, before anything is known of the node.
pub(crate) struct PeerSocket {
    listener: TcpListener,
    /// Where other nodes reach it.
    pub(crate) address: HostPort,
}

impl PeerSocket {
    /// Takes the port; `advertised` is where others reach it, if not by the address itself.
    pub(crate) fn bind(listen: SocketAddr, advertised: Option<&HostPort>) -> Result<PeerSocket, Error> {
        let bind = || -> io::Result<(TcpListener, SocketAddr)> {
            let listener = TcpListener::bind(listen)?;
            let local = listener.local_addr()?;
            Ok((listener, local))
        };
        let (listener, local) = bind().map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => Error::AddressInUse { address: listen, flag: FLAG },
            _ => Error::Listen { address: listen, flag: FLAG, source },
        })?;
        let address = match advertised {
            Some(address) => address.clone(),
            None if local.ip().is_unspecified() => return Err(Error::PeerAddressUnknown { address: listen }),
            None => HostPort::from(local),
        };
        Ok(PeerSocket { listener, address })
    }
}

/// The running port.
pub(crate) struct PeerPort {
    transport: Transport,
    tls: PeerTls,
    names: PeerNames,
}

impl PeerPort {
    /// Starts the transport of an open store. `addresses` are nodes that the membership does not name yet.
    pub(crate) fn start(
        socket: PeerSocket,
        late: &LatePeers,
        store: &Store,
        pki: &Pki,
        addresses: BTreeMap<u64, String>,
        now: Timestamp,
    ) -> Result<PeerPort, Error> {
        let status = store.status();
        let mut names = PeerNames::new(status.cluster, status.node);
        names.add(&socket.address.host)?;
        let tls = pki.peer_tls(&names, now)?;
        let transport_tls = TransportTls { server: tls.server(), client: tls.client(), name: peer_name };
        let transport =
            Transport::new(TransportOptions { addresses, ..TransportOptions::new(transport_tls) });
        let fresh = late.0.set(transport.peers());
        debug_assert!(fresh.is_ok(), "a store has one transport");
        transport.start(store, socket.listener).map_err(Error::Transport)?;
        Ok(PeerPort { transport, tls, names })
    }

    /// Makes the node's certificate anew when its time has come.
    pub(crate) fn renew(&self, pki: &Pki, now: Timestamp) -> pintle_certs::Result<()> {
        pki.renew_peer(&self.tls, &self.names, now)
    }

    /// Which nodes are connected.
    pub(crate) fn links(&self) -> watch::Receiver<Links> {
        self.transport.links()
    }

    /// Ends it; the store must be shut down before, because it may still hand over leadership.
    pub(crate) async fn stop(self) {
        self.transport.stop().await;
    }
}
