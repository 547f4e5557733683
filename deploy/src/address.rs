//! A host and a port, as people write them: `10.0.0.1:6443`, `[fd00::1]:6443`, `node1.example:6443`.

use std::{fmt, net::IpAddr, net::SocketAddr, str::FromStr};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPort {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<HostPort, String> {
        let wrong = || "write it as HOST:PORT, like 10.0.0.1:6443".to_owned();
        let text = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let host = match bare {
            Some(host) if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) => host,
            None if !host.is_empty() && host.chars().all(plain) => host,
            _ => return Err(wrong()),
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        Ok(HostPort { host: host.to_owned(), port })
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> HostPort {
        HostPort { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HostPort;

    #[test]
    fn addresses_read_back_as_they_were_written() {
        for text in ["10.0.0.1:6443", "[fd00::1]:6443", "node1.example:6443"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        let with_scheme: HostPort = "https://10.0.0.1:6443/".parse().unwrap();
        assert_eq!(with_scheme.to_string(), "10.0.0.1:6443");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "10.0.0.1", ":6443", "host:", "host:0", "host:70000", "fd00::1:6443", "a/b:1", "[x]:1"]
        {
            assert!(text.parse::<HostPort>().is_err(), "{text:?}");
        }
    }
}
