//! What systemd is told of the server, by the protocol of sd_notify(3): that it serves, and that it stops. So whoever has
//! restarted it gets the prompt back when it can do without the next one.
//!
//! Keeps: without a manager nothing is said, and one that does not listen holds up nobody.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::Arc,
    time::Duration,
};

use pintle_apiserver::Server;

use crate::own_request::is_ready;

/// Where the manager says that it listens.
const VARIABLE: &str = "NOTIFY_SOCKET";
/// How often it is looked whether the server serves.
const LOOK: Duration = Duration::from_millis(50);

/// The manager that has started this process, if it wants to be told.
#[derive(Clone, Debug)]
pub(crate) struct ServiceManager {
    address: Option<SocketAddr>,
}

impl ServiceManager {
    /// The manager that the environment names.
    #[allow(clippy::disallowed_methods, reason = "sd_notify(3) tells it there and nowhere else")]
    pub(crate) fn from_environment() -> ServiceManager {
        let address = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).and_then(|name| {
            let address = address(&name);
            if let Err(error) = &address {
                tracing::warn!(%error, ?name, "{VARIABLE} names no socket: nobody is told when the server serves");
            }
            address.ok()
        });
        ServiceManager { address }
    }

    /// Waits until the server serves, then says so.
    pub(crate) async fn announce(self, server: Arc<Server>) {
        if self.address.is_none() {
            return;
        }
        while !is_ready(&server, "").await {
            tokio::time::sleep(LOOK).await;
        }
        self.tell("READY=1");
    }

    /// Says that the server has begun to stop.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        let Some(address) = &self.address else { return };
        let told = UnixDatagram::unbound().and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to_addr(state.as_bytes(), address)
        });
        if let Err(error) = told {
            tracing::warn!(%error, state, "the service manager was not told");
        }
    }
}

/// A path, or with an at sign in front a name without one.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listener: &UnixDatagram, name: &OsStr) {
        let manager = ServiceManager { address: Some(address(name).expect("an address")) };
        manager.stopping();
        let mut said = [0; 64];
        let length = listener.recv(&mut said).expect("it was told");
        assert_eq!(&said[..length], b"STOPPING=1");
    }

    #[test]
    fn a_manager_is_told_by_path_and_by_abstract_name() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("notify");
        check(&UnixDatagram::bind(&path).expect("bound"), path.as_os_str());

        let name = format!("pintle-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let listener = UnixDatagram::bind_addr(&address).expect("bound");
        check(&listener, OsStr::new(&format!("@{name}")));
    }

    #[test]
    fn a_manager_that_is_not_there_holds_up_nobody() {
        ServiceManager { address: None }.stopping();
        ServiceManager { address: address(OsStr::new("/nowhere/notify")).ok() }.stopping();
    }
}
