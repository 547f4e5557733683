//! The networks of Services as `--service-cidr` gives them: one, or one of each family for dual-stack Services.

use std::{fmt, str::FromStr};

use pintle_apiserver::cluster::{Network, NotANetwork};

/// One network, or two of different families; Services that do not ask for a family get the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceNetworks {
    networks: Vec<Network>,
}

/// The networks cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotNetworks {
    #[error("{0}")]
    Malformed(#[from] NotANetwork),
    #[error("{0:?} is not one network, or one of IPv4 and one of IPv6 with a comma between them")]
    Families(String),
}

impl ServiceNetworks {
    /// The network of Services that do not ask for a family.
    pub(crate) fn first(&self) -> &Network {
        self.networks.first().expect("there is one at least")
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Network] {
        &self.networks
    }
}

impl FromStr for ServiceNetworks {
    type Err = NotNetworks;

    fn from_str(text: &str) -> Result<ServiceNetworks, NotNetworks> {
        let networks =
            text.split(',').map(|network| network.trim().parse()).collect::<Result<Vec<Network>, _>>()?;
        match networks.as_slice() {
            [_] => {}
            [first, second] if first.family() != second.family() => {}
            _ => return Err(NotNetworks::Families(text.to_owned())),
        }
        Ok(ServiceNetworks { networks })
    }
}

impl fmt::Display for ServiceNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<String> = self.networks.iter().map(Network::to_string).collect();
        f.write_str(&networks.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_network_or_one_of_each_family() {
        for (text, canonical) in [
            ("10.96.0.0/12", Some("10.96.0.0/12")),
            ("fd00::/108, 10.0.0.7/24", Some("fd00::/108,10.0.0.0/24")),
            ("10.0.0.0/24,10.1.0.0/24", None),
            ("10.0.0.0/24,fd00::/108,fd01::/108", None),
            ("10.0.0.0/24,", None),
            ("", None),
        ] {
            let networks = text.parse::<ServiceNetworks>().ok().map(|networks| networks.to_string());
            assert_eq!(networks.as_deref(), canonical, "{text}");
        }
    }
}
