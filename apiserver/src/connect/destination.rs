//! Where a request goes: a kubelet, another port of a node, a pod.

use std::net::IpAddr;

use http::Uri;
use http::uri::InvalidUri;

use super::dial::{Address, Tls};
use crate::registry::Registry;
use crate::scope::Scope;
use crate::status::Error;
use crate::storage::View;
use crate::tree::{Map, Node};

/// Where kubelets listen that do not say it.
const KUBELET_PORT: i64 = 10_250;
/// Which of a node's addresses is taken, as kubeadm has it.
const ADDRESS_TYPES: [&str; 5] = ["InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"];

/// Where a request goes, and as what.
pub(super) struct Destination {
    pub(super) address: Address,
    /// Path and query.
    pub(super) uri: Uri,
}

impl Destination {
    /// `https://10.0.0.1:10250/path`
    pub(super) fn url(&self) -> String {
        let scheme = if self.address.tls == Tls::None { "http" } else { "https" };
        format!("{scheme}://{}{}", self.address, self.uri)
    }
}

impl Address {
    /// A path there, with or without a query.
    pub(super) fn at(self, path: &str) -> Result<Destination, Error> {
        let wrong = |error: InvalidUri| Error::BadRequest(format!("{path:?} cannot be passed on: {error}"));
        Ok(Destination { uri: path.parse().map_err(wrong)?, address: self })
    }
}

/// `[scheme:]name[:port]`
pub(super) struct Named<'a> {
    pub(super) tls: Tls,
    pub(super) name: &'a str,
    pub(super) port: &'a str,
}

impl<'a> Named<'a> {
    /// Splits what stands in the path for a name.
    pub(super) fn parse(what: &str, text: &'a str) -> Result<Named<'a>, Error> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts[..] {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => ("", "", ""),
        };
        if name.is_empty() || !matches!(scheme, "" | "http" | "https") {
            return Err(Error::BadRequest(format!("invalid {what} request {text:?}")));
        }
        let tls = if scheme == "https" { Tls::Others } else { Tls::None };
        Ok(Named { tls, name, port })
    }

    /// The port that is served without one being named.
    fn default_port(&self) -> &'static str {
        if self.tls == Tls::None { "80" } else { "443" }
    }
}

impl Scope<'_> {
    /// An object of another kind.
    pub(super) fn other(&self, view: &View, plural: &str, namespace: &str, name: &str) -> Result<Map, Error> {
        let resource = Registry::builtin().storage_of("", plural).ok_or(Error::NoResource)?;
        view.object(resource, namespace, name).ok_or_else(|| Error::not_found(plural, name))
    }

    /// The kubelet of a pod's node, unless it has none yet.
    pub(super) fn kubelet_of(&self, view: &View, pod: &Map) -> Result<Option<Address>, Error> {
        match pod.str_at(&["spec", "nodeName"]) {
            "" => Ok(None),
            node => kubelet(&self.other(view, "nodes", "", node)?).map(Some),
        }
    }

    /// A node's kubelet, or another port of the node.
    pub(super) async fn node_at(&self, view: &View) -> Result<Address, Error> {
        let named = Named::parse("node", self.name())?;
        let kubelet = kubelet(&self.other(view, "nodes", "", named.name)?)?;
        let addresses = kubelet.resolve().await.map_err(|error| Error::BadRequest(error.to_string()))?;
        if addresses.is_empty() || !addresses.iter().all(|address| is_global_unicast(address.ip())) {
            return Err(not_allowed());
        }
        if named.port.is_empty() || named.port == kubelet.port {
            return Ok(kubelet);
        }
        Ok(Address { port: named.port.to_owned(), tls: named.tls, ..kubelet })
    }

    /// A port of a pod.
    pub(super) fn pod_at(&self, view: &View) -> Result<Address, Error> {
        let named = Named::parse("pod", self.name())?;
        let pod = self.other(view, "pods", self.namespace(), named.name)?;
        let ip = ips(&pod).next().and_then(|ip| ip.parse().ok()).filter(|ip| is_global_unicast(*ip));
        let host = ip.ok_or_else(not_allowed)?.to_string();
        let port = match named.port {
            "" => first_port(&pod).unwrap_or_else(|| named.default_port().to_owned()),
            port => port.to_owned(),
        };
        Ok(Address { host, port, tls: named.tls })
    }
}

/// Where the kubelet of a node listens.
fn kubelet(node: &Map) -> Result<Address, Error> {
    let status = node.map("status");
    let addresses: Vec<&Map> = status.into_iter().flat_map(|status| status.maps("addresses")).collect();
    let of_type = |kind: &&str| addresses.iter().find(|address| address.str("type") == *kind);
    let address = ADDRESS_TYPES.iter().find_map(of_type).ok_or_else(|| {
        let known: Vec<String> = addresses
            .iter()
            .map(|address| format!("{{{} {}}}", address.str("type"), address.str("address")))
            .collect();
        Error::Plain(format!("no preferred addresses found; known addresses: [{}]", known.join(" ")))
    })?;
    let port = node.at(&["status", "daemonEndpoints", "kubeletEndpoint", "Port"]).and_then(Node::as_int);
    let port = port.filter(|port| *port > 0).unwrap_or(KUBELET_PORT).to_string();
    Ok(Address { host: address.str("address").to_owned(), port, tls: Tls::Kubelets })
}

/// The addresses of a pod.
pub(super) fn ips(pod: &Map) -> impl Iterator<Item = &str> {
    pod.map("status").into_iter().flat_map(|status| status.maps("podIPs")).map(|ip| ip.str("ip"))
}

/// The port that a pod names first.
fn first_port(pod: &Map) -> Option<String> {
    let mut ports =
        pod.map("spec")?.maps("containers").filter_map(|container| container.maps("ports").next());
    ports.next()?.int("containerPort").map(|port| port.to_string())
}

/// The server's own machine and network are not to be reached through it.
pub(super) fn is_global_unicast(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let is_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(is_local || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast())
}

fn not_allowed() -> Error {
    Error::BadRequest("address not allowed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_a_scheme_and_a_port() {
        for (text, expected) in [
            ("web", Some((false, "web", ""))),
            ("web:8080", Some((false, "web", "8080"))),
            ("https:web:", Some((true, "web", ""))),
            ("http:web:main", Some((false, "web", "main"))),
            ("ftp:web:21", None),
            (":80", None),
            ("a:b:c:d", None),
        ] {
            let named = Named::parse("pod", text);
            let seen = named.as_ref().ok().map(|named| (named.tls == Tls::Others, named.name, named.port));
            assert_eq!(seen, expected, "{text}");
        }
    }

    #[test]
    fn the_own_machine_and_network_are_out_of_reach() {
        for (ip, expected) in [
            ("10.0.0.1", true),
            ("fd00::1", true),
            ("127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("169.254.169.254", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
            ("::1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
        ] {
            assert_eq!(is_global_unicast(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
