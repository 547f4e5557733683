//! The cluster as its operator set it up: networks, ports and authorities that plug-ins and bootstrap need.
//!
//! Keeps: fixed while the server runs; everything that changes is an object in the store.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use crate::authentication::oidc::{Anonymous, Issuers};
use crate::service_account::Tokens;

/// Who issues service account tokens when nobody says otherwise, and whom they are for.
pub const DEFAULT_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// What flags and certificates say of the cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Where cluster IPs come from; the first is of the default family, a second one of the other family.
    pub service_networks: Vec<Network>,
    /// Where node ports come from.
    pub node_ports: RangeInclusive<u16>,
    /// Where clients inside the cluster reach this server.
    pub advertised: SocketAddr,
    /// The id of this server's node in the store.
    pub node: u64,
    /// PEM of the authority that signed the server's certificate: `kube-root-ca.crt` of every namespace.
    pub root_ca: String,
    /// PEM of the authority of client certificates.
    pub client_ca: String,
    /// PEM of the authority of front proxies; empty when there is none.
    pub front_proxy_ca: String,
    /// What tokens for this API are meant for: one of these stands in their `aud`.
    pub api_audiences: Vec<String>,
    /// Controllers whose roles the default policy does not have.
    pub controllers: Vec<ControllerRole>,
    /// The tokens of service accounts; none are issued or believed without.
    pub service_account_tokens: Option<Arc<Tokens>>,
    /// Others whose tokens are believed.
    pub issuers: Arc<Issuers>,
    /// Where those are let in who do not say who they are.
    pub anonymous: Anonymous,
}

/// What the service account of a controller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerRole {
    /// The controller's name, which is that of its service account in kube-system.
    pub name: &'static str,
    /// Its rules, in the words of the default policy: `R core:pods`, `EV`, `CPU apps:*`.
    pub rules: &'static [&'static str],
}

/// A network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// The two families, as `spec.ipFamilies` calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `IPv4`
    V4,
    /// `IPv6`
    V6,
}

/// The text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a network: write an address, a slash and the number of leading bits, like 10.96.0.0/12"
)]
pub struct NotANetwork(pub String);

impl Default for Cluster {
    /// What kubeadm would choose, and an address that only this machine reaches.
    fn default() -> Cluster {
        Cluster {
            service_networks: vec![Network { base: IpAddr::V4(Ipv4Addr::new(10, 96, 0, 0)), prefix: 12 }],
            node_ports: 30_000..=32_767,
            advertised: SocketAddr::from((Ipv4Addr::LOCALHOST, 6443)),
            node: 0,
            root_ca: String::new(),
            client_ca: String::new(),
            front_proxy_ca: String::new(),
            api_audiences: vec![DEFAULT_ISSUER.to_owned()],
            controllers: Vec::new(),
            service_account_tokens: None,
            issuers: Arc::default(),
            anonymous: Anonymous::default(),
        }
    }
}

impl Cluster {
    /// The network of a family.
    pub fn service_network(&self, family: Family) -> Option<&Network> {
        self.service_networks.iter().find(|network| network.family() == family)
    }

    /// The family of services that do not ask for one.
    pub fn default_family(&self) -> Family {
        self.service_networks.first().map_or(Family::V4, Network::family)
    }

    /// The address of the `kubernetes` service: the first of the default network.
    pub fn kubernetes_service_ip(&self) -> IpAddr {
        self.service_networks.first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |network| network.address(1))
    }
}

impl Family {
    /// The family of an address.
    pub fn of(address: &IpAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    /// The one that `text` names.
    pub fn parse(text: &str) -> Option<Family> {
        [Family::V4, Family::V6].into_iter().find(|family| family.as_str() == text)
    }

    /// The other one.
    pub fn other(self) -> Family {
        match self {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        }
    }
}

impl Network {
    /// The family of its addresses.
    pub fn family(&self) -> Family {
        Family::of(&self.base)
    }

    fn host_bits(&self) -> u32 {
        let width = if self.base.is_ipv4() { 32 } else { 128 };
        width - u32::from(self.prefix)
    }

    /// How many addresses a service may have: not the first, and for IPv4 not the broadcast address. Networks
    /// beyond 2^64 addresses are used up to there.
    pub fn size(&self) -> u64 {
        let bits = self.host_bits().min(63);
        let all = 1u64 << bits;
        let unusable = if self.base.is_ipv4() { 2 } else { 1 };
        all.saturating_sub(unusable)
    }

    /// The address at `offset` from the base.
    pub fn address(&self, offset: u64) -> IpAddr {
        match self.base {
            IpAddr::V4(base) => IpAddr::V4(Ipv4Addr::from(u32::from(base).wrapping_add(offset as u32))),
            IpAddr::V6(base) => IpAddr::V6(Ipv6Addr::from(u128::from(base).wrapping_add(u128::from(offset)))),
        }
    }

    /// Whether a service may have the address.
    pub fn offers(&self, address: &IpAddr) -> bool {
        let offset = match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                u32::from(*address).checked_sub(u32::from(base)).map(u64::from)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => u128::from(*address)
                .checked_sub(u128::from(base))
                .and_then(|offset| u64::try_from(offset).ok()),
            _ => None,
        };
        offset.is_some_and(|offset| (1..=self.size()).contains(&offset))
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Network, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (base, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let base = match base {
            IpAddr::V4(address) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
            }
            IpAddr::V6(address) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
            }
            _ => return Err(wrong()),
        };
        Ok(Network { base, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_know_their_addresses() {
        for (text, canonical, size, first) in [
            ("10.96.0.0/12", "10.96.0.0/12", (1 << 20) - 2, "10.96.0.1"),
            ("10.0.0.77/24", "10.0.0.0/24", 254, "10.0.0.1"),
            ("fd00::/108", "fd00::/108", (1 << 20) - 1, "fd00::1"),
            ("fd00::/40", "fd00::/40", (1 << 63) - 1, "fd00::1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!((network.to_string().as_str(), network.size()), (canonical, size));
            assert_eq!(network.address(1).to_string(), first);
        }
        let network: Network = "10.0.0.0/24".parse().unwrap();
        for (address, offered) in [
            ("10.0.0.0", false),
            ("10.0.0.1", true),
            ("10.0.0.254", true),
            ("10.0.0.255", false),
            ("10.0.1.1", false),
        ] {
            assert_eq!(network.offers(&address.parse().unwrap()), offered, "{address}");
        }
        assert!("10.0.0.0".parse::<Network>().is_err() && "10.0.0.0/33".parse::<Network>().is_err());
    }
}
