//! The listening socket of the API server.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::error::Error;

/// Connections that may wait to be accepted: after a restart all clients come back at once.
const BACKLOG_CONNECTIONS_MAX: u32 = 4096;

/// An address that is taken, but where nobody is let in: a node that is not ready is better not reached than slow.
pub(crate) struct Reserved {
    socket: TcpSocket,
    /// The address with its real port.
    pub(crate) address: SocketAddr,
}

/// Takes the address.
pub(crate) fn reserve(address: SocketAddr) -> Result<Reserved, Error> {
    take(address).map_err(|source| refused(address, source))
}

impl Reserved {
    /// Clients that connect from now on wait until the server accepts them.
    pub(crate) fn listen(self) -> Result<TcpListener, Error> {
        self.socket.listen(BACKLOG_CONNECTIONS_MAX).map_err(|source| refused(self.address, source))
    }
}

fn refused(address: SocketAddr, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse { address },
        _ => Error::Listen { address, source },
    }
}

fn take(address: SocketAddr) -> io::Result<Reserved> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without it a restarted server could not listen while connections of the previous one are being closed.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let address = socket.local_addr()?;
    Ok(Reserved { socket, address })
}
