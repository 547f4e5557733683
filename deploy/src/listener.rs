//! The listening socket of the API server.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::error::Error;

/// Connections that may wait to be accepted: after a restart all clients come back at once.
const BACKLOG_CONNECTIONS_MAX: u32 = 4096;

/// Binds the address; clients that connect from now on wait until the server accepts them.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    listen(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse { address },
        _ => Error::Listen { address, source },
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without it a restarted server could not listen while connections of the previous one are being closed.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG_CONNECTIONS_MAX)
}
