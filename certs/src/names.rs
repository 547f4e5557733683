//! The names that the API server's certificate is valid for. Keeps: every name may stand in a certificate.

use std::{collections::BTreeSet, net::IpAddr, str::FromStr};

use rcgen::SanType;
use rustls_pki_types::DnsName;

use crate::{Error, Result};

/// The names by which Pods and operators reach the API server, as kubeadm issues them.
const ALWAYS: [&str; 5] = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
];

/// Host names and addresses that the serving certificate covers, sorted and without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNames {
    hosts: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl ServerNames {
    /// The names that every API server has: the `kubernetes` Service under each of its DNS names, and this machine.
    pub fn new() -> ServerNames {
        let hosts = ALWAYS.iter().map(|&name| name.to_owned()).collect();
        let addresses = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0u16, 0, 0, 0, 0, 0, 0, 1])];
        ServerNames { hosts, addresses: addresses.into() }
    }

    /// Adds an address; the unspecified address names no machine and is left out.
    pub fn add_address(&mut self, address: IpAddr) {
        if !address.is_unspecified() {
            self.addresses.insert(address);
        }
    }

    /// Adds a host name, a wildcard or an address.
    pub fn add(&mut self, name: &str) -> Result<()> {
        if let Ok(address) = IpAddr::from_str(name) {
            self.add_address(address);
            return Ok(());
        }
        let host = name.strip_prefix("*.").unwrap_or(name);
        if DnsName::try_from(host).is_err() {
            return Err(Error::Name {
                name: name.to_owned(),
                why: "it is neither a DNS name nor an IP address",
            });
        }
        self.hosts.insert(name.to_ascii_lowercase());
        Ok(())
    }

    /// Adds a host name that is known to be one, in lower case.
    pub(crate) fn add_host(&mut self, host: &str) {
        self.hosts.insert(host.to_owned());
    }

    pub(crate) fn from_certificate(
        certificate: &x509_parser::certificate::X509Certificate<'_>,
    ) -> ServerNames {
        use x509_parser::extensions::GeneralName;
        let mut names = ServerNames::default();
        let extension = certificate.subject_alternative_name().ok().flatten();
        for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(host) => {
                    names.hosts.insert((*host).to_owned());
                }
                GeneralName::IPAddress(bytes) => {
                    let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                    let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
                    names.addresses.extend(address);
                }
                _ => {}
            }
        }
        names
    }

    pub(crate) fn subject_alternative_names(&self) -> Result<Vec<SanType>> {
        let addresses = self.addresses.iter().map(|&address| Ok(SanType::IpAddress(address)));
        let hosts = self.hosts.iter().map(|host| Ok(SanType::DnsName(host.as_str().try_into()?)));
        hosts.chain(addresses).collect()
    }
}
