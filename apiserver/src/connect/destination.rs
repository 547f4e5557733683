//! Where a request goes: a kubelet, another port of a node, a pod, a pod of a service.

use std::net::IpAddr;

use http::Uri;
use http::uri::InvalidUri;

use super::dial::{Address, Tls};
use crate::cluster::Family;
use crate::registry::Registry;
use crate::scope::Scope;
use crate::selector::Selection;
use crate::status::Error;
use crate::storage::{self, View};
use crate::tree::{Map, Node};

/// Where kubelets listen that do not say it.
const KUBELET_PORT: i64 = 10_250;
/// Which of a node's addresses is taken, as kubeadm has it.
const ADDRESS_TYPES: [&str; 5] = ["InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"];
/// On the slices of a service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

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
    pub(super) tls: bool,
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
        Ok(Named { tls: scheme == "https", name, port })
    }

    fn tls(&self) -> Tls {
        if self.tls { Tls::Others } else { Tls::None }
    }

    /// The port that is served without one being named.
    fn default_port(&self) -> &'static str {
        if self.tls { "443" } else { "80" }
    }
}

impl Scope<'_> {
    /// An object of another kind.
    fn other(&self, view: &View, plural: &str, namespace: &str, name: &str) -> Result<Map, Error> {
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
        Ok(Address { port: named.port.to_owned(), tls: named.tls(), ..kubelet })
    }

    /// A port of a pod.
    pub(super) fn pod_at(&self, view: &View) -> Result<Address, Error> {
        let named = Named::parse("pod", self.name())?;
        let pod = self.other(view, "pods", self.namespace(), named.name)?;
        let first_port = || {
            let containers = pod.map("spec").into_iter().flat_map(|spec| spec.maps("containers"));
            let mut ports = containers.filter_map(|container| container.maps("ports").next());
            ports.next().and_then(|port| port.int("containerPort")).map(|port| port.to_string())
        };
        let port = if named.port.is_empty() { first_port() } else { Some(named.port.to_owned()) };
        let ip = pod.map("status").and_then(|status| status.maps("podIPs").next()).map(|ip| ip.str("ip"));
        let ip =
            ip.and_then(|ip| ip.parse().ok()).filter(|ip| is_global_unicast(*ip)).ok_or_else(not_allowed)?;
        let port = port.unwrap_or_else(|| named.default_port().to_owned());
        Ok(Address { host: ip.to_string(), port, tls: named.tls() })
    }

    /// A port of one of the pods behind a service.
    pub(super) async fn service_at(&self, view: &View) -> Result<Address, Error> {
        let named = Named::parse("service", self.name())?;
        let nobody = || Error::Unreachable(format!("no endpoints available for service {:?}", named.name));
        let mut port = named.port.to_owned();
        if let Ok(number) = port.parse::<i64>() {
            let service = self.other(view, "services", self.namespace(), named.name)?;
            let ports = service.map("spec").into_iter().flat_map(|spec| spec.maps("ports"));
            let mut found = ports.filter(|port| port.int("port") == Some(number));
            port = found.next().map(|port| port.str("name").to_owned()).ok_or_else(|| {
                Error::Unreachable(format!("no service port {number} found for service {:?}", named.name))
            })?;
        }
        let mut slices = self.slices(view, named.name)?;
        // Another one every time, of the first address family that has any.
        let mut random = [0; 8];
        self.server.clock.random(&mut random);
        let turn = usize::from_le_bytes(random);
        if !slices.is_empty() {
            let middle = turn % slices.len();
            slices.rotate_left(middle);
        }
        let is_first_family = |slice: &Map| {
            (slice.str("addressType") == "IPv4") == (self.server.cluster.default_family() == Family::V4)
        };
        slices.sort_by_key(|slice| !is_first_family(slice));
        for slice in &slices {
            let mut numbers = slice.maps("ports").filter(|found| found.str("name") == port);
            let Some(number) = numbers.find_map(|found| found.int("port")) else { continue };
            let endpoints: Vec<&Map> = slice.maps("endpoints").collect();
            let in_turn = (0..endpoints.len()).map(|place| endpoints[(place + turn) % endpoints.len()]);
            if let Some(ip) = in_turn.filter_map(|endpoint| self.pod_behind(view, endpoint)).next() {
                return Ok(Address { host: ip, port: number.to_string(), tls: named.tls() });
            }
        }
        Err(nobody())
    }

    fn slices(&self, view: &View, service: &str) -> Result<Vec<Map>, Error> {
        let slices =
            Registry::builtin().storage_of("discovery.k8s.io", "endpointslices").ok_or(Error::NoResource)?;
        let selector = format!("{SERVICE_NAME}={service}");
        let selection = Selection::new(slices, self.namespace(), "", &selector, "")?;
        let entries = view.entries(slices, self.namespace());
        let selected = entries.filter(|entry| selection.matches(entry));
        Ok(selected.map(|entry| storage::decode(slices, entry)).collect())
    }

    /// The address of a ready endpoint that is a pod of the namespace: anybody may write a slice, and nothing else is
    /// within reach through one.
    fn pod_behind(&self, view: &View, endpoint: &Map) -> Option<String> {
        if endpoint.at(&["conditions", "ready"]) == Some(&Node::Bool(false)) {
            return None;
        }
        let address = endpoint.list("addresses").first()?.as_str()?;
        let target =
            endpoint.map("targetRef").filter(|target| target.str("namespace") == self.namespace())?;
        let pod = self.other(view, "pods", self.namespace(), target.str("name")).ok()?;
        let mut own = pod.map("status")?.maps("podIPs");
        let is_allowed = address.parse().is_ok_and(is_global_unicast);
        (is_allowed && own.any(|ip| ip.str("ip") == address)).then(|| address.to_owned())
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

/// The server's own machine and network are not to be reached through it.
fn is_global_unicast(ip: IpAddr) -> bool {
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
            let seen = named.as_ref().ok().map(|named| (named.tls, named.name, named.port));
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
