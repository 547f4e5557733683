//! One Ethernet segment and the cables to it. Keeps: what a fault has cut is restored by `heal`, whatever it was.

use super::namespace::Namespace;

/// The network of all hosts.
pub const PREFIX: &str = "10.0.0.";

/// A switch.
pub struct Network {
    switch: Namespace,
}

/// A host's cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub u8);

impl Network {
    /// A switch without hosts.
    pub fn new() -> Network {
        let switch = Namespace::new();
        switch.run("ip", &["link", "add", "bridge0", "type", "bridge", "forward_delay", "0"]);
        switch.run("ip", &["link", "set", "bridge0", "up"]);
        Network { switch }
    }

    /// Plugs a host in: it gets `eth0` with the address of its port.
    pub fn plug(&self, host: &Namespace, port: Port) {
        let (end, process) = (port.name(), host.process_id());
        // `ip` must see the process by its outer number, so it runs in the switch's network only.
        let link = ["link", "add", &end, "type", "veth", "peer", "name", "eth0", "netns", &process];
        let added = std::process::Command::new("nsenter")
            .args(self.switch.enter_network())
            .arg("ip")
            .args(link)
            .output();
        let added = added.expect("nsenter can be started");
        assert!(added.status.success(), "no cable: {}", String::from_utf8_lossy(&added.stderr));
        self.switch.run("ip", &["link", "set", &end, "master", "bridge0", "up"]);
        host.run("ip", &["address", "add", &format!("{}/24", port.address()), "dev", "eth0"]);
        host.run("ip", &["link", "set", "eth0", "up"]);
    }

    /// Pulls a host's cable out, or puts it back.
    pub fn connect(&self, port: Port, connected: bool) {
        self.switch.run("ip", &["link", "set", &port.name(), if connected { "up" } else { "down" }]);
    }
}

impl Default for Network {
    fn default() -> Network {
        Network::new()
    }
}

impl Port {
    /// The address of the host on this port.
    pub fn address(self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    fn name(self) -> String {
        format!("port{}", self.0)
    }
}

/// Lets a host drop whatever comes from another one; what goes there still arrives.
pub fn drop_from(host: &Namespace, other: Port) {
    host.run("iptables", &["-A", "INPUT", "-s", &other.address(), "-j", "DROP"]);
}

/// Takes all of that back.
pub fn drop_nothing(host: &Namespace) {
    host.run("iptables", &["-F", "INPUT"]);
}
