//! TCP keepalives, for connections on which both sides may be silent as long as they like.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// How long a silent connection goes without the system asking whether the other side is still there.
const INTERVAL: Duration = Duration::from_secs(30);

/// Has the system ask whether the other side is still there.
pub(crate) fn ask_often(stream: &TcpStream) {
    let often = TcpKeepalive::new().with_time(INTERVAL).with_interval(INTERVAL);
    // Without them a dead connection lasts longer.
    let _ = SockRef::from(stream).set_tcp_keepalive(&often);
}
