//! The listening sockets of the API server and of its health port.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::error::Error;

/// Connections that may wait to be accepted: after a restart all clients come back at once.
const BACKLOG_CONNECTIONS_MAX: u32 = 4096;

/// An address that is taken, but where nobody is let in: a node that is not ready is better not reached than slow.
pub(crate) struct Reserved {
    socket: TcpSocket,
    flag: &'static str,
    /// The address with its real port.
    pub(crate) address: SocketAddr,
}

/// Takes the address that a flag names.
pub(crate) fn reserve(address: SocketAddr, flag: &'static str) -> Result<Reserved, Error> {
    take(address, flag).map_err(|source| refused(address, flag, source))
}

impl Reserved {
    /// Clients that connect from now on wait until the server accepts them.
    pub(crate) fn listen(self) -> Result<TcpListener, Error> {
        let Reserved { socket, flag, address } = self;
        socket.listen(BACKLOG_CONNECTIONS_MAX).map_err(|source| refused(address, flag, source))
    }
}

fn refused(address: SocketAddr, flag: &'static str, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse { address, flag },
        _ => Error::Listen { address, flag, source },
    }
}

fn take(address: SocketAddr, flag: &'static str) -> io::Result<Reserved> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without it a restarted server could not listen while connections of the previous one are being closed.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let address = socket.local_addr()?;
    Ok(Reserved { socket, flag, address })
}
